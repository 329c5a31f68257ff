"""Estimator: what the classifier and the regressor have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ... import optimizers
from ...assembly import float_dtype
from ...costs import Cost
from ...errors import GraphError
from ...gist import gist
from ...graph import Graph
from ...history import History
from ...layer import Node
from ...layers import Dense
from ...numbers import is_whole
from ...optimizers import Optimizer
from ...param import Array
from ...stopping import EarlyStopping
from ...train import fit, predict

E = TypeVar("E", bound="Estimator")
Network: TypeAlias = Callable[[Node, int], Node]
"""Makes a network: from the input, a node of shape (n_features,), and n_outputs to its output, (n_outputs,)."""

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "adagrad": optimizers.AdaGrad,
    "adam": optimizers.Adam,
    "adamw": optimizers.AdamW,
    "rmsprop": optimizers.RMSprop,
    "sgd": optimizers.SGD,
}


class Estimator(BaseEstimator):  # type: ignore[misc]
    """A network that scikit-learn fits: what the classifier and the regressor have in common.

    - `hidden`, `activation`: numbers of neurons of the hidden layers, fully connected, and their σ
    - `network`: in their place any architecture, as a function of the input node and n_outputs that returns the output
      node: `lambda x, n_outputs: x >> Dense(30, "tanh") >> Dense(n_outputs)`. A function with a name can be pickled.
    - `cost`: what to bring down
    - `optimizer`, `lr`: a name ("sgd", "adam", "adamw", "rmsprop", "adagrad"), a class, or an optimizer, which stays as
      it is: each fit makes one like it; `lr`, a number or a schedule, takes the place of the optimizer's own
    - `epochs`, `batch_size`: passes over the examples, and examples a step (None: all of them)
    - `early_stopping`: whether to set `validation_fraction` of the examples aside, end when the cost on them hasn't
      become lower for `patience` epochs, and keep the best weights
    - `random_state`: decides initial weights, the order of examples, noise, and which are set aside
    - `dtype`: "float64" or "float32"
    - `verbose`: whether to show a progress bar

    After `fit`: `graph_`, the minigraph Graph, `history_`, with an entry an epoch, `optimizer_`, `n_iter_`, the epochs
    done, `loss_`, the mean cost over the last of them, `n_features_in_` and, for data frames, `feature_names_in_`.

    Weights of examples are scaled to a mean of 1 in each call: twice the weight is the example twice, and all weights
    doubled change nothing. Examples of weight 0 are left out.
    """

    _default_cost: ClassVar[type[Cost]]

    def __init__(
        self,
        hidden: Sequence[int] = (100,),
        activation: Any = "relu",
        *,
        network: Network | None = None,
        cost: Cost | None = None,
        optimizer: str | type[Optimizer] | Optimizer = "adam",
        lr: Any = None,
        epochs: int = 200,
        batch_size: int | None = 200,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        random_state: Any = None,
        dtype: Any = "float64",
        verbose: bool = False,
    ):
        self.hidden = hidden
        self.activation = activation
        self.network = network
        self.cost = cost
        self.optimizer = optimizer
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.dtype = dtype
        self.verbose = verbose

    def fit(self: E, X: Any, y: Any, sample_weight: Any = None) -> E:
        """Train a new network on examples X (m, n_features) and their targets y; returns the estimator.

        Raises ValueError for data that scikit-learn's estimators don't take either, and where training diverges;
        GraphError for options that mean nothing.
        """
        X, y, w = self._counted(*self._checked(X, y, reset=True), sample_weight)
        n_outputs = self._look_at(y)
        data = self._feeds(X, y, w)
        seed, shuffle, split = check_random_state(self.random_state).randint(np.iinfo(np.int32).max, size=3)
        self._begin(n_outputs, int(seed))
        held, stopping = None, None
        if self.early_stopping:
            stopping = EarlyStopping(self.patience)
            data, held = self._split(data, int(split))
        self._train(data, held, stopping, self.epochs, int(shuffle))
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, first: bool, n_outputs: int) -> None:
        """One more epoch over some examples, with X and y checked."""
        data = self._feeds(*self._counted(X, y, sample_weight))
        if first:
            self._begin(n_outputs, int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max)))
        self._train(data, None, None, 1, None)

    def feeds(self, X: Any, y: Any, sample_weight: Any = None) -> dict[str, Array]:
        """Examples by the names of `graph_`'s inputs: x, the targets t, and w, what each counts.

        It is what `graph_.forward`, `mg.check` and `run.diagnose` are about: clf.graph_.forward(clf.feeds(X, y)).
        """
        check_is_fitted(self)
        return self._feeds(*self._counted(*self._checked(X, y, reset=False), sample_weight))

    # ---- for each kind of estimator ----

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        raise NotImplementedError

    def _look_at(self, y: Array) -> int:
        """See what there is to learn, and return the number of outputs."""
        raise NotImplementedError

    def _targets(self, y: Array) -> Array:
        raise NotImplementedError

    # ---- in common ----

    def _begin(self, n_outputs: int, seed: int) -> None:
        """Make the network, with new weights."""
        kind = type(self).__name__
        g = Graph(kind, seed=seed, dtype=self.dtype)
        x = g.input("x", self.n_features_in_)
        y = self._chain(x, n_outputs) if self.network is None else self.network(x, n_outputs)
        if not isinstance(y, Node) or y.graph is not g or y.shape != (n_outputs,):
            got = f"a node of shape {y.shape}" if isinstance(y, Node) and y.graph is g else gist(y)
            raise GraphError(
                f"{kind} takes network as a function of the input node and n_outputs that returns the output node, "
                f"here of shape ({n_outputs},), got {got}: end with Dense(n_outputs)"
            )
        if taken := [name for name in ("t", "w") if name in g]:
            raise GraphError(f"{kind} calls targets 't' and weights 'w': give the node {taken[0]!r} another name")
        if not isinstance(self.cost, Cost | None):
            raise GraphError(f"{kind} takes a cost from minigraph.costs, or None, got {gist(self.cost)}")
        g.output(y)
        g.cost(self._default_cost() if self.cost is None else deepcopy(self.cost), y, target="t", weights="w")
        self.graph_, self.optimizer_, self.history_ = g, self._optimizer(), History()

    def _chain(self, x: Node, n_outputs: int) -> Node:
        sizes = self.hidden if np.iterable(self.hidden) and not isinstance(self.hidden, str) else [None]
        if not all(is_whole(units) and units > 0 for units in sizes):
            raise GraphError(
                f"{type(self).__name__} takes hidden as positive numbers of neurons, as (100, 30), got {self.hidden!r}"
            )
        for number, units in enumerate(sizes, 1):
            x = Dense(int(units), self.activation)(x, name=f"h{number}")
        return Dense(n_outputs)(x, name="out")

    def _optimizer(self) -> Optimizer:
        """A new optimizer, with the learning rate asked for."""
        given = self.optimizer
        kind = OPTIMIZERS.get(given) if isinstance(given, str) else given if isinstance(given, type) else type(given)
        if kind is None or not issubclass(kind, Optimizer):
            known = ", ".join(map(repr, OPTIMIZERS))
            raise GraphError(f"{type(self).__name__} takes one of {known} or an optimizer of minigraph, got {given!r}")
        options = {name: getattr(given, name) for name in given.given} if isinstance(given, Optimizer) else {}
        if self.lr is not None:
            options["lr"] = self.lr
        if "lr" not in options and kind is optimizers.SGD:
            raise GraphError(f"{type(self).__name__} takes lr=… with SGD, which has no learning rate of its own")
        return kind(**options)

    def _counted(self, X: Array, y: Array, given: Any) -> tuple[Array, Array, Array]:
        """The examples that count, and their weights."""
        w = _check_sample_weight(given, X, dtype=X.dtype)
        some = above_zero(w, "sample_weight")
        return X[some], y[some], w[some]

    def _feeds(self, X: Array, y: Array, w: Array) -> dict[str, Array]:
        """Examples by input name, with weights of 1 on average."""
        w = w / w.max()  # or their sum may be infinite
        return {"x": X, "t": self._targets(y), "w": w / w.mean()}

    def _split(self, data: Mapping[str, Array], seed: int) -> tuple[dict[str, Array], dict[str, Array]]:
        """Some to learn from, some to stop by: of each class as large a share, if there are classes."""
        t = data["t"]
        parts = train_test_split(
            np.arange(len(t)),
            test_size=self.validation_fraction,
            random_state=seed,
            stratify=t if t.ndim == 1 else None,  # labels; numbers are rows, also where they are integers
        )
        train, held = ({name: rows[part] for name, rows in data.items()} for part in parts)
        return train, held

    def _train(
        self, data: dict[str, Array], held: Any, stopping: EarlyStopping | None, epochs: int, seed: int | None
    ) -> None:
        fit(
            self.graph_,
            data,
            epochs=epochs,
            batch_size=len(data["x"]) if self.batch_size is None else self.batch_size,
            optimizer=self.optimizer_,
            validation=held,
            stopping=stopping,
            progress=bool(self.verbose),
            seed=seed,
            history=self.history_,
        )
        self.n_iter_ = len(self.history_)
        self.loss_ = float(self.history_.cost[-1])
        if not all(np.isfinite(param.value).all() for param in self.graph_.params.values()):
            raise ValueError(
                f"training diverged, weights are NaN or infinite after {self.n_iter_} epochs: take a smaller lr, or "
                "StandardScaler() before it"
            )

    def _outputs(self, X: Any) -> Array:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=self.graph_.dtype)
        return np.asarray(predict(self.graph_, {"x": X}))

    def _kind(self) -> np.dtype[Any]:
        return float_dtype(self.dtype, type(self).__name__)


def above_zero(w: Array, name: str) -> Array:
    """Which weights count; raises ValueError for negative ones, and where none does."""
    if w.min() < 0 or not w.any():
        raise ValueError(
            f"{name} has to be 0 or more, and above 0 somewhere, got numbers from {w.min():g} to {w.max():g}"
        )
    return w > 0
