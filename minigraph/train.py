"""Training: fit, predict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import metrics
from .data import Rows, gather
from .errors import GraphError
from .feeds import merged
from .graph import Graph
from .history import History, Score
from .inference import Inference
from .numbers import is_whole
from .param import Array
from .stopping import Best, EarlyStopping
from .trainer import Data, Epoch, Stepper, Trainer, Watcher


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

    Raises FeedError for data that doesn't fit, GraphError for a graph without a cost or numbers that mean nothing.
    """
    from tqdm import tqdm

    if not is_whole(epochs) or epochs < 1:
        raise GraphError(f"fit takes a positive whole number of epochs, got {epochs!r}")
    called = list(callbacks) if isinstance(callbacks, Iterable) else [None]
    if not all(map(callable, called)):
        raise GraphError(f"fit takes callbacks as a list of functions of an Epoch, got {callbacks!r}")
    if not isinstance(stopping, EarlyStopping | None):
        raise GraphError(f"fit takes mg.EarlyStopping(…) as stopping, got {stopping!r}")
    if not isinstance(history, History | None):
        raise GraphError(f"fit goes on with a History that it returned before, got {history!r}")
    trainer = Trainer(graph, data, optimizer, batch_size, validation, metrics, accumulate, steps, watch, seed)
    history = History() if history is None else history
    best = None if stopping is None else Best(graph, stopping)
    an_epoch = len(trainer.batches) if isinstance(trainer.batches, Rows) else steps
    with tqdm(total=an_epoch and epochs * an_epoch, disable=not progress, unit=" batches") as bar:

        def tell(score: Score | None) -> None:
            if score is not None:
                bar.set_postfix_str(_words(score, None), refresh=False)
            bar.update()

        trainer.each_batch = tell
        for number in range(1, epochs + 1):
            bar.set_description(f"epoch {number}/{epochs}", refresh=False)
            epoch = trainer.epoch()
            history.append(epoch.score, epoch.validation, epoch.seconds)
            bar.set_postfix_str(_words(epoch.score, epoch.validation))
            enough = best is not None and best.has_enough(history[best.stopping.watch][-1])
            answers = [callback(epoch) for callback in called]
            if enough or any(answer is True for answer in answers):
                break
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
