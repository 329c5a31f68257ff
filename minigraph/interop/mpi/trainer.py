"""A rank's trainer: it learns from its part of each batch, and by the gradients of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...data import Rows, source
from ...errors import GraphError
from ...history import Score
from ...layer import Layer
from ...metrics import Mergeable
from ...run import Run
from ...tally import Tally
from ...trainer import Data, Epoch, Trainer, tallied
from .likeness import Likeness
from .parts import RowsPart, StreamPart, chunks
from .ranks import Ranks, weighted


class RankTrainer(Trainer):
    """A graph in training, of which each rank has a copy that is and stays the same.

    One message goes around a step: the sum over ranks of the gradients, which already lie in one array.
    """

    def __init__(self, ranks: Ranks, *given: Any):
        super().__init__(*given)
        for name, _, metric in self.tally.specs:
            if not isinstance(metric, Mergeable):
                raise GraphError(
                    f"metric {name!r} has no merge(other), by which ranks bring together what each gathered"
                )
        self.tally.state()  # raises GraphError for what can't be told to others
        self.ranks = ranks
        self.mixes = any(node.layer.mixes_examples for node in self.graph.nodes)
        if isinstance(self.batches, Rows):
            self.part: RowsPart | StreamPart = RowsPart(self.batches, ranks, 2 if self.mixes else 1)
        else:
            self.part = StreamPart(self.batches, ranks)
        self.batches = self.part
        self.watch = [self._add_up, *([] if ranks.rank else self.watch)]
        self.likeness = Likeness(self)
        self.noise = self.run.clock.seed
        """The seed of the noise on rank 0."""
        self.layers: list[Layer] = list(dict.fromkeys(node.layer for node in self.graph.nodes if node.layer.statistics))
        self.whole: Tally | None = None
        """All ranks' tallies as one, as it was gathered last."""

    def begin_alike(self) -> None:
        """Take over rank 0's weights, running statistics and random generators."""
        graph, ranks = self.graph, self.ranks
        graph._draws, self.shuffle, self.noise = ranks.spread((graph._draws, self.rng.bit_generator.state, self.noise))
        self.rng.bit_generator.state = self.shuffle
        self._draw_alone()
        self.spread_weights()

    def spread_weights(self) -> None:
        """Take over rank 0's weights and running statistics."""
        for param in self.graph.params.values():
            self.ranks.spread_array(param.value)
            param.touch()
        for layer in self.layers:
            for name in layer.statistics:
                setattr(layer, name, self.ranks.spread(getattr(layer, name)))

    def _draw_alone(self) -> None:
        """Have noise differ from rank to rank; rank 0 draws as a single process would."""
        rank, seed = self.ranks.rank, self.noise
        if rank:
            seed = int(np.random.SeedSequence((self.noise, rank)).generate_state(1, np.uint64)[0]) >> 1
        self.run.clock.seed = seed

    # ---- each step ----

    def _add_up(self, run: Run) -> None:
        """Replace the gradients of this rank's examples by those of all."""
        sweep = run.trained()
        flat = sweep.gradients()
        for at, param, view in sweep.homes:
            at.grad[param] = view
        if not self.part.m:
            flat.fill(0)
        self.ranks.add_up(flat)
        sweep.m = self.part.total

    def _learn(self, count: int) -> None:
        super()._learn(count)
        arrays = [np.asarray(getattr(layer, name)) for layer in self.layers for name in layer.statistics]
        if arrays:
            means = iter(weighted(self.ranks, arrays, self.part.m / self.part.total))
            for layer in self.layers:
                for name in layer.statistics:
                    setattr(layer, name, next(means))

    def _judge(self) -> bool:
        return self.part.m > 0 and super()._judge()

    # ---- each epoch ----

    def epoch(self) -> Epoch:
        """As of one process; raises GraphError where the graphs of some ranks aren't the same any more."""
        epoch = super().epoch()
        self.likeness.check(f"after epoch {epoch.number}", weights=True)
        return epoch._replace(seconds=max(self.ranks.gather(epoch.seconds)))

    def _score(self) -> Score:
        return self._merged(self.tally).score()

    def _validate(self, data: Data) -> Score:
        batches = source(self.graph, data, self.costs, 1000)
        mine = chunks(batches, self.ranks, self.mixes) if isinstance(batches, Rows) else batches
        return self._merged(tallied(self.graph, mine, Tally(self.costs, self.specs))).score()

    def _merged(self, tally: Tally) -> Tally:
        """The tallies of all ranks as one, the same on each."""
        own, merged = Tally(self.costs, self.specs), Tally(self.costs, self.specs)
        own.merge(tally)
        for state in self.ranks.gather(own.state() if own.n else None):
            if state is not None:
                part = Tally(self.costs, self.specs)
                part.restore(state)
                merged.merge(part)
        return merged

    # ---- checkpoints ----

    def gather(self) -> None:
        """Gather what `state` is to tell of all ranks."""
        self.whole = self._merged(self.tally) if self.position else None

    def state(self) -> dict[str, Any]:
        """How far training is, as if one process had come so far."""
        found = super().state()
        if self.whole is not None:
            found["tally"] = self.whole.state()
        return found | {"noise": [self.noise, self.run.clock.sweep]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there; rank 0 has what was gathered before."""
        super().restore(state)
        self.noise = self.run.clock.seed
        self._draw_alone()
        if self.ranks.rank:
            self.tally.clear()
