"""The classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ...costs import Cost, SoftmaxCrossEntropy
from ...errors import GraphError
from ...optimizers import Optimizer
from ...param import Array
from .estimator import Estimator, Network, above_zero


class MinigraphClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A network that tells two or more classes apart, with one logit a class.

    Options and what `fit` leaves behind are those of `Estimator`, and `class_weight`.

    `cost` is SoftmaxCrossEntropy(), which takes the logits, or one with options. `class_weight` is what an example of
    each class counts beside its `sample_weight`: a dict by class (1 for those it lacks), or "balanced", by which all
    classes weigh the same together. After `fit` the classes are in `classes_`, in the order of the logits.
    """

    _default_cost = SoftmaxCrossEntropy

    def __init__(
        self,
        hidden: Sequence[int] = (100,),
        activation: Any = "relu",
        *,
        network: Network | None = None,
        cost: Cost | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
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
        super().__init__(
            hidden,
            activation,
            network=network,
            cost=cost,
            optimizer=optimizer,
            lr=lr,
            epochs=epochs,
            batch_size=batch_size,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            patience=patience,
            random_state=random_state,
            dtype=dtype,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> MinigraphClassifier:
        """Train for one epoch on some examples, going on from the weights and the optimizer there are.

        The first call, if there was no `fit`, makes the network, for all of `classes`. Later calls may leave them out.
        Raises ValueError for other classes, for class_weight="balanced", as no call knows the balance of all, and what
        `fit` raises.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"partial_fit takes class_weight as a dict, got {self.class_weight!r}: no call knows how many examples "
                "of each class there will be"
            )
        first = not hasattr(self, "graph_")
        if first and classes is None:
            raise ValueError("the first call of partial_fit takes classes=…, all that there will be")
        X, y = self._checked(X, y, reset=first)
        if first:
            self._take_classes(np.unique(column_or_1d(classes)))
        elif classes is not None and not np.array_equal(self.classes_, np.unique(column_or_1d(classes))):
            raise ValueError(f"classes are the same in all calls of partial_fit, {self.classes_}, got {classes}")
        self._partial_fit(X, y, sample_weight, first, len(self.classes_))
        return self

    def predict(self, X: Any) -> Array:
        """The class of the largest logit, for each example."""
        largest = self._outputs(X).argmax(axis=1)
        return np.asarray(self.classes_[largest])

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (m, n_classes), the softmax of the logits."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> Array:
        """ln of the probabilities, also where these are too small for a float."""
        z = self._outputs(X)
        z = z - z.max(axis=1, keepdims=True)
        log_p: Array = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return log_p

    def decision_function(self, X: Any) -> Array:
        """The logits (m, n_classes); of two classes (m,), that of the second less that of the first."""
        z = self._outputs(X)
        return z[:, 1] - z[:, 0] if z.shape[1] == 2 else z

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        X, y = validate_data(self, X, y, reset=reset, dtype=self._kind())
        check_classification_targets(y)
        return X, column_or_1d(y, warn=True)

    def _look_at(self, y: Array) -> int:
        return self._take_classes(np.unique(y))

    def _take_classes(self, classes: Array) -> int:
        if not isinstance(self.cost, SoftmaxCrossEntropy | None):
            raise GraphError(f"MinigraphClassifier takes SoftmaxCrossEntropy(…) as cost, or None, got {self.cost!r}")
        if len(classes) < 2:
            raise ValueError(f"MinigraphClassifier takes targets of two classes or more, got one class, {classes}")
        self.classes_ = classes
        return len(classes)

    def _targets(self, y: Array) -> Array:
        strange = np.setdiff1d(y, self.classes_)
        if strange.size:
            raise ValueError(f"the classes are {self.classes_}, got targets of other classes, {strange}")
        return np.searchsorted(self.classes_, y)

    def _feeds(self, X: Array, y: Array, w: Array) -> dict[str, Array]:
        """With weights times what their class counts; "balanced" gives all classes that have examples the same sum."""
        labels = self._targets(y)
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            sums = np.bincount(labels, w, len(self.classes_))
            each = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
        else:
            each = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        w = w * each[labels].astype(w.dtype)
        some = above_zero(w, "class_weight")
        return super()._feeds(X[some], y[some], w[some])
