"""Rows of convolutions, and their sums number by number."""

import math
import warnings

import numpy as np

from minigraph.layers import Conv1D, Conv2D, ConvTranspose2D

from .activation import MIXED, MIXED_SIGMA, SIGMA
from .case import Case, Refused


def seen(found, stride, before, dilation, groups=1, sigma=(SIGMA["identity"],)):
    """Images or sequences of size `found`: what each window sees, times the weights; outside of the input are zeros."""

    def reference(given, a):
        w, f = given.w, sigma * len(given.w) if len(sigma) == 1 else sigma
        out = np.empty((len(a), len(w), *found))
        for x, filter_, *at in np.ndindex(out.shape):
            terms = [float(given.b[filter_])] if hasattr(given, "b") else []
            first = filter_ // (len(w) // groups) * w.shape[1]
            for c, *of in np.ndindex(w.shape[1:]):
                there = [i * s + u * d - n for i, s, u, d, n in zip(at, stride, of, dilation, before, strict=True)]
                if all(0 <= p < n for p, n in zip(there, a.shape[2:], strict=True)):
                    terms.append(float(w[(filter_, c, *of)]) * float(a[(x, first + c, *there)]))
            out[(x, filter_, *at)] = f[filter_](math.fsum(terms))
        return out

    return reference


def laid(found, stride, cut, dilation=(1, 1), groups=1, sigma=(SIGMA["identity"],)):
    """Images of size `found`: each element of the input lays its window there, and what lies in one place adds up."""

    def reference(given, a):
        w, f = given.w, sigma * groups * given.w.shape[1] if len(sigma) == 1 else sigma
        out = np.zeros((len(a), w.shape[1] * groups, *found))
        for x, c, i, j in np.ndindex(a.shape):
            first = c // (len(w) // groups) * w.shape[1]
            for k, u, v in np.ndindex(w.shape[1:]):
                p, q = i * stride[0] + u * dilation[0] - cut[0], j * stride[1] + v * dilation[1] - cut[1]
                if 0 <= p < found[0] and 0 <= q < found[1]:
                    out[x, first + k, p, q] += float(w[c, k, u, v]) * float(a[x, c, i, j])
        for x, k, p, q in np.ndindex(out.shape):
            out[x, k, p, q] = f[k](float(out[x, k, p, q]) + (float(given.b[k]) if hasattr(given, "b") else 0.0))
        return out

    return reference


def one(found, stride=1, before=0, dilation=1, **more):
    return seen((found,), (stride,), (before,), (dilation,), **more)


def two(found, stride=(1, 1), before=(0, 0), dilation=(1, 1), **more):
    return seen(found, stride, before, dilation, **more)


def torchs(kind, **named):
    """PyTorch's function of that name with the layer's weights."""

    def call(torch, given, a):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")  # costs it a copy
            return getattr(torch.nn.functional, kind)(a, given.w, getattr(given, "b", None), **named)

    return call


IMAGES = "takes samples (channels, height, width)"
BAD_IMAGES = (
    Refused(((5, 4),), IMAGES, "got (5, 4): put Reshape before it, channels come first"),
    Refused(((1, 2, 5, 4),), IMAGES, "got (1, 2, 5, 4)"),
    Refused(((),), IMAGES, "got ()"),
    Refused(((2, 5, 4), (2, 5, 4)), "takes 1 input", "got 2"),
)
SMALL = (
    Refused(((2, 2, 4),), "takes samples that its windows of (3, 3) fit into", "got (2, 2, 4), (2, 4) with padding"),
    Refused(((2, 4, 1),), "take a smaller kernel or more padding", "got (2, 4, 1)"),
)
SMALL_1D = (Refused(((2, 2),), "takes samples that its windows of (5,) fit into", "got (2, 2), (4,) with padding"),)
BAD_SEQUENCES = (
    Refused(((4,),), "takes samples (channels, time)", "got (4,): put Reshape before it, channels come first"),
    Refused(((1, 4, 4),), "takes samples (channels, time)", "got (1, 4, 4)"),
    Refused(((2, 5), (2, 5)), "takes 1 input", "got 2"),
)
GROUPS = (Refused(((3, 4, 4),), "takes channels that its 2 groups divide", "got 3 in samples (3, 4, 4)"),)
CUT = (Refused(((2, 1, 1),), "take less padding", "got (2, 1, 1), which become (2, 2) and lose (1, 1) on either side"),)

TANH, RELU = (SIGMA["tanh"],), (SIGMA["relu"],)

# fmt: off
CASES = [
    Case("Conv2D", lambda: Conv2D(3, 3), ((2, 5, 4),), two((3, 2)), refuses=BAD_IMAGES + SMALL,
         torch=torchs("conv2d")),
    Case("Conv2D-one-channel", lambda: Conv2D(2, 2, activation="tanh", bias=False), ((1, 3, 4),),
         two((2, 3), sigma=TANH), torch=lambda torch, given, a: torchs("conv2d")(torch, given, a).tanh()),
    Case("Conv2D-relu", lambda: Conv2D(2, 3, padding=1, activation="relu"), ((2, 3, 3),),
         two((3, 3), before=(1, 1), sigma=RELU),
         torch=lambda torch, given, a: torchs("conv2d", padding=1)(torch, given, a).relu()),
    Case("Conv2D-per-channel", lambda: Conv2D(5, 2, activation=MIXED), ((1, 3, 3),), two((2, 2), sigma=MIXED_SIGMA)),
    Case("Conv2D-rest", lambda: Conv2D(2, 3, stride=2), ((2, 6, 7),), two((2, 3), (2, 2)),
         torch=torchs("conv2d", stride=2)),
    Case("Conv2D-gaps", lambda: Conv2D(2, 2, stride=3), ((2, 7, 6),), two((2, 2), (3, 3)),
         torch=torchs("conv2d", stride=3)),
    Case("Conv2D-lopsided", lambda: Conv2D(2, (2, 3), (3, 1), (1, 2), (1, 2)), ((2, 5, 4),),
         two((2, 4), (3, 1), (1, 2), (1, 2)),
         torch=torchs("conv2d", stride=(3, 1), padding=(1, 2), dilation=(1, 2))),
    Case("Conv2D-tall", lambda: Conv2D(1, (4, 1), (1, 2), (2, 0), (2, 1)), ((3, 5, 3),),
         two((3, 2), (1, 2), (2, 0), (2, 1)),
         torch=torchs("conv2d", stride=(1, 2), padding=(2, 0), dilation=(2, 1))),
    Case("Conv2D-same", lambda: Conv2D(2, 3, padding="same"), ((2, 4, 3),), two((4, 3), before=(1, 1)),
         torch=torchs("conv2d", padding="same")),
    Case("Conv2D-same-even", lambda: Conv2D(2, (2, 4), padding="same", dilation=(3, 1)), ((1, 4, 5),),
         two((4, 5), before=(1, 1), dilation=(3, 1)), torch=torchs("conv2d", padding="same", dilation=(3, 1))),
    Case("Conv2D-same-stride", lambda: Conv2D(1, (3, 2), (2, 3), "same"), ((2, 5, 4),),
         two((3, 2), (2, 3), (1, 0))),
    Case("Conv2D-valid", lambda: Conv2D(2, 2, padding="valid"), ((1, 3, 2),), two((2, 1)),
         torch=torchs("conv2d", padding="valid")),
    Case("Conv2D-whole", lambda: Conv2D(3, (3, 4)), ((2, 3, 4),), two((1, 1)), torch=torchs("conv2d")),
    Case("Conv2D-depthwise", lambda: Conv2D(3, 3, padding=1, groups=3), ((3, 3, 4),),
         two((3, 4), before=(1, 1), groups=3), torch=torchs("conv2d", padding=1, groups=3)),
    Case("Conv2D-groups", lambda: Conv2D(6, 2, groups=2), ((4, 3, 3),), two((2, 2), groups=2), refuses=GROUPS,
         torch=torchs("conv2d", groups=2)),
    Case("Conv2D-pointwise", lambda: Conv2D(2, 1), ((3, 2, 3),), two((2, 3)), torch=torchs("conv2d")),
    Case("Conv2D-1", lambda: Conv2D(1, 1), ((1, 1, 1),), two((1, 1)), torch=torchs("conv2d")),
    Case("Conv2D-1-padded", lambda: Conv2D(1, 3, 2, 2), ((1, 1, 1),), two((2, 2), (2, 2), (2, 2)),
         torch=torchs("conv2d", stride=2, padding=2)),
    Case("Conv1D", lambda: Conv1D(3, 3, activation="tanh"), ((2, 6),), one(4, sigma=TANH),
         refuses=BAD_SEQUENCES, torch=lambda torch, given, a: torchs("conv1d")(torch, given, a).tanh()),
    Case("Conv1D-lopsided", lambda: Conv1D(2, 3, 2, 1, 2, bias=False), ((3, 8),), one(3, 2, 1, 2),
         refuses=SMALL_1D, torch=torchs("conv1d", stride=2, padding=1, dilation=2)),
    Case("Conv1D-same", lambda: Conv1D(2, 4, padding="same"), ((4, 5),), one(5, before=1),
         torch=torchs("conv1d", padding="same")),
    Case("Conv1D-depthwise", lambda: Conv1D(4, 2, groups=2, activation=["tanh", "relu", "tanh", "relu"]), ((2, 4),),
         one(3, groups=2, sigma=(TANH + RELU) * 2)),
    Case("Conv1D-1", lambda: Conv1D(1, 1), ((1, 1),), one(1), torch=torchs("conv1d")),
    Case("ConvTranspose2D", lambda: ConvTranspose2D(3, 3), ((2, 2, 3),), laid((4, 5), (1, 1), (0, 0)),
         refuses=BAD_IMAGES, torch=torchs("conv_transpose2d")),
    Case("ConvTranspose2D-tanh", lambda: ConvTranspose2D(2, 2, 2, activation="tanh", bias=False), ((3, 2, 2),),
         laid((4, 4), (2, 2), (0, 0), sigma=TANH),
         torch=lambda torch, given, a: torchs("conv_transpose2d", stride=2)(torch, given, a).tanh()),
    Case("ConvTranspose2D-per-channel", lambda: ConvTranspose2D(5, 2, activation=MIXED), ((2, 2, 1),),
         laid((3, 2), (1, 1), (0, 0), sigma=MIXED_SIGMA)),
    Case("ConvTranspose2D-crop", lambda: ConvTranspose2D(2, 2, padding=1), ((2, 3, 2),), laid((2, 1), (1, 1), (1, 1)),
         refuses=CUT, torch=torchs("conv_transpose2d", padding=1)),
    Case("ConvTranspose2D-cut", lambda: ConvTranspose2D(2, 3, 2, 1, 1), ((2, 2, 3),), laid((4, 6), (2, 2), (1, 1)),
         torch=torchs("conv_transpose2d", stride=2, padding=1, output_padding=1)),
    Case("ConvTranspose2D-gaps", lambda: ConvTranspose2D(2, 1, 3, 0, (2, 0)), ((2, 2, 2),),
         laid((6, 4), (3, 3), (0, 0)),
         torch=torchs("conv_transpose2d", stride=3, output_padding=(2, 0))),
    Case("ConvTranspose2D-lopsided", lambda: ConvTranspose2D(2, (2, 3), (3, 1), (0, 2), (1, 0), (2, 1)), ((1, 2, 4),),
         laid((7, 2), (3, 1), (0, 2), (2, 1)),
         torch=torchs("conv_transpose2d", stride=(3, 1), padding=(0, 2), output_padding=(1, 0), dilation=(2, 1))),
    Case("ConvTranspose2D-groups", lambda: ConvTranspose2D(2, 2, groups=2), ((4, 2, 2),),
         laid((3, 3), (1, 1), (0, 0), groups=2), refuses=GROUPS, torch=torchs("conv_transpose2d", groups=2)),
    Case("ConvTranspose2D-depthwise", lambda: ConvTranspose2D(3, 3, 2, 1, groups=3), ((3, 2, 3),),
         laid((3, 5), (2, 2), (1, 1), groups=3), torch=torchs("conv_transpose2d", stride=2, padding=1, groups=3)),
    Case("ConvTranspose2D-1", lambda: ConvTranspose2D(1, 1), ((1, 1, 1),), laid((1, 1), (1, 1), (0, 0)),
         torch=torchs("conv_transpose2d")),
    Case("ConvTranspose2D-1-wide", lambda: ConvTranspose2D(1, 2, padding=(0, 0)), ((1, 1, 1),),
         laid((2, 2), (1, 1), (0, 0)), torch=torchs("conv_transpose2d")),
]
