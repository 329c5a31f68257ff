"""Rows of layers that pass values on, all or some of them."""

import numpy as np

from minigraph.layers import (
    Broadcast,
    ExpandDims,
    Flatten,
    Identity,
    Reshape,
    Slice,
    Squeeze,
    StopGradient,
    Transpose,
)

from .case import NOT_TWO, Case, Refused, elementwise, in_shape
from .merge import broadcast


def permuted(*axes):
    """Axis k of the output is axis axes[k] of the input, the batch axis not counted."""

    def reference(given, x):
        out = np.full((len(x), *(x.shape[k + 1] for k in axes)), np.nan)
        for i in np.ndindex(out.shape):
            place = [i[0], *(0 for _ in axes)]
            for k, axis in enumerate(axes):
                place[axis + 1] = i[k + 1]
            out[i] = x[tuple(place)]
        return out

    return reference


def picked(*rows):
    """Sample (a_0, a_1, …), where each a is the element of x at a place, or a nest of these."""

    def of(x, place):
        return [of(x, part) for part in place] if isinstance(place, list) else float(x[place])

    return lambda given, x: np.array([of(sample, list(rows)) for sample in x])


def number_at(place):
    return lambda given, x: np.array([float(sample[place]) for sample in x])


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
    Case("Flatten", Flatten, ((2, 1, 3),), in_shape(6), refuses=(NOT_TWO,),
         torch=lambda torch, given, x: torch.nn.Flatten()(x)),
    Case("Flatten-number", Flatten, ((),), in_shape(1)),
    Case("Flatten-1", Flatten, ((1, 1),), in_shape(1)),
    Case("Transpose", Transpose, ((2, 3, 4),), permuted(2, 1, 0), refuses=(NOT_TWO,),
         torch=lambda torch, given, x: x.permute(0, 3, 2, 1)),
    Case("Transpose-cycle", lambda: Transpose((1, 2, 0)), ((2, 3, 4),), permuted(1, 2, 0),
         torch=lambda torch, given, x: x.permute(0, 2, 3, 1), refuses=(
        Refused(((2, 3),), "permutes axes (1, 2, 0)", "got samples of shape (2, 3)"),
    )),
    Case("Transpose-from-behind", lambda: Transpose([0, -1, -2]), ((2, 3, 4),), permuted(0, 2, 1), refuses=(
        Refused(((3,),), "permutes axes (0, -1, -2)", "got samples of shape (3,)"),
        Refused(((3, 2, 2, 2),), "permutes axes (0, -1, -2)", "got samples of shape (3, 2, 2, 2)"),
    )),
    Case("Transpose-twice-one", lambda: Transpose((0, 1)), ((2, 3),), permuted(0, 1)),
    Case("Transpose-number", Transpose, ((),), elementwise(lambda x: x)),
    Case("Transpose-1", Transpose, ((1, 1),), permuted(1, 0)),
    Case("Squeeze", Squeeze, ((1, 2, 1, 3),), in_shape(2, 3), refuses=(NOT_TWO,),
         torch=lambda torch, given, x: x.reshape(len(x), 2, 3)),
    Case("Squeeze-axis", lambda: Squeeze(-2), ((1, 2, 1, 3),), in_shape(1, 2, 3),
         torch=lambda torch, given, x: x.squeeze(-2), refuses=(
        Refused(((2, 3),), "takes away axis -2 of size 1", "got samples of shape (2, 3)"),
        Refused(((1,),), "takes away axis -2", "got samples of shape (1,)"),
    )),
    Case("Squeeze-axes", lambda: Squeeze((0, 2)), ((1, 2, 1, 3),), in_shape(2, 3), refuses=(
        Refused(((1, 1, 2),), "takes away axes (0, 2) of size 1", "got samples of shape (1, 1, 2)"),
    )),
    Case("Squeeze-nothing", Squeeze, ((2, 3),), in_shape(2, 3)),
    Case("Squeeze-1", Squeeze, ((1, 1),), in_shape()),
    Case("ExpandDims", lambda: ExpandDims(0), ((2, 3),), in_shape(1, 2, 3), refuses=(NOT_TWO,),
         torch=lambda torch, given, x: x.unsqueeze(1)),
    Case("ExpandDims-last", lambda: ExpandDims(-1), ((2, 3),), in_shape(2, 3, 1),
         torch=lambda torch, given, x: x.unsqueeze(-1)),
    Case("ExpandDims-middle", lambda: ExpandDims(-2), ((2, 3),), in_shape(2, 1, 3), refuses=(
        Refused(((),), "makes a new axis -2", "got samples of shape ()"),
    )),
    Case("ExpandDims-number", lambda: ExpandDims(0), ((),), in_shape(1), refuses=()),
    Case("ExpandDims-1", lambda: ExpandDims(1), ((1,),), in_shape(1, 1), refuses=(
        Refused(((),), "makes a new axis 1", "got samples of shape ()"),
    )),
    Case("Broadcast", lambda: Broadcast((2, 3)), ((3,),), broadcast(lambda x: x, 2, 3), refuses=(
        Refused(((2,),), "broadcast to one", "got (2,) and (2, 3)"),
        Refused(((4, 2, 3),), "makes samples of shape (2, 3)", "got the larger (4, 2, 3)"),
        NOT_TWO,
    ), torch=lambda torch, given, x: x[:, None].expand(-1, 2, 3)),
    Case("Broadcast-1s", lambda: Broadcast((4, 2, 3)), ((2, 1),), broadcast(lambda x: x, 4, 2, 3), refuses=(
        Refused(((4, 1, 6),), "broadcast to one", "got (4, 1, 6) and (4, 2, 3)"),
    ), torch=lambda torch, given, x: x[:, None].expand(-1, 4, 2, 3)),
    Case("Broadcast-number", lambda: Broadcast(4), ((),), broadcast(lambda x: x, 4)),
    Case("Broadcast-not", lambda: Broadcast((2, 3)), ((2, 3),), elementwise(lambda x: x)),
    Case("Broadcast-axis", lambda: Broadcast((1, 3)), ((3,),), in_shape(1, 3)),
    Case("Broadcast-1", lambda: Broadcast(1), ((1,),), elementwise(lambda x: x), refuses=(
        Refused(((2,),), "makes samples of shape (1,)", "got the larger (2,)"),
    )),
    Case("Slice", lambda: Slice(1), ((3,),), number_at(1), torch=lambda torch, given, x: x[:, 1], refuses=(
        Refused(((1,),), "takes the part [1]", "got samples of shape (1,)"),
        Refused(((),), "takes the part [1]", "got samples of shape ()"),
        NOT_TWO,
    )),
    Case("Slice-part", lambda: Slice((slice(1, 3), ...)), ((4, 2),), picked([(1, 0), (1, 1)], [(2, 0), (2, 1)]),
         torch=lambda torch, given, x: x[:, 1:3]),
    Case("Slice-backward", lambda: Slice(slice(None, None, -2)), ((4,),), picked(3, 1), refuses=(
        Refused(((),), "takes the part [::-2]", "got samples of shape ()"),
    )),
    Case("Slice-last-axis", lambda: Slice((..., -1)), ((2, 1, 3),), picked([(0, 0, 2)], [(1, 0, 2)]),
         torch=lambda torch, given, x: x[..., -1]),
    Case("Slice-new-axis", lambda: Slice((0, None, slice(-2, None), None)), ((2, 3),), picked([[(0, 1)], [(0, 2)]]),
         torch=lambda torch, given, x: x[:, 0, None, -2:, None], refuses=(
        Refused(((2,),), "takes the part [0, None, -2:, None]", "got samples of shape (2,)"),
    )),
    Case("Slice-empty", lambda: Slice(slice(2, 4)), ((3,),), picked(2), refuses=(
        Refused(((2,),), "takes the part [2:4]", "got samples of shape (2,)"),
    )),
    Case("Slice-all", lambda: Slice(()), ((2,),), elementwise(lambda x: x)),
    Case("Slice-1", lambda: Slice((0, slice(None))), ((1, 1),), picked((0, 0))),
]
