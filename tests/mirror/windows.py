"""Convolution and pooling: each output from its own window."""

import autograd.numpy as np
import numpy
from autograd.tracer import getval

from minigraph import layers

from .elementwise import activated
from .table import of


def padded(x, margins, value=0.0):
    """An image with margins (before, behind) around its two axes."""
    for axis, (before, behind) in enumerate(margins, 1):
        sides = [numpy.full((*x.shape[:axis], n, *x.shape[axis + 1 :]), value) for n in (before, behind)]
        x = np.concatenate([sides[0], x, sides[1]], axis=axis)
    return x


def convolved(layer, p, x, kernel, stride, dilation, margins):
    """Σ_cuv w_fcuv x_c,is+ud,js+vd, group by group."""
    x, w = padded(x, margins), p(layer.w)
    w = np.reshape(w, (*w.shape[:2], *kernel))
    rows, columns = (
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[1:], kernel, stride, dilation, strict=True)
    )
    found = []
    for group in range(layer.groups):
        seen = x[group * w.shape[1] : (group + 1) * w.shape[1]]
        filters = w[group * len(w) // layer.groups : (group + 1) * len(w) // layer.groups]
        z = 0.0
        for u, v in numpy.ndindex(*kernel):
            down, right = u * dilation[0], v * dilation[1]
            part = seen[:, down : down + (rows - 1) * stride[0] + 1, right : right + (columns - 1) * stride[1] + 1]
            z = z + np.einsum("fc,cij->fij", filters[:, :, u, v], part[:, :: stride[0], :: stride[1]])
        found.append(z)
    return np.concatenate(found)


@of(layers.Conv1D, layers.Conv2D)
def conv(layer, p, x):
    flat = x.ndim == 2
    lone, none = (1,) * flat, ((0, 0),) * flat
    kernel, stride, dilation = ((*lone, *each) for each in (layer.kernel_size, layer.stride, layer.dilation))
    if layer.padding == "same":
        total = [d * (k - 1) for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
        margins = [(n // 2, n - n // 2) for n in total]
    else:
        margins = [(n, n) for n in layer.padding]
    z = convolved(layer, p, x[:, None] if flat else x, kernel, stride, dilation, (*none, *margins))
    z = z if layer.b is None else z + np.reshape(p(layer.b), (-1, 1, 1))
    return activated(layer.activation, z[:, 0] if flat else z, axis=0)


@of(layers.ConvTranspose2D)
def conv_transpose(layer, p, x):
    """Each element of the input, spread out by its window: rows and columns of zeros between, then the sum."""
    kernel, (s, t), w = layer.kernel_size, layer.stride, p(layer.w)
    _, h, b = x.shape
    z = 0.0
    for u, v in numpy.ndindex(*kernel):
        down = numpy.eye((h - 1) * s + kernel[0])[u : u + (h - 1) * s + 1 : s]
        right = numpy.eye((b - 1) * t + kernel[1])[v : v + (b - 1) * t + 1 : t]
        z = z + np.einsum("cf,cij,iy,jx->fyx", w[:, :, u, v], x, down, right)
    return z if layer.b is None else z + np.reshape(p(layer.b), (-1, 1, 1))


def pools(layer, x):
    """For each window its place, what stands in it in the image, and how many elements it has with padding."""
    (height, width), p = layer.pool_size, layer.padding
    s, t = layer.pool_size if layer.stride is None else (layer.stride,) * 2
    _, h, b = x.shape
    for i in range((h + 2 * p - height) // s + 1):
        for j in range((b + 2 * p - width) // t + 1):
            top, left = i * s - p, j * t - p
            down, right = slice(max(top, 0), top + height), slice(max(left, 0), left + width)
            yield (i, j), x[:, down, right], height * width


def gathered(cells):
    """A value for each channel at each place (i, j), as an image."""
    rows = 1 + max(i for i, _ in cells)
    columns = 1 + max(j for _, j in cells)
    return np.stack([np.stack([cells[i, j] for j in range(columns)], axis=1) for i in range(rows)], axis=1)


@of(layers.AvgPool2D)
def average_pool(layer, p, x):
    cells = {}
    for place, seen, all_ in pools(layer, x):
        count = all_ if layer.count_include_pad else seen.shape[1] * seen.shape[2]
        cells[place] = np.sum(seen, axis=(1, 2)) / count
    return gathered(cells)


@of(layers.MaxPool2D)
def max_pool(layer, p, x):
    cells = {}
    for place, seen, _ in pools(layer, x):
        flat = np.reshape(seen, (len(x), -1))
        first = numpy.argmax(getval(flat), axis=1)
        cells[place] = flat[numpy.arange(len(x)), first]
    return gathered(cells)


@of(layers.GlobalAvgPool)
def global_pool(layer, p, x):
    return np.mean(np.reshape(x, (len(x), -1)), axis=1)


@of(layers.AdaptiveAvgPool2D)
def adaptive_pool(layer, p, x):
    (_, h, b), (rows, columns) = x.shape, layer.output_size
    cells = {}
    for i, j in numpy.ndindex(rows, columns):
        down = slice(i * h // rows, -(-(i + 1) * h // rows))
        right = slice(j * b // columns, -(-(j + 1) * b // columns))
        cells[i, j] = np.mean(x[:, down, right], axis=(1, 2))
    return gathered(cells)


@of(layers.UpSample2D)
def up_sample(layer, p, x):
    return np.repeat(np.repeat(x, layer.size[0], axis=1), layer.size[1], axis=2)
