"""Rows of normalization."""

import math

import numpy as np

from minigraph.layers import BatchNorm, GroupNorm, LayerNorm, RMSNorm

from .case import NOT_TWO, Case, Refused


def moments(numbers):
    mean = math.fsum(numbers) / len(numbers)
    return mean, math.fsum((v - mean) ** 2 for v in numbers) / len(numbers)


def normalized(x, part, statistics, weight, eps):
    """Each element less the mean of its part, by the root of the variance there, with the γ and β of its place.

    `part` says of a place in the batch to which part it belongs; `statistics` gives mean and variance of a part.
    """
    parts = {}
    for place in np.ndindex(x.shape):
        parts.setdefault(part(place), []).append(float(x[place]))
    known = {key: statistics(key, numbers) for key, numbers in parts.items()}
    out = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        mean, variance = known[part(place)]
        gamma, beta = weight(place)
        out[place] = gamma * (x[place] - mean) / math.sqrt(variance + eps) + beta
    return out


def by(given, where):
    """γ and β at where(place); 1 and 0 for layers without them."""
    gamma, beta = getattr(given, "gamma", None), getattr(given, "beta", None)
    return lambda place: (
        1.0 if gamma is None else float(gamma[where(place)]),
        0.0 if beta is None else float(beta[where(place)]),
    )


def batch_norm(eps=1e-5):
    def reference(given, x):
        def statistics(c, numbers):
            return moments(numbers) if given.training else (float(given.mean[c]), float(given.variance[c]))

        return normalized(x, lambda place: place[1], statistics, by(given, lambda place: place[1:2]), eps)

    return reference


def layer_norm(axes=1, eps=1e-5):
    return lambda given, x: normalized(
        x, lambda place: place[:-axes], lambda _, v: moments(v), by(given, lambda place: place[-axes:]), eps
    )


def group_norm(groups, eps=1e-5):
    def reference(given, x):
        def part(place):
            return place[0], place[1] * groups // x.shape[1]

        return normalized(x, part, lambda _, v: moments(v), by(given, lambda place: place[1:2]), eps)

    return reference


def rms_norm(axes=1, eps=2.0**-52):
    def mean_square(_, numbers):
        return 0.0, math.fsum(v * v for v in numbers) / len(numbers)

    return lambda given, x: normalized(
        x, lambda place: place[:-axes], mean_square, by(given, lambda place: place[-axes:]), eps
    )


def params(given):
    return getattr(given, "gamma", None), getattr(given, "beta", None)


def torch_batch(eps=1e-5):
    return lambda torch, given, x: torch.nn.functional.batch_norm(
        x, given.mean, given.variance, *params(given), training=given.training, eps=eps
    )


def torch_layer(axes=1, eps=1e-5):
    return lambda torch, given, x: torch.nn.functional.layer_norm(x, x.shape[-axes:], *params(given), eps=eps)


def torch_group(groups, eps=1e-5):
    return lambda torch, given, x: torch.nn.functional.group_norm(x, groups, *params(given), eps=eps)


def torch_rms(axes=1, eps=None):
    return lambda torch, given, x: torch.nn.functional.rms_norm(x, x.shape[-axes:], params(given)[0], eps=eps)


NO_CHANNELS = (Refused(((),), "takes samples (channels, …)", "got single numbers"), NOT_TWO)
NO_GROUPS = (
    Refused(((),), "takes samples (channels, …) with channels for 2 equal groups", "got ()"),
    Refused(((3, 4),), "takes samples (channels, …) with channels for 2 equal groups", "got (3, 4)"),
    NOT_TWO,
)
NO_AXES = (
    Refused(((3,),), "takes samples with 2 axes or more", "got (3,)"),
    Refused(((),), "takes samples with 2 axes or more", "got ()"),
    NOT_TWO,
)
# fmt: off
CASES = [
    Case("BatchNorm", BatchNorm, ((2, 3, 2),), batch_norm(), refuses=NO_CHANNELS, modes_differ=True,
         torch=torch_batch()),
    Case("BatchNorm-sequence", lambda: BatchNorm(momentum=0.5, eps=1e-3), ((3, 5),), batch_norm(1e-3),
         modes_differ=True, torch=torch_batch(1e-3)),
    Case("BatchNorm-plain", lambda: BatchNorm(affine=False), ((2, 1, 3),), batch_norm(), modes_differ=True,
         torch=torch_batch()),
    # an ε as large as this leaves slopes to compare with differences
    Case("BatchNorm-1", lambda: BatchNorm(eps=0.5), ((1,),), batch_norm(0.5), modes_differ=True,
         torch=torch_batch(0.5), fewest=2),
    Case("LayerNorm", LayerNorm, ((5,),), layer_norm(), torch=torch_layer(), refuses=(
        Refused(((),), "takes samples with 1 axis or more", "got ()"),
        NOT_TWO,
    )),
    Case("LayerNorm-sequence", lambda: LayerNorm(eps=1e-2), ((3, 4),), layer_norm(eps=1e-2),
         torch=torch_layer(eps=1e-2)),
    Case("LayerNorm-2", lambda: LayerNorm(2), ((2, 3, 2),), layer_norm(2), refuses=NO_AXES, torch=torch_layer(2)),
    Case("LayerNorm-3", lambda: LayerNorm(3), ((2, 1, 3),), layer_norm(3), torch=torch_layer(3)),
    Case("LayerNorm-plain", lambda: LayerNorm(affine=False), ((2, 3),), layer_norm(), torch=torch_layer()),
    Case("LayerNorm-1", LayerNorm, ((1,),), layer_norm(), torch=torch_layer()),
    Case("GroupNorm", lambda: GroupNorm(2), ((4, 3, 2),), group_norm(2), refuses=NO_GROUPS, torch=torch_group(2)),
    Case("GroupNorm-one", lambda: GroupNorm(1, eps=1e-2), ((3, 4),), group_norm(1, 1e-2), torch=torch_group(1, 1e-2)),
    Case("GroupNorm-each", lambda: GroupNorm(3), ((3, 1, 4),), group_norm(3), torch=torch_group(3)),
    Case("GroupNorm-vector", lambda: GroupNorm(2), ((6,),), group_norm(2), torch=torch_group(2)),
    Case("GroupNorm-plain", lambda: GroupNorm(2, affine=False), ((4, 2),), group_norm(2), torch=torch_group(2)),
    Case("GroupNorm-1", lambda: GroupNorm(1), ((1, 1),), group_norm(1)),
    Case("RMSNorm", RMSNorm, ((5,),), rms_norm(), torch=torch_rms(), refuses=(
        Refused(((),), "takes samples with 1 axis or more", "got ()"),
        NOT_TWO,
    )),
    Case("RMSNorm-2", lambda: RMSNorm(2, eps=1e-2), ((3, 2, 2),), rms_norm(2, 1e-2), refuses=NO_AXES,
         torch=torch_rms(2, 1e-2)),
    Case("RMSNorm-plain", lambda: RMSNorm(affine=False), ((2, 3),), rms_norm(), torch=torch_rms()),
    Case("RMSNorm-1", lambda: RMSNorm(eps=0.1), ((1,),), rms_norm(eps=0.1), torch=torch_rms(eps=0.1)),
]
