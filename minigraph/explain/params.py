"""What follows from the error of a node for its Params: BP3, BP4."""

from __future__ import annotations

import numpy as np

from ..layer import Node
from ..param import Array, Param
from .docstrings import words_of
from .formula import (
    Block,
    Letter,
    Line,
    Name,
    Part,
    Prose,
    Words,
    equations,
    heading,
    math,
    paragraph,
    partial,
    values,
)
from .letters import Letters, called, is_dense, is_transposed, noted
from .sample import Sample

USES = 4
"""Of a shared Param, so many uses are shown apart."""


def param_blocks(letters: Letters, sample: Sample, node: Node) -> list[Block]:
    """The gradients of a node's Params: derived for Dense, else in the words of its class; with the numbers."""
    if not node.layer.params:
        return []
    blocks: list[Block] = [heading(2, "What follows for its Params")]
    if node.layer.frozen:
        return [*blocks, paragraph(called(node), " is frozen: its Params count as constants and have no gradient.")]
    if is_dense(node):
        blocks += _dense_rules(letters, node)
        blocks += [paragraph(f"{sample.title}:"), equations(*_of_example(letters, sample, node))]
    else:
        blocks += words_of(type(node.layer))
    return [*blocks, *batch_blocks(letters, sample, node)]


def batch_blocks(letters: Letters, sample: Sample, node: Node) -> list[Block]:
    """The gradients of all Params of a node, as the run has them."""
    lines: list[Line] = []
    for name, param in sorted(node.layer.params.items()):
        lines += batch_lines(letters, sample, node, name, param)
    return [paragraph(batch_title(sample)), equations(*lines)]


def batch_title(sample: Sample) -> str:
    """What the gradients of a batch are."""
    m = sample.run.m
    return (
        f"As learning takes it, the mean over the {m} examples:"
        if m > 1
        else "As learning takes it, of the one example:"
    )


def batch_lines(
    letters: Letters, sample: Sample, node: Node, name: str, param: Param, at: tuple[int, ...] = ()
) -> list[Line]:
    """∂C/∂Param as the run has it, or one element of it, and the shares of its uses where there are several."""
    of = partial(letters.cost(), param_letter(letters, node, name, ",".join(map(str, at))))
    shares = sample.run.grad(param, per="use")
    names = sorted(shares, key=lambda use: use != node.name)
    lines = []
    if len(shares) > 1:
        for use in names[:USES]:
            lines.append(Line((of,), "=", (values(shares[use][at]),), (Words("share of "), noted(letters.graph[use]))))
        if len(names) > USES:
            lines.append(Line((), "", (Words("…"),), (Words(f"{len(names) - USES} more shares"),)))
    note = (Words(f"the sum over its {len(names)} uses"),) if len(names) > 1 else ()
    return [*lines, Line((of,), "=", (values(sample.run.grad(param)[at]),), note)]


def param_letter(letters: Letters, node: Node, name: str, index: str = "") -> Part:
    """The letter of a layer's Param: w, b, γ …, or its name in code."""
    letter = {"gamma": "γ", "beta": "β"}.get(name, name)
    if len(letter) > 1:
        return Name(name)
    return Letter(letter, letters.sup(node), (index,) if index else ())


def _dense_rules(letters: Letters, node: Node) -> list[Block]:
    c, z, a, delta = letters.cost(), letters.z(node, "j"), letters.a(node.inputs[0], "k"), letters.error(node, "j")
    w = letters.w(node, "kj" if is_transposed(node) else "jk")
    acting: Prose = (math(w), " acts")
    lines = [Line((z,), "=", letters.weighed(node, "j", "k"))]
    if "b" in node.layer.params:
        b = letters.b(node, "j")
        acting = (math(b), " and ", math(w), " act")
        lines.append(Line((partial(c, b),), "=", (partial(c, z), " · ", partial(z, b))))
        lines.append(Line((), "=", (delta, " · 1 = ", delta), label="BP3"))
    lines.append(Line((partial(c, w),), "=", (partial(c, z), " · ", partial(z, w))))
    lines.append(Line((), "=", (a, " ", delta), label="BP4"))
    note = (Words("all weights at once: an outer product"),)
    lines.append(Line((partial(c, letters.w(node)),), "=", letters.outer(node), note))
    says = " on the cost through ", math(z), " alone. The same four moves, in short:"
    return [paragraph(*acting, *says), equations(*lines), *positions(node)]


def positions(node: Node) -> list[Block]:
    """A remark where the neurons of a Dense node look at several vectors in each sample."""
    if len(node.shape) == 1:
        return []
    says = "The neurons look along the last axis, at all positions of the others: gradients are sums over these."
    return [paragraph(says)]


def _of_example(letters: Letters, sample: Sample, node: Node) -> list[Line]:
    c, run = sample.c, sample.run
    a, delta = sample.row(run[node].inputs[0]), sample.row(run[node].delta)
    lines = [Line((letters.a(node.inputs[0]),), "=", (values(a),))]
    if "b" in node.layer.params:
        lines.append(Line((partial(c, letters.b(node)),), "=", (values(_rows(delta).sum(axis=0)),), sample.share))
    outer = _rows(delta).T @ _rows(a)
    return [
        *lines,
        Line((partial(c, letters.w(node)),), "=", (values(outer.T if is_transposed(node) else outer),), sample.share),
    ]


def _rows(array: Array) -> Array:
    return np.reshape(array, (-1, array.shape[-1]))
