"""Rows of layers that make one array of several."""

import math

from minigraph.layers import Add, Concat, Multiply, Subtract

from .case import Case, Refused, elementwise, joined

UNEQUAL = (
    Refused(((3,), (2,)), "takes inputs of one shape", "got (3,) and (2,)"),
    Refused(((3,), (1,)), "takes inputs of one shape", "got (3,) and (1,)"),
    Refused(((2, 3), (3,)), "takes inputs of one shape", "got (2, 3) and (3,)"),
    Refused(((3,),), "takes two", "got 1"),
)
# fmt: off
CASES = [
    Case("Add", Add, ((3,), (3,)), elementwise(lambda x, y: x + y), refuses=UNEQUAL),
    Case("Add-4", Add, ((2, 3),) * 4, elementwise(lambda *xs: math.fsum(xs))),
    Case("Add-1", Add, ((1, 1),) * 2, elementwise(lambda x, y: x + y)),
    Case("Subtract", Subtract, ((2, 3),) * 2, elementwise(lambda x, y: x - y), refuses=(
        Refused(((3,), (3,), (3,)), "takes two", "got 3"),
        *UNEQUAL,
    )),
    Case("Subtract-1", Subtract, ((1,), (1,)), elementwise(lambda x, y: x - y)),
    Case("Multiply", Multiply, ((2, 3),) * 2, elementwise(lambda x, y: x * y), refuses=UNEQUAL),
    Case("Multiply-4", Multiply, ((3,),) * 4, elementwise(lambda *xs: math.prod(xs))),
    Case("Multiply-1", Multiply, ((1,),) * 3, elementwise(lambda *xs: math.prod(xs))),
    Case("Concat", Concat, ((2,), (1,), (3,)), joined(1), refuses=(
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
]
