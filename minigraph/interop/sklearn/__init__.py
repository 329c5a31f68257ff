"""Estimators for scikit-learn: a minigraph network that is fitted, searched and piped as any of its own."""

try:
    from sklearn.utils.validation import validate_data as _validate_data  # noqa: F401
except ImportError as fault:
    raise ImportError(
        f"minigraph.interop.sklearn takes scikit-learn 1.6 or newer ({fault}): pip install 'minigraph[sklearn]'"
    ) from fault

from .classifier import MinigraphClassifier
from .estimator import Estimator
from .regressor import MinigraphRegressor

__all__ = ["Estimator", "MinigraphClassifier", "MinigraphRegressor"]
