"""Fit the same sparse matrix without privacy: runs in the environment of scikit-learn, as `fit_sklearn.py JOB`.

JOB is JSON: `data` (an .npz of `codes`, `slopes`, `xs` and `y`, as the compiled passes read them, and `train`, the rows
to train on), `width`, `family` and `rounds`. One line of JSON: processor time in ms, and the predictions' file.
"""

import json
import sys
import time
import warnings

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.neural_network import MLPClassifier


def main() -> None:
    warnings.simplefilter("ignore")
    job = json.loads(sys.argv[1])
    data = np.load(job["data"])
    train, y = data["train"], data["y"]
    columns = np.concatenate([data["codes"], data["slopes"]], axis=1)
    values = np.concatenate([np.ones(data["codes"].shape), data["xs"]], axis=1)
    ends = np.arange(len(y) + 1) * columns.shape[1]
    z = csr_matrix((values.ravel(), columns.ravel(), ends), shape=(len(y), job["width"]))
    models = {
        "logistic": lambda: LogisticRegression(C=1.0, max_iter=1000),
        "multinomial": lambda: LogisticRegression(C=1.0, max_iter=1000),
        "linear": LinearRegression,
        "poisson": lambda: PoissonRegressor(alpha=1e-6, max_iter=1000),
        "hidden": lambda: MLPClassifier((8,), max_iter=60, random_state=0),
    }
    taken = []
    for _ in range(job["rounds"] + 1):
        begun = time.process_time()
        model = models[job["family"]]().fit(z[train], y[train])
        taken.append((time.process_time() - begun) * 1e3)
    chances = job["family"] in {"logistic", "multinomial", "hidden"}
    found = model.predict_proba(z[~train]) if chances else model.predict(z[~train])[:, None]
    np.save(job["found"], found)
    sys.stdout.write(json.dumps({"ms": float(np.median(taken[1:]))}) + "\n")


main()
