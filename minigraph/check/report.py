"""What a gradient check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from ..layer import Node
from .differences import Verdict

Kind: TypeAlias = Literal["gradient", "contract", "not finite", "end to end", "second order", "kink", "consequence"]


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    `kind` is "gradient" for a number of `backward` that central differences of the same node's `forward` contradict;
    "contract" for a promise that the layer breaks; "not finite" for a node that makes NaN or Inf of finite numbers;
    "end to end" for a disagreement of the whole graph though each node is right by itself; "second order" for second
    derivatives along two random directions that disagree though gradients are right. These are failures. A
    "kink" is a number that may be anything between two one-sided derivatives, and is; a "consequence" is a
    disagreement end to end that goes back on failures in nodes.
    """

    kind: Kind
    node: str | None
    """Name of the node; None for the whole graph."""
    layer: str
    source: str
    """File and line that added the node."""
    part: str = ""
    """The input or the Param that the gradient is for."""
    index: tuple[int, ...] | None = None
    """Where in its array the number stands, the example first for inputs; None for a derivative along a direction."""
    backward: float | None = None
    """The number that `backward` gave."""
    differences: float | None = None
    """The number that central differences gave."""
    error: float | None = None
    """Their difference relative to the larger of them, at least to 1/1000 of their array's root mean square."""
    kink: bool = False
    """Whether a kink is near, where central differences mean little."""
    message: str = ""

    def __str__(self) -> str:
        who = f"{self.node} ({self.layer}, added at {self.source})" if self.node is not None else "the whole graph"
        if self.backward is None:
            return f"{who}: {self.message}"
        place = "along a random direction" if self.index is None else f"at {self.index}"
        kink = ", a kink is near" if self.kink else ""
        text = f"{who}: ∂C/∂{self.part} {place}: backward {self.backward:.7g}, differences {self.differences:.7g}{kink}"
        return f"{text}; {self.message}" if self.message else text


class Checked(NamedTuple):
    """How much a check compared."""

    nodes: int
    numbers: int


NOTHING = Checked(0, 0)


@dataclass(repr=False)
class Report:
    """What a gradient check found; true when nothing failed.

    `findings` has one entry for each number that disagrees and each promise that is broken, and none for what is right;
    `worst` is the largest relative error of all numbers compared, those at kinks left out.
    """

    findings: list[Finding] = field(default_factory=list)
    checked: Checked = NOTHING
    worst: float = 0.0
    skipped: list[str] = field(default_factory=list)
    """Names of nodes that weren't checked, as they have numbers that aren't finite."""

    @property
    def failures(self) -> list[Finding]:
        """The findings that mean something is wrong, in the order of the nodes."""
        return [finding for finding in self.findings if finding.kind not in ("kink", "consequence")]

    @property
    def kinks(self) -> list[Finding]:
        """Numbers at kinks, where each one-sided derivative is as right as the other."""
        return [finding for finding in self.findings if finding.kind == "kink"]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def add(self, kind: Kind, node: Node | None, part: str, verdicts: Iterable[Verdict], message: str = "") -> None:
        """Count comparisons; keep those that disagree, as findings of this kind, and those at kinks."""
        for verdict in verdicts:
            self.checked = self.checked._replace(numbers=self.checked.numbers + 1)
            place, claimed, measured, error, kink, ok = verdict
            if not (ok and kink):
                self.worst = max(self.worst, error)
            if kink or not ok:
                told, remark = ("kink" if ok else kind), ("" if ok else message)
                who = _named(node)
                self.findings.append(Finding(told, *who, part, place, claimed, measured, error, kink, remark))

    def fault(self, kind: Kind, node: Node | None, message: str) -> None:
        """Keep a finding that is no comparison of two numbers."""
        self.findings.append(Finding(kind, *_named(node), message=message))

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        nodes, numbers = self.checked
        done = f"{nodes} node{'s' * (nodes != 1)}, {numbers:,} numbers compared"
        if self.ok:
            kinks = f", {len(self.kinks)} of them at kinks" if self.kinks else ""
            return f"ok: {done}{kinks}, largest relative error {self.worst:.1g}"
        compared = [finding for finding in self.failures if finding.backward is not None]
        lines = [f"{_faults(self.failures)}; {done}"]
        lines += _table(compared)
        lines += [f"{finding.kind}: {finding}" for finding in self.failures if finding.backward is None]
        lines += [f"consequence: {finding}" for finding in self.findings if finding.kind == "consequence"]
        if self.skipped:
            lines.append(f"not checked, having numbers that aren't finite: {_listed(self.skipped)}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Report {str(self).partition(chr(10))[0]}>"


HEADER = ("node", "layer", "∂C/∂", "index", "backward", "differences", "rel. error", "kink near", "added at")


def _table(findings: list[Finding]) -> list[str]:
    """One row an array: its worst number, and how many more disagree."""
    worst: dict[tuple[str | None, str], Finding] = {}
    count: dict[tuple[str | None, str], int] = {}
    for finding in findings:
        key = finding.node, finding.part
        count[key] = count.get(key, 0) + 1
        if key not in worst or (finding.error or 0.0) > (worst[key].error or 0.0):
            worst[key] = finding
    rows = [HEADER] if worst else []
    for finding in worst.values():
        rows.append(
            (
                finding.node or "(whole graph)",
                finding.layer,
                finding.part,
                "direction" if finding.index is None else str(finding.index),
                f"{finding.backward:.7g}",
                f"{finding.differences:.7g}",
                f"{finding.error:.1g}",
                "yes" if finding.kink else "no",
                finding.source,
            )
        )
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for (key, finding), i in zip(worst.items(), range(1, len(lines)), strict=True):
        remarks = [f"and {count[key] - 1} more"] if count[key] > 1 else []
        remarks += [finding.message] if finding.message else []
        lines[i] += f"  ({'; '.join(remarks)})" if remarks else ""
    return lines


def _faults(failures: list[Finding]) -> str:
    nodes = list(dict.fromkeys(finding.node for finding in failures if finding.node is not None))
    if not nodes:
        return "the nodes are right, but not the whole graph"
    return f"wrong in {_listed(nodes)}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:8]))
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"


def _named(node: Node | None) -> tuple[str | None, str, str]:
    return (None, "", "") if node is None else (node.name, node.layer.describe(), node.source)
