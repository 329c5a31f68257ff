"""Rows of layers that make one array of several."""

import math
from functools import reduce
from operator import add, mul, sub, truediv

import numpy as np

from minigraph.layers import Add, Concat, Divide, MatMul, Multiply, Stack, Subtract

from .case import Case, Refused, elementwise, joined, normal, off_kinks


def broadcast(f, *shape):
    """Each element of samples of a shape from those of the inputs that numpy's rules put there."""

    def reference(given, *inputs):
        out = np.empty((len(inputs[0]), *shape))
        for i in np.ndindex(out.shape):
            out[i] = f(*(float(x[(i[0], *own_place(i[1:], x.shape[1:]))]) for x in inputs))
        return out

    return reference


def own_place(place, shape):
    """Where a place in the broadcast samples is in samples of this shape."""
    return [0 if n == 1 else k for k, n in zip(place[len(place) - len(shape) :], shape, strict=True)]


def matrix_product(*shape, row=False, column=False):
    """Σ_q x_pq y_qr for samples of a shape (…, p, r); a vector x is a row, a vector y a column, and that axis goes."""

    def reference(given, x, y):
        x, y = x[:, None] if row else x, y[..., None] if column else y
        out = np.empty((len(x), *shape))
        for i, *before, p, r in np.ndindex(out.shape):
            left, right = (a[(i, *own_place(before, a.shape[1:-2]))] for a in (x, y))
            out[(i, *before, p, r)] = math.fsum(left[p, q] * right[q, r] for q in range(len(right)))
        out = out[..., 0] if column else out
        return out[(..., 0, slice(None))[: 3 - column]] if row else out

    return reference


def stacked(axis):
    """Inputs along a new axis, the batch axis counted."""

    def reference(given, *inputs):
        x = inputs[0]
        out = np.full((*x.shape[:axis], len(inputs), *x.shape[axis:]), np.nan)
        for n, x in enumerate(inputs):
            for i in np.ndindex(x.shape):
                out[(*i[:axis], n, *i[axis:])] = x[i]
        return out

    return reference


def per_sample(f):
    """PyTorch's own broadcasting, of each example's samples alone."""
    return lambda torch, given, *inputs: torch.vmap(lambda *samples: f(torch, *samples))(*inputs)


product = per_sample(lambda torch, x, y: x @ y)

UNEQUAL = (
    Refused(((3,), (2,)), "takes inputs whose samples' shapes broadcast", "got (3,) and (2,)"),
    Refused(((2, 3), (2,)), "takes inputs whose samples' shapes broadcast", "got (2, 3) and (2,)"),
    Refused(((3,),), "takes two", "got 1"),
)
TWO = (Refused(((3,), (3,), (3,)), "takes two inputs", "got 3"), *UNEQUAL)
PAIRS = [  # failure class 4, and samples as long as a batch
    ((3, 1), (1, 4), (3, 4)),
    ((2, 3, 4), (3, 1), (2, 3, 4)),
    ((), (2, 3), (2, 3)),
    ((1, 1, 2), (3, 1, 1), (3, 1, 2)),
    ((4,), (2, 4), (2, 4)),
    ((4, 4), (4,), (4, 4)),
    ((1,), (), (1,)),
]
SIGNS = [(Add, add, normal), (Subtract, sub, normal), (Multiply, mul, normal), (Divide, truediv, off_kinks)]
BROADCAST = [
    Case(f"{kind.__name__}-{left}-{right}", kind, (left, right), broadcast(sign, *shape), (normal, draw),
         torch=per_sample(lambda torch, x, y, sign=sign: sign(x, y)))
    for kind, sign, draw in SIGNS
    for left, right, shape in PAIRS
]  # fmt: skip
SEVERAL = ((3,), (2, 1), (1, 3), ())
# fmt: off
CASES = [
    *BROADCAST,
    Case("Add", Add, ((3,), (3,)), elementwise(lambda x, y: x + y), refuses=UNEQUAL,
         torch=lambda torch, given, x, y: x + y),
    Case("Add-4", Add, ((2, 3),) * 4, elementwise(lambda *xs: math.fsum(xs))),
    Case("Add-several", Add, SEVERAL, broadcast(lambda *xs: math.fsum(xs), 2, 3),
         torch=per_sample(lambda torch, *xs: reduce(add, xs))),
    Case("Add-1", Add, ((1, 1),) * 2, elementwise(lambda x, y: x + y)),
    Case("Subtract", Subtract, ((2, 3),) * 2, elementwise(lambda x, y: x - y), refuses=TWO,
         torch=lambda torch, given, x, y: x - y),
    Case("Subtract-1", Subtract, ((1,), (1,)), elementwise(lambda x, y: x - y)),
    Case("Multiply", Multiply, ((2, 3),) * 2, elementwise(lambda x, y: x * y), refuses=UNEQUAL,
         torch=lambda torch, given, x, y: x * y),
    Case("Multiply-4", Multiply, ((3,),) * 4, elementwise(lambda *xs: math.prod(xs)),
         torch=lambda torch, given, *xs: reduce(mul, xs)),
    Case("Multiply-several", Multiply, SEVERAL, broadcast(lambda *xs: math.prod(xs), 2, 3),
         torch=per_sample(lambda torch, *xs: reduce(mul, xs))),
    Case("Multiply-1", Multiply, ((1,),) * 3, elementwise(lambda *xs: math.prod(xs))),
    Case("Divide", Divide, ((2, 3),) * 2, elementwise(lambda x, y: x / y), (normal, off_kinks), TWO,
         torch=lambda torch, given, x, y: x / y),
    Case("Divide-1", Divide, ((1,), (1,)), elementwise(lambda x, y: x / y), (normal, off_kinks)),
    Case("MatMul", MatMul, ((2, 3), (3, 5)), matrix_product(2, 5), torch=product, refuses=(
        Refused(((2, 3), (2, 3)), "takes matrices (…, p, q) and (…, q, r)", "got (2, 3) and (2, 3)"),
        Refused(((2,), (3,)), "takes matrices", "got (2,) and (3,)"),
        Refused(((2,), (3, 2)), "takes matrices", "got (2,) and (3, 2)"),
        Refused(((), (2, 3)), "takes matrices", "got () and (2, 3)"),
        Refused(((2, 3), ()), "takes matrices", "got (2, 3) and ()"),
        Refused(((2, 3, 4), (5, 4, 3)), "takes matrices", "got (2, 3, 4) and (5, 4, 3)"),
        Refused(((2, 2),), "takes 2 inputs", "got 1"),
    )),
    Case("MatMul-heads", MatMul, ((2, 3, 4), (2, 4, 1)), matrix_product(2, 3, 1), torch=product),
    Case("MatMul-broadcast", MatMul, ((2, 1, 1, 3), (4, 3, 2)), matrix_product(2, 4, 1, 2), torch=product),
    Case("MatMul-shared", MatMul, ((2, 3), (4, 3, 2)), matrix_product(4, 2, 2), torch=product),
    Case("MatMul-row", MatMul, ((3,), (3, 2)), matrix_product(1, 2, row=True), torch=product),
    Case("MatMul-column", MatMul, ((2, 3), (3,)), matrix_product(2, 1, column=True), torch=product),
    Case("MatMul-inner", MatMul, ((3,), (3,)), matrix_product(1, 1, row=True, column=True), torch=product),
    Case("MatMul-rows", MatMul, ((3,), (4, 3, 2)), matrix_product(4, 1, 2, row=True), torch=product),
    Case("MatMul-columns", MatMul, ((4, 2, 3), (3,)), matrix_product(4, 2, 1, column=True), torch=product),
    Case("MatMul-1", MatMul, ((1, 1), (1, 1)), matrix_product(1, 1)),
    Case("Concat", Concat, ((2,), (1,), (3,)), joined(1), torch=lambda torch, given, *xs: torch.cat(xs, 1), refuses=(
        Refused(((2, 3), (3, 3)), "equal but for axis 1", "got (2, 3) and (3, 3)"),
        Refused(((2, 3), (2,)), "equal but for axis 1", "got (2, 3) and (2,)"),
        Refused(((2,), (2, 3)), "equal but for axis 0", "got (2,) and (2, 3)"),
        Refused(((), ()), "joins axis -1", "got samples of shape ()"),
        Refused(((3,),), "takes two", "got 1"),
    )),
    Case("Concat-axis-0", lambda: Concat(0), ((2, 3), (4, 3)), joined(1), refuses=(
        Refused(((2, 3), (2, 4)), "equal but for axis 0", "got (2, 3) and (2, 4)"),
    )),
    Case("Concat-middle", lambda: Concat(-2), ((2, 1, 3), (2, 4, 3)), joined(2), refuses=(
        Refused(((3,), (3,)), "joins axis -2", "got samples of shape (3,)"),
    )),
    Case("Concat-1", Concat, ((1, 1), (1, 1)), joined(2)),
    Case("Stack", Stack, ((2, 3),) * 3, stacked(1), torch=lambda torch, given, *xs: torch.stack(xs, 1), refuses=(
        Refused(((3,), (2,)), "takes inputs of one shape", "got (3,) and (2,)"),
        Refused(((3,), (1,)), "takes inputs of one shape", "got (3,) and (1,)"),
    )),
    Case("Stack-last", lambda: Stack(-1), ((2, 3),) * 2, stacked(3),
         torch=lambda torch, given, *xs: torch.stack(xs, -1), refuses=(
        Refused(((3,), (2,)), "takes inputs of one shape", "got (3,) and (2,)"),
    )),
    Case("Stack-middle", lambda: Stack(-2), ((2, 3),) * 2, stacked(2), refuses=(
        Refused(((), ()), "makes a new axis -2", "got samples of shape ()"),
    )),
    Case("Stack-numbers", lambda: Stack(0), ((),) * 2, stacked(1)),
    Case("Stack-one", lambda: Stack(1), ((2, 3),), stacked(2)),
    Case("Stack-1", Stack, ((1,), (1,)), stacked(1)),
]
