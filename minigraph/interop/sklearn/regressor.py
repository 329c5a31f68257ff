"""The regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import validate_data

from ...costs import Quadratic
from ...param import Array
from .estimator import Estimator


class MinigraphRegressor(MultiOutputMixin, RegressorMixin, Estimator):  # type: ignore[misc]
    """A network that gives one number an example, or several.

    `cost` is any of minigraph.costs that judges outputs by targets of their shape: Quadratic(), Σ ½ (a − y)², unless
    given. Targets are taken as they are: put `TransformedTargetRegressor` around it where they are far from 0 or large.

    Options and what `fit` leaves behind are those of `Estimator`.
    """

    _default_cost = Quadratic

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MinigraphRegressor:
        """Train for one epoch on some examples, going on from the weights and the optimizer there are.

        The first call, if there was no `fit`, makes the network. Raises what `fit` raises.
        """
        first = not hasattr(self, "graph_")
        X, y = self._checked(X, y, reset=first)
        n_outputs = self._look_at(y) if first else self._targets(y).shape[1]
        if not first and n_outputs != self.graph_.outputs[0].shape[0]:
            raise ValueError(f"the network has {self.graph_.outputs[0].shape[0]} outputs, got {n_outputs} targets")
        self._partial_fit(X, y, sample_weight, first, n_outputs)
        return self

    def predict(self, X: Any) -> Array:
        """The numbers: (m,), or (m, n_outputs) where targets were so."""
        found = self._outputs(X)
        return found[:, 0] if self._flat else found

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        X, y = validate_data(self, X, y, reset=reset, dtype=self._kind(), multi_output=True, y_numeric=True)
        return X, y

    def _look_at(self, y: Array) -> int:
        self._flat = y.ndim == 1
        return 1 if y.ndim == 1 else y.shape[1]

    def _targets(self, y: Array) -> Array:
        return np.reshape(y, (len(y), -1))
