"""Checkpoints of a training by several ranks: files as one process writes them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...checkpoints import Checkpoints
from .ranks import Ranks
from .trainer import RankTrainer


class RankCheckpoints(Checkpoints):
    """The files of a training, which rank 0 alone reads and writes; the others needn't see its disk."""

    trainer: RankTrainer

    def __init__(self, ranks: Ranks, *given: Any):
        self.ranks = ranks
        self._newest_there: Path | None = None
        super().__init__(*given)

    def _look(self) -> None:
        if not self.ranks.rank:
            super()._look()

    def begin(self, resume: bool) -> bool:
        """Go on from the newest file that rank 0 finds; raises on all ranks what one process would raise."""

        def content() -> bytes | None:
            self._newest_there = self._newest(resume)
            return None if self._newest_there is None else self._newest_there.read_bytes()

        found = self.ranks.first(content)
        if found is None:
            return False
        over = self.ranks.each(lambda: self._take_over(found))
        self.ranks.first(self._remove_oldest)
        return over

    def _take_over(self, content: bytes) -> bool:
        if self._newest_there is not None:
            return self._go_on(self._newest_there)
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            path = Path(folder, self.path.name)
            path.write_bytes(content)
            return self._go_on(path)

    def write(self, over: bool) -> None:
        """Gather from all ranks what rank 0 then writes."""
        self.trainer.gather()
        self.ranks.first(lambda: super(RankCheckpoints, self).write(over))
