"""Rows of layers that pass values on."""

from minigraph.layers import Flatten, Identity, Reshape, StopGradient

from .case import NOT_TWO, Case, Refused, elementwise, in_shape

# fmt: off
CASES = [
    Case("Identity", Identity, ((2, 3),), elementwise(lambda x: x), refuses=(NOT_TWO,)),
    Case("Identity-1", Identity, ((1,),), elementwise(lambda x: x)),
    Case("StopGradient", StopGradient, ((2, 3),), elementwise(lambda x: x), refuses=(NOT_TWO,)),
    Case("StopGradient-1", StopGradient, ((1,),), elementwise(lambda x: x)),
    Case("Reshape", lambda: Reshape((3, 2)), ((2, 3),), in_shape(3, 2), refuses=(
        Refused(((4,),), "makes samples of shape (3, 2)", "got (4,) with 4 elements"),
        NOT_TWO,
    )),
    Case("Reshape-rest", lambda: Reshape((-1, 2)), ((2, 1, 4),), in_shape(4, 2)),
    Case("Reshape-vector", lambda: Reshape(6), ((2, 3),), in_shape(6)),
    Case("Reshape-1", lambda: Reshape((1,)), ((1, 1),), in_shape(1)),
    Case("Reshape-number", lambda: Reshape(()), ((1,),), in_shape()),
    Case("Flatten", Flatten, ((2, 1, 3),), in_shape(6), refuses=(NOT_TWO,)),
    Case("Flatten-number", Flatten, ((),), in_shape(1)),
    Case("Flatten-1", Flatten, ((1, 1),), in_shape(1)),
]
