"""Released models as estimators of scikit-learn, in a Python that has it: prints what came out as JSON."""

import json
import pickle
import sys
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from weir.errors import NotOffered
from weir.estimators import estimator


def checked(model: dict[str, Any], rows: Any) -> dict[str, Any]:
    made = estimator(model)
    again = pickle.loads(pickle.dumps(made))  # noqa: S301 -- its own
    piped = make_pipeline(FrozenEstimator(again)).fit(rows, rows[:, 0])
    found = {
        "kind": [is_classifier(made), is_regressor(made)],
        "predict": piped.predict(rows).tolist(),
        "names": made.feature_names_in_.tolist(),
        "score": float(made.score(rows, made.predict(rows))),
    }
    try:
        made.fit(rows)
    except NotOffered as refused:
        found["fit"] = str(refused)
    if is_classifier(made):
        found |= {"proba": made.predict_proba(rows).tolist(), "classes": made.classes_.tolist()}
    return found


def main() -> None:
    models, rows = json.loads(sys.stdin.read())
    table = np.array(rows, dtype=object)
    sys.stdout.write(json.dumps({name: checked(model, table) for name, model in models.items()}))


if __name__ == "__main__":
    main()
