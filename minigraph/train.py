"""Training: fit, predict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from . import metrics
from .data import Rows, gather
from .errors import GraphError
from .feeds import merged
from .graph import Graph
from .history import COLUMNS, History, Score
from .inference import Inference
from .numbers import is_whole
from .param import Array
from .record import flag
from .stopping import Best, EarlyStopping
from .trainer import Data, Epoch, Stepper, Trainer, Watcher

if TYPE_CHECKING:
    from .checkpoints import Checkpoints

T = TypeVar("T")


def fit(
    graph: Graph,
    data: Data,
    *,
    epochs: int,
    optimizer: Stepper | Sequence[Stepper],
    batch_size: int | None = None,
    validation: Data | None = None,
    metrics: metrics.Specs = (),
    stopping: EarlyStopping | None = None,
    callbacks: Iterable[Callable[[Epoch], Any]] = (),
    accumulate: int = 1,
    steps: int | None = None,
    watch: Iterable[Watcher] = (),
    progress: bool = True,
    seed: int | None = None,
    history: History | None = None,
    checkpoint: str | Path | None = None,
    every: int | None = None,
    keep: int = 2,
    resume: bool = False,
    watch_nonfinite: bool = False,
) -> History:
    """Train a graph by mini-batch gradient descent and return what happened, an entry an epoch.

    `data` is a dict of arrays by input name. Each epoch deals out every example once, in batches of `batch_size`, in a
    new order that `seed` (or else the graph's seed) decides; the last batch may be short, and the update divides by the
    size of each batch itself. Memory-mapped arrays stay on disk. Or it is an iterable of batches, each such a dict:
    an epoch is all of them, or the next `steps`.

    Several optimizers each move their own Params (`params=…`) by the same gradients. With `accumulate` k, gradients
    are gathered over k batches, each example weighing the same, before Params move. `metrics` are "accuracy", "r2",
    `mg.metrics.top_k(k)` or functions of outputs and targets; `stopping` ends early, with the best weights; each of
    the `callbacks` is called with each Epoch, and ends training by returning True; each of `watch`, such as an
    `mg.GradientHistory`, is called with the Run after each backward sweep, before Params move. A `history` handed in
    goes on being filled, also when Ctrl-C ends the training, which leaves the graph with the weights it had reached.
    The costs and metrics of an epoch are means over its batches as they came, those of `validation` are taken after it.

    With a `checkpoint`, a path like "runs/digits.safetensors", all that training depends on is written to files such as
    "runs/digits-000000500.safetensors" after each epoch and after each `every` batches; the last `keep` are kept. The
    same call with `resume=True` goes on from the newest, if there is one: a training that was killed at any moment ends
    with the same weights and history, bit for bit, as one that wasn't. It takes the same graph, data and options, but
    for `epochs`, which may be more. Batches from an iterable have to come as they came before; callbacks and watchers
    begin anew. `mg.load` makes a graph of any checkpoint.

    With `watch_nonfinite` training stops with NonFiniteError where NaN or infinite numbers arise, before they get into
    the weights; it takes time, see `Run`. Ctrl-C never interrupts an update of the weights or the history, but waits
    for its end; a second one doesn't.

    Raises FeedError for data that doesn't fit, GraphError for a graph without a cost, numbers that mean nothing, and
    checkpoints that are there unexpectedly, FileError for those of another training, OSError where they can't be
    written.
    """
    return fit_by(Alone(), **locals())


class Alone:
    """Who trains: this process. Of several that train one graph together, each has something else in this place."""

    tells = True
    """Whether it shows how far training is."""

    def trainer(self, *given: Any) -> Trainer:
        """The graph in training."""
        return Trainer(*given)

    def checkpoints(self, *given: Any) -> Checkpoints:
        """Its files."""
        from .checkpoints import Checkpoints

        return Checkpoints(*given)

    def begin(self, trainer: Trainer, best: Best | None, terms: Mapping[str, Any]) -> None:
        """Called once all options are known to be right, with those that decide how long training goes."""

    def answers(self, callbacks: Sequence[Callable[[Epoch], Any]], epoch: Epoch) -> list[Any]:
        """What callbacks say to an epoch."""
        return [callback(epoch) for callback in callbacks]

    def each(self, function: Callable[[], T]) -> T:
        """What a function finds that sees the same on all of them; what it raises, all raise."""
        return function()


def fit_by(
    crew: Alone,
    graph: Graph,
    data: Data,
    *,
    epochs: int,
    optimizer: Stepper | Sequence[Stepper],
    batch_size: int | None,
    validation: Data | None,
    metrics: metrics.Specs,
    stopping: EarlyStopping | None,
    callbacks: Iterable[Callable[[Epoch], Any]],
    accumulate: int,
    steps: int | None,
    watch: Iterable[Watcher],
    progress: bool,
    seed: int | None,
    history: History | None,
    checkpoint: str | Path | None,
    every: int | None,
    keep: int,
    resume: bool,
    watch_nonfinite: bool,
) -> History:
    """What `fit` does, whoever it is that trains."""
    from tqdm import tqdm

    if not is_whole(epochs) or epochs < 1:
        raise GraphError(f"fit takes a positive whole number of epochs, got {epochs!r}")
    called = list(callbacks) if isinstance(callbacks, Iterable) else [None]
    if not all(map(callable, called)):
        raise GraphError(f"fit takes callbacks as a list of functions of an Epoch, got {callbacks!r}")
    for name, value in (("progress", progress), ("resume", resume)):
        flag(value, name)
    if not isinstance(stopping, EarlyStopping | None):
        raise GraphError(f"fit takes mg.EarlyStopping(…) as stopping, got {stopping!r}")
    if stopping is not None and stopping.watch.startswith("validation_") and validation is None:
        raise GraphError(f"EarlyStopping watches {stopping.watch!r}: give validation=…, or EarlyStopping(watch='cost')")
    if not isinstance(history, History | None):
        raise GraphError(f"fit goes on with a History that it returned before, got {history!r}")
    if checkpoint is None and (every is not None or resume):
        raise GraphError("every and resume are about checkpoints: give a path, fit(…, checkpoint='run.safetensors')")
    trainer = crew.trainer(
        graph, data, optimizer, batch_size, validation, metrics, accumulate, steps, watch, seed, watch_nonfinite
    )
    history = History() if history is None else history
    columns = [*COLUMNS, *(name for name, _, _ in trainer.tally.specs)]
    if stopping is not None and stopping.watch.removeprefix("validation_") not in columns:
        raise GraphError(f"EarlyStopping watches {stopping.watch!r}, but no column is called so: {', '.join(columns)}")
    best = None if stopping is None else Best(graph, stopping)
    kept = None
    if checkpoint is not None:
        kept = crew.checkpoints(checkpoint, every, keep, trainer, history, best)
    crew.begin(trainer, best, {"epochs": epochs, "checkpoint": kept is not None, "every": every, "resume": resume})
    an_epoch = len(trainer.batches) if isinstance(trainer.batches, Rows) else steps
    total = an_epoch and epochs * an_epoch
    with trainer.interrupts as interrupts:
        interrupts.busy = True
        over = kept is not None and kept.begin(resume)
        interrupts.over()
        if trainer.done < epochs and not over:
            trainer.skip()
        with tqdm(total=total, initial=trainer.learned, disable=not (progress and crew.tells), unit=" batches") as bar:

            def tell(score: Score | None) -> None:
                if score is not None:
                    bar.set_postfix_str(_words(score, None), refresh=False)
                bar.update()
                if kept is not None:
                    kept.after_batch()

            trainer.each_batch = tell
            while trainer.done < epochs and not over:
                bar.set_description(f"epoch {trainer.done + 1}/{epochs}", refresh=False)
                epoch = trainer.epoch()
                history.append(epoch.score, epoch.validation, epoch.seconds)
                over = best is not None and crew.each(partial(best.has_enough, history[best.stopping.watch][-1]))
                interrupts.over()
                bar.set_postfix_str(_words(epoch.score, epoch.validation))
                answers = crew.answers(called, epoch)
                over = over or any(answer is True for answer in answers)
                if over and best is not None:
                    interrupts.busy = True
                    best.restore()  # what ended so stays ended, and its file holds the best
                    interrupts.over()
                if kept is not None:
                    kept.write(over)
        interrupts.busy = True  # until the handler that was in charge is so again
        if best is not None:
            best.restore()
    return history


def predict(
    graph: Graph,
    data: Mapping[str, ArrayLike] | None = None,
    /,
    *,
    until: Any = None,
    batch_size: int = 1000,
    **named: ArrayLike,
) -> Array | dict[str, Array]:
    """The graph's outputs for some examples, as rows; a dict by node name where there are several.

    `until` names the nodes wanted, whichever they are: features come from any node. Else outputs are the nodes declared
    with `graph.output`, else those that the costs are functions of, else the last ones. Only what they depend on is fed
    and computed: targets needn't be given. One example without a batch axis gives one output without it.
    """
    outputs = graph.outputs if until is None else graph.resolve(until)
    arrays, single = gather(graph, merged(data, named), outputs)
    rows = Rows(arrays, batch_size)
    found = {node.name: np.empty((rows.n, *node.shape), node.dtype) for node in outputs}
    inference, start = Inference(graph, outputs), 0
    for batch in rows:
        for node, a in inference.outputs(batch).items():
            found[node.name][start : start + len(a)] = a
        start += len(a)
    if single:
        found = {name: array[0] for name, array in found.items()}
    return found[outputs[0].name] if len(outputs) == 1 and (until is None or _is_one(until)) else found


def _is_one(until: Any) -> bool:
    return isinstance(until, str) or not isinstance(until, Iterable)


def _words(score: Score, checked: Score | None) -> str:
    words = [f"cost {score.cost:.4g}", *_more(score)]
    if checked is None:
        return ", ".join(words)
    return ", ".join(words) + "; " + ", ".join([f"validation cost {checked.cost:.4g}", *_more(checked)])


def _more(score: Score) -> list[str]:
    words = [] if score.accuracy is None else [f"accuracy {score.accuracy:.2%}"]
    return words + [f"{name} {value:.4g}" for name, value in score.metrics.items()]
