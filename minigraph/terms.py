"""Terms: what two trainings have to have in common for one to go on with the other, in words."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from .data import Rows
from .param import Param
from .stopping import Best
from .trainer import Trainer

FORMAT = "1"
"""Another when what a file tells of a training is told otherwise."""


def terms(trainer: Trainer, best: Best | None) -> dict[str, str]:
    """The options of a training, but for those that may change."""
    names = {param: name for name, param in trainer.graph.params.items()}
    rows = trainer.batches if isinstance(trainer.batches, Rows) else None
    options: dict[str, str] = {}
    for place, ours in enumerate(trainer.ours):
        prefix = f"optimizer {place + 1}" if len(trainer.ours) > 1 else "optimizer"
        options |= {f"{prefix}.{name}": words(value, names) for name, value in ours.given.items()}
    return {
        "format": FORMAT,
        "batch_size": repr(rows and rows.size),
        "examples": repr(rows and rows.n),
        "steps": repr(None if isinstance(trainer.batches, Rows) else trainer.batches.steps),
        "accumulate": repr(trainer.accumulate),
        "validation": "none" if trainer.validation is None else "some",
        "seed": words(trainer.seed, names),
        "metrics": ", ".join(name for name, _, _ in trainer.tally.specs) or "none",
        "stopping": words(best and best.stopping, names),
        "optimizer": ", ".join(type(ours).__name__ for ours in trainer.ours),
        **options,
    }


def _fields(value: Any) -> dict[str, Any]:
    return {part.name: getattr(value, part.name) for part in fields(value) if part.init}


def words(value: Any, names: Mapping[Param, str]) -> str:
    """A value in words that are the same in every process."""
    if isinstance(value, Param):
        return names.get(value, value.name)
    if is_dataclass(value) and not isinstance(value, type):
        parts = [f"{name}={words(part, names)}" for name, part in _fields(value).items()]
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {words(part, names)}" for key, part in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(words(part, names) for part in value) + ")"
    if isinstance(value, Set):
        return "{" + ", ".join(sorted(words(part, names) for part in value)) + "}"
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    return getattr(value, "__qualname__", type(value).__name__)


def difference(one: Any, other: Any) -> str | None:
    """What the wirings of two graphs differ in, in words; None where they compute the same from the same weights."""
    for key in ("dtype", "objects"):
        if one[key] != other[key]:
            return f"its {key} {'is' if key == 'dtype' else 'are'} another"
    if len(one["nodes"]) != len(other["nodes"]):
        return f"it has {len(other['nodes'])} nodes, this one {len(one['nodes'])}"
    for a, b in zip(one["nodes"], other["nodes"], strict=True):
        mine, its = one["layers"][a["layer"]], other["layers"][b["layer"]]
        sides = [(key, a[key], b[key]) for key in ("name", "shape", "dtype", "inputs", "id", "layer")]
        sides.append(("kind of layer", mine["kind"], its["kind"]))
        for key in ("fields", "params"):
            names = dict.fromkeys((*mine[key], *its[key]))
            sides += [(name, mine[key].get(name), its[key].get(name)) for name in names]
        sides.append(("list of Params", mine.get("chosen"), its.get("chosen")))
        for key, here, there in sides:
            if here != there:
                return f"the {key} of node {a['name']!r} is {there} there, {here} here"
    return None
