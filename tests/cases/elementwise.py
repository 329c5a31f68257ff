"""Rows of elementwise functions."""

import math

from minigraph.layers import Abs, Exp, Log, Negative, Power, Sin, Sqrt, Square

from .case import NOT_TWO, Case, elementwise, off_kinks


def positive(rng, shape):
    return rng.uniform(0.1, 3.0, shape)


KINDS = {  # layer, function of one number, what PyTorch calls it, draws
    "Exp": (Exp, math.exp, "exp", ()),
    "Log": (Log, math.log, "log", (positive,)),
    "Sqrt": (Sqrt, math.sqrt, "sqrt", (positive,)),
    "Square": (Square, lambda x: x * x, "square", ()),
    "Abs": (Abs, lambda x: x if x > 0 else -x, "abs", (off_kinks,)),
    "Sin": (Sin, math.sin, "sin", ()),
    "Negative": (Negative, lambda x: 0 - x, "neg", ()),
}
SHAPES = {"": (3,), "-image": (2, 1, 3), "-number": (), "-1": (1, 1)}
POWERS = {  # exponent, draws, function of one number
    "cube": (3, (), lambda x: x * x * x),
    "inverse": (-1, (off_kinks,), lambda x: 1 / x),
    "inverse-square": (-2.0, (off_kinks,), lambda x: 1 / (x * x)),
    "root": (0.5, (positive,), math.sqrt),
    "inverse-cube-root": (-1 / 3, (positive,), lambda x: math.exp(-math.log(x) / 3)),
    "none": (0, (), lambda x: 1.0),
    "one": (1, (), lambda x: x),
}


def in_torch(name):
    return lambda torch, given, x: getattr(torch, name)(x)


def torch_power(exponent):
    return lambda torch, given, x: torch.pow(x, exponent)


CASES = [
    *(
        Case(name + suffix, make, (shape,), elementwise(f), draws, () if suffix else (NOT_TWO,), torch=in_torch(theirs))
        for name, (make, f, theirs, draws) in KINDS.items()
        for suffix, shape in SHAPES.items()
    ),
    *(
        Case(f"Power-{name}", lambda p=p: Power(p), ((2, 3),), elementwise(f), draws, (NOT_TWO,), torch=torch_power(p))
        for name, (p, draws, f) in POWERS.items()
    ),
    Case("Power-number", lambda: Power(2), ((),), elementwise(lambda x: x * x), torch=torch_power(2)),
    Case("Power-1", lambda: Power(2.5), ((1, 1),), elementwise(lambda x: x**2.5), (positive,), torch=torch_power(2.5)),
]
