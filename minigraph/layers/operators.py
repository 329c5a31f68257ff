"""Python's operators on nodes: `a + b`, `2 * a`, `a @ b`, `a[1:3]` and the like add nodes to the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..caller import user_line
from ..errors import GraphError, MinigraphError
from ..gist import gist
from ..layer import Layer, Node
from ..numbers import is_real
from .affine import Bias, Scale, fixed
from .elementwise import Negative, Power
from .merge import Add, Divide, MatMul, Multiply, Subtract
from .slicing import Slice


def install() -> None:
    """Give the class Node its operators; it declares their types."""
    for name, operator in _OPERATORS.items():
        setattr(Node, name, operator)


def _add(a: Node, b: Any) -> Any:
    if isinstance(b, Node):
        return Add()(a, b)
    return Bias(_number(a, b, "+"))(a) if _is_operand(b) else NotImplemented


def _subtract(a: Node, b: Any) -> Any:
    if isinstance(b, Node):
        return Subtract()(a, b)
    return Bias(-_number(a, b, "-"))(a) if _is_operand(b) else NotImplemented


def _subtract_from(a: Node, b: Any) -> Any:
    return _chain(a, Negative(), Bias(_number(a, b, "-"))) if _is_operand(b) else NotImplemented


def _multiply(a: Node, b: Any) -> Any:
    if isinstance(b, Node):
        return Multiply()(a, b)
    return Scale(_number(a, b, "*"))(a) if _is_operand(b) else NotImplemented


def _divide(a: Node, b: Any) -> Any:
    if isinstance(b, Node):
        return Divide()(a, b)
    if not _is_operand(b):
        return NotImplemented
    number = _number(a, b, "/")
    if not np.all(number):
        raise GraphError(f"node {a.name!r} / takes numbers other than 0, got {gist(b)} (at {user_line()})")
    return Scale(1.0 / number)(a)


def _divide_into(a: Node, b: Any) -> Any:
    return _chain(a, Power(-1), Scale(_number(a, b, "/"))) if _is_operand(b) else NotImplemented


def _matmul(a: Node, b: Any) -> Any:
    if isinstance(b, Node):
        return MatMul()(a, b)
    if not _is_operand(b):
        return NotImplemented
    remedy = f"for weights, trained or not, put Dense(…) behind it, not {gist(b)} (at {user_line()})"
    raise GraphError(f"node {a.name!r} @ takes another node: {remedy}")


def _power(a: Node, b: Any) -> Any:
    return Power(b)(a) if is_real(b) else NotImplemented


def _negative(a: Node) -> Any:
    return Negative()(a)


def _part(a: Node, index: Any) -> Any:
    return Slice(index)(a)


def _is_operand(b: Any) -> bool:
    """Whether it may stand beside a node, as numbers do; of another thing Python says that it isn't supported."""
    return is_real(b) or isinstance(b, (np.ndarray, list, tuple))


def _number(a: Node, b: Any, sign: str) -> Any:
    return fixed(b, f"node {a.name!r} {sign}", "operand")


def _chain(a: Node, first: Layer, second: Layer) -> Node:
    """Both layers behind each other; neither node is added if the second layer doesn't take its input."""
    between = first(a)
    try:
        return second(between)
    except MinigraphError:
        a.graph.drop_last()
        raise


_OPERATORS = {
    "__add__": _add,
    "__radd__": _add,
    "__sub__": _subtract,
    "__rsub__": _subtract_from,
    "__mul__": _multiply,
    "__rmul__": _multiply,
    "__truediv__": _divide,
    "__rtruediv__": _divide_into,
    "__matmul__": _matmul,
    "__rmatmul__": _matmul,
    "__pow__": _power,
    "__neg__": _negative,
    "__getitem__": _part,
}
