"""How a peer fits a model: runs in the peer's own environment, as `fit_PEER.py JOB`.

JOB is JSON: `data` (an .npz of `numbers` in [-1, 1], `codes` of categories, `y` in {0, 1} or [-1, 1], and `train`, the
rows to train on), `sizes` (how many values each category has), `family` ("logistic" or "linear"), `hidden` (units of
each hidden layer), `rounds` (so many models), the promise as `epsilon` and `delta`, and `found`: where predictions go,
shape (rounds, rows that test). One line of JSON: wall and processor time of each round in ms.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from asking import processor_seconds


@dataclass(frozen=True)
class People:
    """One row a person. `numbers` (people, numbers), `codes` (people, categories), `y` (people,)."""

    numbers: Any
    codes: Any
    y: Any
    sizes: list[int]

    def of(self, which: Any) -> "People":
        return People(self.numbers[which], self.codes[which], self.y[which], self.sizes)

    @property
    def one_hot(self) -> Any:
        """Numbers, and for each category an indicator of each value. The norm of a row is at most `norm`."""
        each = [np.eye(size)[self.codes[:, place]] for place, size in enumerate(self.sizes)]
        return np.concatenate([self.numbers, *each], axis=1)

    @property
    def norm(self) -> float:
        return float(np.sqrt(self.numbers.shape[1] + len(self.sizes)))


Predict = Callable[[People], Any]


def run(fit: Callable[[dict[str, Any], People], Predict]) -> None:
    """Fit so many models; only `fit` is timed."""
    warnings.simplefilter("ignore")
    job = json.loads(sys.argv[1])
    data = np.load(job["data"])
    people = People(data["numbers"], data["codes"], data["y"], job["sizes"])
    train, test = people.of(data["train"]), people.of(~data["train"])
    taken, found = [], []
    for _ in range(job["rounds"]):
        wall, used = time.perf_counter(), processor_seconds()
        predict = fit(job, train)
        taken.append(((time.perf_counter() - wall) * 1e3, (processor_seconds() - used) * 1e3))
        found.append(np.asarray(predict(test), dtype=np.float64))
    np.save(job["found"], np.array(found))
    sys.stdout.write(json.dumps({"taken": taken}) + "\n")
