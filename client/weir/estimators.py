"""Released models as estimators of scikit-learn, which is imported when the first one is made."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from weir import prediction
from weir.errors import NotOffered


def estimator(model: Mapping[str, Any]) -> Any:
    """Return a fitted estimator of a released model. Raises NotOffered without scikit-learn."""
    classifies = model["family"] in {"logistic", "multinomial"}
    made = _classes()["classifier" if classifies else "regressor"](model)
    made.feature_names_in_ = np.array([feature["name"] for feature in model["features"]], dtype=object)
    made.n_features_in_ = len(model["features"])
    if classifies:
        made.classes_ = np.array(model["classes"] or [False, True])
    return made


@cache
def _classes() -> dict[str, type[Any]]:  # noqa: C901 -- classes, not branches
    """Return the classes of estimators, which are made once."""
    try:
        from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # noqa: PLC0415 -- optional
    except ImportError as missing:
        raise NotOffered(
            "scikit-learn is not installed. Install it, or use answer.predict(frame)."
        ) from missing

    class Released(BaseEstimator):
        """A model that was released. It cannot be fitted again: its rows stay with their owner."""

        def __init__(self, model: Mapping[str, Any]) -> None:
            self.model = model

        def fit(self, X: Any, y: Any = None) -> Any:  # noqa: N803 -- the names of scikit-learn
            raise NotOffered(
                "This model was fitted to private rows and cannot be fitted to others. Wrap it: "
                "sklearn.frozen.FrozenEstimator(model)."
            )

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def _predicted(self, X: Any) -> Any:  # noqa: N803
            return prediction.predict(self.model, _columns(X, self.feature_names_in_))

        def __reduce__(self) -> Any:
            return estimator, (self.model,)

    class ReleasedClassifier(ClassifierMixin, Released):
        """A model of probabilities. `classes_`: False and True for a condition, otherwise declared values."""

        def predict_proba(self, X: Any) -> Any:  # noqa: N803
            """Return the probability of each of `classes_`. Shape (rows, classes)."""
            found = self._predicted(X)
            return found if found.ndim == 2 else np.column_stack([1 - found, found])

        def predict(self, X: Any) -> Any:  # noqa: N803
            """Return the most probable of `classes_` for each row."""
            return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    class ReleasedRegressor(RegressorMixin, Released):
        """A model of numbers."""

        def predict(self, X: Any) -> Any:  # noqa: N803
            """Return the number to expect for each row."""
            return self._predicted(X)

    return {"classifier": ReleasedClassifier, "regressor": ReleasedRegressor}


def _columns(given: Any, names: Any) -> Any:
    """Return rows by the names of their columns: an array without names has them in order."""
    if hasattr(given, "columns") or hasattr(given, "column_names") or isinstance(given, Mapping):
        return given
    array = np.asarray(given, dtype=None if hasattr(given, "dtype") else object)
    if array.ndim != 2 or array.shape[1] != len(names):
        raise NotOffered(f"Give a DataFrame, or an array with the {len(names)} columns {', '.join(names)}.")
    return {name: array[:, place] for place, name in enumerate(names)}
