"""Rows of pooling, enlarging and padding."""

import math

import numpy as np

from minigraph.layers import AdaptiveAvgPool2D, AvgPool2D, GlobalAvgPool, MaxPool2D, Pad, UpSample2D

from .case import NOT_TWO, Case, Refused


def spaced(rng, shape):
    """All numbers 0.1 and more apart, so that no maximum has a rival."""
    count = math.prod(shape)
    return rng.permutation(np.arange(count) - count / 2).reshape(shape) / 10


def per_channel(f):
    """The images that f makes of lists of rows, channel by channel."""
    return lambda given, x: np.array([[f(channel.tolist()) for channel in sample] for sample in x])


def spans(n, k, s, p, ceil_mode):
    """Start and end, in the padding too, of each window along an axis, found by walking."""
    found, start = [], -p
    while start + k <= n + p or (ceil_mode and start < n and start + k < n + p + s):
        found.append((start, start + k))
        start += s
    return found


def inside(rows, ends, columns):
    """The elements of the image that are in a window."""
    return [rows[i][j] for i in range(*ends) for j in range(*columns) if 0 <= i < len(rows) and 0 <= j < len(rows[0])]


def max_pool(k, s, p=(0, 0), ceil_mode=False):
    def one(rows):
        down, right = (
            spans(n, *sides, ceil_mode) for n, *sides in zip((len(rows), len(rows[0])), k, s, p, strict=True)
        )
        return [[max(inside(rows, u, v)) for v in right] for u in down]

    return per_channel(one)


def avg_pool(k, s, p=(0, 0), ceil_mode=False, include=True):
    def one(rows):
        h, w = len(rows), len(rows[0])
        down, right = (spans(n, *sides, ceil_mode) for n, *sides in zip((h, w), k, s, p, strict=True))

        def divisor(u, v):
            if not include:
                return len(inside(rows, u, v))
            return (min(u[1], h + p[0]) - u[0]) * (min(v[1], w + p[1]) - v[0])

        return [[math.fsum(inside(rows, u, v)) / divisor(u, v) for v in right] for u in down]

    return per_channel(one)


def adaptive(o, q):
    def one(rows):
        h, w = len(rows), len(rows[0])

        def mean(i, j):
            ends = math.floor(i * h / o), math.ceil((i + 1) * h / o)
            found = inside(rows, ends, (math.floor(j * w / q), math.ceil((j + 1) * w / q)))
            return math.fsum(found) / len(found)

        return [[mean(i, j) for j in range(q)] for i in range(o)]

    return per_channel(one)


def means(given, x):
    return np.array([[math.fsum(channel.flat) / channel.size for channel in sample] for sample in x])


def enlarged(f, g):
    return per_channel(
        lambda rows: [[rows[i // f][j // g] for j in range(len(rows[0]) * g)] for i in range(len(rows) * f)]
    )


def reflected(k, n):
    while not 0 <= k < n:
        k = -k if k < 0 else 2 * (n - 1) - k
    return k


SOURCE = {"reflect": reflected, "edge": lambda k, n: min(max(k, 0), n - 1)}


def padded(widths, mode="constant", value=0.0):
    """Each element of the output from the place in the sample that it shows, if it shows one."""

    def reference(given, x):
        margins = [(0, 0)] * (x.ndim - len(widths)) + list(widths)
        out = np.full([n + sum(margin) for n, margin in zip(x.shape, margins, strict=True)], value)
        for place in np.ndindex(out.shape):
            there = [k - before for k, (before, _) in zip(place, margins, strict=True)]
            if mode != "constant":
                there = [SOURCE[mode](k, n) for k, n in zip(there, x.shape, strict=True)]
            if all(0 <= k < n for k, n in zip(there, x.shape, strict=True)):
                out[place] = x[tuple(there)]
        return out

    return reference


def torch_max(*settings):
    return lambda torch, given, x: torch.nn.MaxPool2d(*settings[:3], ceil_mode=settings[3:] == (True,))(x)


def torch_avg(*settings):
    return lambda torch, given, x: torch.nn.AvgPool2d(*settings)(x)


def torch_adaptive(size):
    return lambda torch, given, x: torch.nn.AdaptiveAvgPool2d(size)(x)


def torch_up(size):
    return lambda torch, given, x: torch.nn.Upsample(scale_factor=size)(x)


def torch_pad(flat, mode, value=None):
    """`flat` is before and after of the last axis, then of the last but one."""
    return lambda torch, given, x: torch.nn.functional.pad(x, flat, mode, value)


NO_IMAGE = (
    Refused(((3,),), "takes images (channels, height, width)", "got samples of shape (3,)"),
    Refused(((4, 4),), "takes images (channels, height, width)", "got samples of shape (4, 4)"),
    Refused(((1, 2, 4, 4),), "takes images", "got samples of shape (1, 2, 4, 4)"),
    Refused(((1, 4, 4), (1, 4, 4)), "takes 1 input", "got 2"),
)
TOO_SMALL = (Refused(((2, 1, 4),), "takes images that hold its windows of 2×2", "got (2, 1, 4)"), *NO_IMAGE)
TWO, ONE = (2, 2), (1, 1)
# fmt: off
CASES = [
    Case("MaxPool2D", lambda: MaxPool2D(2), ((3, 4, 6),), max_pool(TWO, TWO), (spaced,), TOO_SMALL,
         torch=torch_max(2)),
    Case("MaxPool2D-rest", lambda: MaxPool2D(2), ((2, 5, 3),), max_pool(TWO, TWO), (spaced,), torch=torch_max(2)),
    Case("MaxPool2D-overlap", lambda: MaxPool2D((3, 2), stride=(1, 2), padding=(1, 0)), ((2, 4, 5),),
         max_pool((3, 2), (1, 2), (1, 0)), (spaced,), torch=torch_max((3, 2), (1, 2), (1, 0))),
    Case("MaxPool2D-ceil", lambda: MaxPool2D(3, 2, 1, ceil_mode=True), ((1, 4, 6),),
         max_pool((3, 3), TWO, ONE, True), (spaced,), torch=torch_max(3, 2, 1, True)),
    Case("MaxPool2D-apart", lambda: MaxPool2D((2, 1), (3, 4), ceil_mode=True), ((2, 7, 6),),
         max_pool((2, 1), (3, 4), ceil_mode=True), (spaced,), torch=torch_max((2, 1), (3, 4), 0, True)),
    Case("MaxPool2D-1", lambda: MaxPool2D(1), ((1, 1, 1),), max_pool(ONE, ONE), (spaced,), torch=torch_max(1)),
    Case("AvgPool2D", lambda: AvgPool2D(2), ((3, 4, 6),), avg_pool(TWO, TWO), refuses=TOO_SMALL, torch=torch_avg(2)),
    Case("AvgPool2D-rest", lambda: AvgPool2D((2, 3)), ((1, 5, 7),), avg_pool((2, 3), (2, 3)),
         torch=torch_avg((2, 3))),
    Case("AvgPool2D-padded", lambda: AvgPool2D(3, 2, 1), ((2, 5, 1),), avg_pool((3, 3), TWO, ONE),
         torch=torch_avg(3, 2, 1)),
    Case("AvgPool2D-without-padding", lambda: AvgPool2D((3, 2), 1, 1, count_include_pad=False), ((2, 3, 4),),
         avg_pool((3, 2), ONE, ONE, include=False), torch=torch_avg((3, 2), 1, 1, False, False)),
    Case("AvgPool2D-ceil", lambda: AvgPool2D(3, 2, 1, True), ((1, 4, 6),), avg_pool((3, 3), TWO, ONE, True),
         torch=torch_avg(3, 2, 1, True)),
    Case("AvgPool2D-ceil-without-padding", lambda: AvgPool2D(4, 3, (2, 1), True, False), ((1, 6, 7),),
         avg_pool((4, 4), (3, 3), (2, 1), True, False), torch=torch_avg(4, 3, (2, 1), True, False)),
    Case("AvgPool2D-overlapping-rows", lambda: AvgPool2D(2, (1, 2)), ((2, 4, 5),), avg_pool(TWO, (1, 2)),
         torch=torch_avg(2, (1, 2))),
    Case("AvgPool2D-ceil-apart", lambda: AvgPool2D(2, 3, 0, True), ((1, 6, 7),), avg_pool(TWO, (3, 3), (0, 0), True),
         torch=torch_avg(2, 3, 0, True)),
    Case("AvgPool2D-1", lambda: AvgPool2D(1), ((1, 1, 1),), avg_pool(ONE, ONE), torch=torch_avg(1)),
    Case("GlobalAvgPool", GlobalAvgPool, ((3, 2, 5),), means, torch=lambda torch, given, x: x.mean((2, 3)), refuses=(
        Refused(((),), "takes samples (channels, …)", "got single numbers"),
        NOT_TWO,
    )),
    Case("GlobalAvgPool-sequence", GlobalAvgPool, ((2, 5),), means,
         torch=lambda torch, given, x: torch.nn.AdaptiveAvgPool1d(1)(x)[:, :, 0]),
    Case("GlobalAvgPool-vector", GlobalAvgPool, ((3,),), means),
    Case("GlobalAvgPool-1", GlobalAvgPool, ((1, 1, 1),), means),
    Case("AdaptiveAvgPool2D", lambda: AdaptiveAvgPool2D((2, 3)), ((2, 5, 7),), adaptive(2, 3), refuses=NO_IMAGE,
         torch=torch_adaptive((2, 3))),
    Case("AdaptiveAvgPool2D-larger", lambda: AdaptiveAvgPool2D(4), ((2, 3, 1),), adaptive(4, 4),
         torch=torch_adaptive(4)),
    Case("AdaptiveAvgPool2D-1", lambda: AdaptiveAvgPool2D(1), ((1, 1, 1),), adaptive(1, 1), torch=torch_adaptive(1)),
    Case("UpSample2D", lambda: UpSample2D(2), ((2, 3, 1),), enlarged(2, 2), refuses=NO_IMAGE, torch=torch_up(2)),
    Case("UpSample2D-uneven", lambda: UpSample2D((1, 3)), ((1, 2, 3),), enlarged(1, 3), torch=torch_up((1, 3))),
    Case("UpSample2D-1", lambda: UpSample2D(1), ((1, 1, 1),), enlarged(1, 1), torch=torch_up(1)),
    Case("Pad", lambda: Pad(1), ((2, 3, 4),), padded([ONE] * 2), torch=torch_pad((1,) * 4, "constant"), refuses=(
        Refused(((3,),), "takes samples with an axis behind the channels'", "got (3,)"),
        Refused(((),), "takes samples with an axis behind the channels'", "got ()"),
        Refused(((3, 3), (3, 3)), "takes 1 input", "got 2"),
    )),
    Case("Pad-value", lambda: Pad(((1, 0), (0, 2), (2, 1)), value=-1.5), ((2, 3, 1),),
         padded([(1, 0), (0, 2), (2, 1)], value=-1.5), torch=torch_pad((2, 1, 0, 2, 1, 0), "constant", -1.5)),
    Case("Pad-vector", lambda: Pad([(0, 2)]), ((3,),), padded([(0, 2)]), torch=torch_pad((0, 2), "constant")),
    Case("Pad-reflect", lambda: Pad([(2, 2), (1, 3)], "reflect"), ((2, 3, 4),), padded([(2, 2), (1, 3)], "reflect"),
         torch=torch_pad((1, 3, 2, 2), "reflect"), refuses=(
        Refused(((1, 2, 9),), "takes axes longer than the margins ((2, 2), (1, 3)) that reflect them", "(1, 2, 9)"),
        Refused(((1, 9, 3),), "takes axes longer than the margins ((2, 2), (1, 3)) that reflect them", "(1, 9, 3)"),
        Refused(((3,),), "takes samples with 2 axes or more", "got (3,)"),
    )),
    Case("Pad-reflect-sequence", lambda: Pad([(0, 4)], "reflect"), ((2, 5),), padded([(0, 4)], "reflect"),
         torch=torch_pad((0, 4), "reflect")),
    Case("Pad-edge", lambda: Pad([(2, 1), (0, 3)], "edge"), ((2, 1, 3),), padded([(2, 1), (0, 3)], "edge"),
         torch=torch_pad((0, 3, 2, 1), "replicate")),
    Case("Pad-edge-3", lambda: Pad([(1, 1), (1, 0), (0, 2)], "edge"), ((2, 1, 2),),
         padded([(1, 1), (1, 0), (0, 2)], "edge")),
    Case("Pad-none", lambda: Pad(0, "edge"), ((2, 3),), padded([(0, 0)])),
    Case("Pad-1", lambda: Pad(1, "edge"), ((1, 1, 1),), padded([ONE] * 2, "edge"),
         torch=torch_pad((1,) * 4, "replicate")),
]
