"""What a diagnosis says: findings, as data and as text."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias, overload

from ..layer import Node
from ..naming import listed as listed
from ..naming import quoted as quoted
from ..param import Param
from ..wiring import Edge

Kind: TypeAlias = Literal[
    "not finite",
    "exploding",
    "vanishing",
    "exploding activations",
    "dead",
    "saturated",
    "unreached",
    "symmetric",
    "squashed logits",
    "update ratio",
    "inputs near 0",
]

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "not finite": "NaN or infinite numbers",
        "exploding": "exploding gradients",
        "vanishing": "vanishing gradients",
        "exploding activations": "exploding activations",
        "dead": "dead ReLUs",
        "saturated": "saturated units",
        "unreached": "Params that no gradient reaches",
        "symmetric": "units that stay equal",
        "squashed logits": "logits squashed before their cost",
        "update ratio": "steps out of proportion to the weights",
        "inputs near 0": "inputs near 0",
    }
)
"""The kinds of findings, the worst first, with their headings."""

Level: TypeAlias = Literal["alarm", "note"]
Data: TypeAlias = Mapping[str, float | str]

SHOWN = 5
"""Of each kind, so many findings are written out; a deep network may have a hundred alike."""


@dataclass(frozen=True)
class Finding:
    """Something that keeps a network from learning, or slows it down: where, how one knows, and what to try.

    A "note" says something true that needn't be a fault, as of pixels that are always black; all else is an "alarm".
    """

    kind: Kind
    node: str
    """The name of the node that it is about: for what goes on over several layers, the one where it begins."""
    evidence: str
    """One sentence with the numbers."""
    remedy: str
    """What to try."""
    data: Data = field(default_factory=dict, hash=False)
    """The numbers of the evidence, by name."""
    nodes: tuple[str, ...] = ()
    """The names of all nodes concerned, `node` first."""
    edges: tuple[Edge, ...] = ()
    """The edges concerned, in the order in which it spreads along them: the first is where it begins."""
    params: tuple[str, ...] = ()
    """The Params concerned, by their names in `graph.params`."""
    level: Level = "alarm"

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", dict(self.data))
        object.__setattr__(self, "nodes", tuple(dict.fromkeys((self.node, *self.nodes))))

    def __str__(self) -> str:
        return f"{self.kind}, {quoted(self.node)}: {self.evidence}. Try: {self.remedy}."


class Diagnosis(Sequence[Finding]):
    """The findings about a run, the worst first; `str()` is a report, also where there are none."""

    def __init__(self, findings: Iterable[Finding], looked_at: str, left_out: Iterable[str] = ()):
        places = {kind: place for place, kind in enumerate(KINDS)}
        self._findings = sorted(findings, key=lambda finding: (finding.level == "note", places[finding.kind]))
        self.looked_at = looked_at
        """What was judged, in a few words."""
        self.left_out = tuple(left_out)
        """What wasn't, and what it takes: no errors before `backward`, say."""

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> list[Finding]: ...
    def __getitem__(self, index: int | slice) -> Finding | list[Finding]:
        return self._findings[index]

    def __len__(self) -> int:
        return len(self._findings)

    @property
    def alarms(self) -> list[Finding]:
        """The findings without the mere notes."""
        return [finding for finding in self if finding.level == "alarm"]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of findings there are, each once."""
        return tuple(dict.fromkeys(finding.kind for finding in self))

    def of(self, node: Node | str) -> list[Finding]:
        """The findings that concern a node."""
        name = node.name if isinstance(node, Node) else node
        return [finding for finding in self if name in finding.nodes]

    def about_edge(self, edge: Edge) -> list[Finding]:
        """The findings that concern an edge."""
        return [finding for finding in self if edge in finding.edges]

    def __str__(self) -> str:
        rest = "".join(f"\nnot judged: {text}" for text in self.left_out)
        if not self:
            return f"nothing found in {self.looked_at}{rest}"
        lines = [f"{_count(len(self), 'finding')} in {self.looked_at}"]
        for level, prefix in (("alarm", ""), ("note", "note: ")):
            for kind in self.kinds:
                group = [finding for finding in self if finding.kind == kind and finding.level == level]
                if group:
                    lines += ["", f"{prefix}{KINDS[kind]}", *_written(group)]
        return "\n".join(lines) + ("\n" + rest if rest else "")

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def __repr__(self) -> str:
        counts = [f"{sum(finding.kind == kind for finding in self)} {kind}" for kind in self.kinds]
        return f"<Diagnosis: {', '.join(counts) or 'nothing found'}>"


def _written(group: Sequence[Finding]) -> list[str]:
    """Each finding's evidence, and a remedy once for all that share it."""
    lines = []
    for finding, then in zip(group[:SHOWN], [*group[1:SHOWN], None], strict=False):
        lines.append(f"  {quoted(finding.node)}: {finding.evidence}")
        if then is None or then.remedy != finding.remedy:
            lines.append(f"    try: {finding.remedy}")
    if len(group) > SHOWN:
        lines.append(f"  … and {_count(len(group) - SHOWN, 'more node')}: {listed(f.node for f in group[SHOWN:])}")
    return lines


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def percent(part: float, whole: float = 1.0) -> str:
    """A share in percent: 12 %, 100 %, but less than 1 % is said so."""
    share = 100 * part / whole
    return "< 1 %" if 0 < share < 1 else "> 99 %" if 99 < share < 100 else f"{share:.0f} %"


def names_of(params: Iterable[Param], names: Mapping[Param, str]) -> tuple[str, ...]:
    """The names of Params in their graph, each once."""
    return tuple(dict.fromkeys(names[param] for param in params if param in names))
