"""Checkpoints: files from which a training that was killed goes on as if nothing had been."""

from __future__ import annotations

import errno
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .data import Rows
from .errors import FileError, GraphError
from .history import History
from .numbers import is_real, is_whole
from .optimizers import Optimizer
from .param import Array
from .record import whole
from .saving.files import WIRING, File, remove_leftovers, write
from .saving.store import reading
from .saving.values import Reader, Writer
from .saving.wiring import described
from .stopping import Best
from .tally import check_attributes
from .terms import difference, terms
from .trainer import Trainer

TRAINING = "training"
"""The key in a file's metadata of what goes beyond the graph."""


class Checkpoints:
    """The files of one training: `path` with the number of batches learned from, as in "digits-000000500.safetensors".

    Each is a graph that `mg.load` loads, and the state of the training beside it. Raises GraphError for numbers that
    mean nothing, for optimizers that aren't minigraph's, and for what a file can't hold.
    """

    def __init__(
        self,
        path: str | Path,
        every: int | None,
        keep: int,
        trainer: Trainer,
        history: History,
        best: Best | None,
    ):
        for name, count in (("every", every), ("keep", keep)):
            if not (is_whole(count) and count > 0) and (name, count) != ("every", None):
                raise GraphError(f"fit takes a positive whole number as {name}, got {count!r}")
        if len(trainer.ours) < len(trainer.optimizers):
            raise GraphError("checkpoints take minigraph's optimizers: this one has step(run) alone")
        self.path = Path(path).absolute()
        self._family = f"{self.path.stem}-{self.path.suffix}"
        self._look()
        self.every = every
        self.keep = keep
        self.trainer = trainer
        self.history = history
        self.best = best
        self._settings = terms(trainer, best)
        self._encoded(False)  # what can't be saved is to be known now
        Writer({}).value(trainer.tally.state(), TRAINING)

    def _look(self) -> None:
        """See that files can be written there: now rather than after the first epoch."""
        folder = self.path.parent
        if self.path.is_dir():
            raise GraphError(f"checkpoint is a path like 'runs/digits.safetensors', got the folder {str(self.path)!r}")
        family = re.sub(r"-[0-9]{9,}\Z", "", self.path.stem)
        if family != self.path.stem and self.path.is_file():
            name = f"{family}{self.path.suffix}"
            raise GraphError(f"{str(self.path)!r} is a checkpoint: give the name without the number, {name!r}")
        if not folder.is_dir():
            raise GraphError(f"there is no folder {str(folder)!r} to put checkpoints into: make it first")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        with suppress(FileNotFoundError):
            os.lstat(self._file(0))  # raises OSError for a name that is too long

    def begin(self, resume: bool) -> bool:
        """Go on from the newest checkpoint, if there is one; whether training was over there.

        Raises GraphError where there are some and `resume` is False, FileError for one that belongs to another training
        or is damaged.
        """
        newest = self._newest(resume)
        if newest is None:
            return False
        over = self._go_on(newest)
        self._remove_oldest()
        return over

    def _newest(self, resume: bool) -> Path | None:
        """The file to go on from."""
        there = self._files()
        newest = there[max(there)] if there else None
        if newest and not resume:
            raise GraphError(
                f"there are checkpoints of an earlier training, {str(newest)!r} the newest: resume=True goes on from "
                "it; to begin anew, move them away"
            )
        remove_leftovers(self.path.parent, self._family)
        return newest

    def _go_on(self, newest: Path) -> bool:
        """Take over what a file holds; whether training was over there."""
        try:
            file = File(newest)
        except FileError as fault:
            raise FileError(f"{fault}; moved away, it leaves the one before to go on from") from None
        return reading(file, lambda: self._resume(file))

    def after_batch(self) -> None:
        """Write a checkpoint if it is time."""
        if self.every is not None and self.trainer.learned % self.every == 0:
            self.write(False)

    def write(self, over: bool) -> None:
        """Write a checkpoint, then remove the oldest; raises OSError where the disk says no, and keeps those there."""
        wiring, state, writer = self._encoded(over)
        texts = {WIRING: wiring, TRAINING: state}
        write(self._file(self.trainer.learned), writer.tensors, texts, self._family)
        self._remove_oldest()

    def _remove_oldest(self) -> None:
        there = self._files()
        for number in sorted(there)[: -self.keep]:
            there[number].unlink(missing_ok=True)

    def _file(self, learned: int) -> Path:
        return self.path.with_name(f"{self.path.stem}-{learned:09d}{self.path.suffix}")

    def _files(self) -> dict[int, Path]:
        """The checkpoints that are there, by the number of batches."""
        form = re.compile(re.escape(self.path.stem) + "-([0-9]{9,})" + re.escape(self.path.suffix))
        found = {path: form.fullmatch(path.name) for path in self.path.parent.iterdir()}
        return {int(match[1]): path for path, match in found.items() if match}

    def _encoded(self, over: bool) -> tuple[Any, Any, Writer]:
        wiring, writer = described(self.trainer.graph)
        state = {
            "over": over,
            "trainer": self.trainer.state(),
            "history": self.history.rows,
            "best": None if self.best is None else self.best.state(),
        }
        return wiring, {"settings": self._settings, "state": writer.value(state, TRAINING)}, writer

    def _resume(self, file: File) -> bool:
        """Take over all that a checkpoint holds, once it is all understood."""
        if TRAINING not in file.metadata:
            raise FileError("it has no training in it: g.save(…) wrote it, not fit(…)")
        graph, training, found = self.trainer.graph, file.text(TRAINING), file.text(WIRING)
        for name in dict.fromkeys((*self._settings, *training["settings"])):
            before, now = (told.get(name, "nothing") for told in (training["settings"], self._settings))
            if before != now:
                raise FileError(
                    f"it is of a training with {name}={before}, this one has {name}={now}: give the same, or another "
                    "name for checkpoints"
                )
        wiring, writer = described(graph)
        apart = difference(json.loads(json.dumps(wiring)), found)
        if apart:
            raise FileError(f"it is of another graph: {apart}")
        values = [file[tensor] for tensor, _ in found["params"]]
        for param, value in zip(writer.given, values, strict=True):
            _fits(value, param.value, param.name)
        statistics = []
        for layer, row in zip(writer.owners, found["layers"], strict=True):
            _is(row["statistics"].keys() == set(layer.statistics), f"statistics of {type(layer).__name__}")
            for name, tensor in row["statistics"].items():
                statistics.append((layer, name, file[tensor]))
                _fits(statistics[-1][2], np.asarray(getattr(layer, name)), name)
        if found["seed"] is not None:
            whole(found["seed"], "graph")
        _is(whole(found["entropy"], "graph") >= 0 and _is_count(found["runs"]), "number of runs")
        _check_generator(graph.rng, found["generator"])
        state = Reader(file, writer.given, writer.owners).value(training["state"])
        self._check(state)
        before = self._now()
        try:
            self.trainer.restore(state["trainer"])
            self.history.rows[:] = state["history"]
            if self.best is not None:
                self.best.go_on(state["best"])
            graph._draws = found
            for layer, name, value in statistics:
                setattr(layer, name, value)
            for param, value in zip(writer.given, values, strict=True):
                param.value = value
        except BaseException:  # Ctrl-C in the middle
            for put_back in before:
                put_back()
            raise
        return bool(state["over"])

    def _now(self) -> list[Callable[[], Any]]:
        """What puts back all that is there now and isn't this training's alone."""
        graph, rows = self.trainer.graph, list(self.history.rows)
        layers = {node.layer: node.layer.statistics for node in graph.nodes}
        steps: list[Callable[[], Any]] = [partial(self.history.rows.__setitem__, slice(None), rows)]
        for layer, names in layers.items():
            steps += [partial(setattr, layer, name, getattr(layer, name)) for name in names]
        for ours in self.trainer.ours:
            for thing in (ours, *ours.schedules().values()):
                steps += [vars(thing).clear, partial(vars(thing).update, dict(vars(thing)))]
        steps.append(partial(setattr, graph, "_draws", graph._draws))
        return steps + [partial(setattr, param, "value", param.value.copy()) for param in graph.params.values()]

    def _check(self, state: Any) -> None:
        """Raise FileError for a state of something that could be no state of this training."""
        trainer, kept = self.trainer, state["trainer"]
        _is(all(_is_count(kept[name]) for name in ("done", "position", "learned")), "numbers of batches")
        _is(len(kept["noise"]) == 2 and all(map(_is_count, kept["noise"])), "seed of a run")
        _check_generator(trainer.rng, kept["shuffle"])
        batches = len(trainer.batches) if isinstance(trainer.batches, Rows) else trainer.batches.steps
        _is(kept["done"] <= len(state["history"]) and kept["position"] <= (batches or math.inf), "position")
        rows = [row for row in state["history"] if all(isinstance(k, str) and is_real(v) for k, v in row.items())]
        _is(isinstance(state["history"], list) and len(rows) == len(state["history"]), "history")
        for ours, one in zip(trainer.ours, kept["optimizers"], strict=True):
            _check_optimizer(ours, one, ours.state(trainer.graph))
        best = state["best"]
        _is((best is None) == (self.best is None), "best epoch")
        if best is not None:
            _is(is_real(best["value"]) and _is_count(best["since"]), "best epoch")
            for param, value in best["kept"].items():
                _fits(value, param.value, param.name)
            for layer, arrays in best["statistics"].items():
                _is(arrays.keys() == set(layer.statistics), f"statistics of {type(layer).__name__}")
                for name, value in arrays.items():
                    _fits(value, np.asarray(getattr(layer, name)), name)
        _is(isinstance(state["over"], bool), "end")


def _check_optimizer(ours: Optimizer, kept: Any, now: Mapping[str, Any]) -> None:
    own = kept["own"]
    _is(_is_count(own["taken"]) and _is_count(own["epochs"]), "numbers of steps")
    for name, value in own.items():
        _is(name in now["own"] or name in ours.given or _is_new(ours, name), f"attributes of {type(ours).__name__}")
        _is(name not in ours.given or is_real(value), f"number {name}")
    check_attributes(ours, {name: value for name, value in own.items() if name not in ours.given})
    for name, lr in ours.schedules().items():
        attributes = kept["rates"].get(name, {})
        known = vars(lr).keys() | {part.name for part in fields(lr)} if is_dataclass(lr) else vars(lr).keys()
        _is(attributes.keys() <= known or _is_own(lr), f"attributes of {type(lr).__name__}")
        check_attributes(lr, attributes)
    for param, (taken, arrays) in kept["params"].items():
        _is(_is_count(taken) and all(isinstance(name, str) for name in arrays), f"steps of {param.name}")
        for array in arrays.values():
            _fits(array, param.value.reshape(-1), param.name)
    for param, group in kept["waiting"].items():
        known = group is None or (isinstance(group, str) and group in (ours.groups or {}))
        _is(known and "sum" in kept["params"][param][1], f"gradient of {param.name}")
    _is(_is_count(kept["examples"]) and (kept["examples"] > 0) == bool(kept["waiting"]), "number of examples")


def _is_new(ours: Optimizer, name: Any) -> bool:
    """Whether an optimizer of one's own may have taken to such an attribute: nothing else goes by that name."""
    return _is_own(ours) and isinstance(name, str) and name.isidentifier() and not hasattr(ours, name)


def _is_own(thing: object) -> bool:
    return not type(thing).__module__.startswith(f"{__package__}.")


def _check_generator(rng: np.random.Generator, state: Any) -> None:
    scratch: Any = type(rng.bit_generator)()
    scratch.state = state


def _fits(value: Any, there: Array, name: str) -> None:
    fine = isinstance(value, np.ndarray) and value.shape == there.shape and value.dtype == there.dtype
    _is(fine, f"array of {name}, which takes {there.dtype} of shape {there.shape}")


def _is_count(value: Any) -> bool:
    return is_whole(value) and 0 <= value < 2**63


def _is(fine: bool, what: str) -> None:
    if not fine:
        raise FileError(f"it has something else in the place of the {what}")
