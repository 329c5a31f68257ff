"""`minigraph summary`: a table of the network in a file."""

from __future__ import annotations

from argparse import Namespace

from ..checkpoints import TRAINING
from ..saving.files import File
from ..saving.store import reading
from .model import loaded


def run(given: Namespace) -> int:
    """Print the table and, of a checkpoint, how far its training was; returns 0."""
    lines, file = [loaded(given).summary()], File(given.model)
    if TRAINING in file.metadata:
        lines.append(reading(file, lambda: _how_far(file)))
    print("\n".join(lines))
    return 0


def _how_far(file: File) -> str:
    training = file.text(TRAINING)
    state = dict(training["state"]["dict"])
    trainer = dict(state["trainer"]["dict"])
    over = ", which was over" if state["over"] else ""
    done, position, learned = (trainer[name] for name in ("done", "position", "learned"))
    return (
        f"checkpoint of a training by {training['settings']['optimizer']}{over}: {_count(done, 'epoch')} and "
        f"{_count(position, 'batch')} of the next, {_count(learned, 'batch')} in all"
    )


def _count(number: int, what: str) -> str:
    plural = "es" if what == "batch" else "s"
    return f"{number:,} {what}{plural if number != 1 else ''}"
