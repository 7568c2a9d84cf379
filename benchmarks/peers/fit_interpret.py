"""InterpretML: differentially private explainable boosting, with its defaults. It protects rows: each person has one.

Bounds and kinds of columns are public. Its composition is Gaussian DP; its noise is floating-point noise.
"""

from typing import Any

import numpy as np
from fitting import People, Predict, run
from interpret.privacy import DPExplainableBoostingClassifier, DPExplainableBoostingRegressor


def fit(job: dict[str, Any], people: People) -> Predict:
    numbers = people.numbers.shape[1]
    given: dict[str, Any] = {
        "feature_types": ["continuous"] * numbers + ["nominal"] * len(people.sizes),
        "privacy_bounds": dict.fromkeys(range(numbers), (-1.0, 1.0)),
        "epsilon": job["epsilon"],
        "delta": job["delta"],
        "n_jobs": 1,
    }
    if job["family"] == "linear":
        line = DPExplainableBoostingRegressor(**given, privacy_target_min=-1.0, privacy_target_max=1.0)
        line.fit(columns(people), people.y)
        return lambda others: line.predict(columns(others))
    model = DPExplainableBoostingClassifier(**given).fit(columns(people), people.y.astype(int))
    return lambda others: model.predict_proba(columns(others))[:, 1]


def columns(people: People) -> Any:
    parts = [*people.numbers.T, *(code.astype(str) for code in people.codes.T)]
    return np.array(parts, dtype=object).T


if __name__ == "__main__":
    run(fit)
