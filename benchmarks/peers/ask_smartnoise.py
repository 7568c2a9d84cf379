"""SmartNoise SQL over a data frame, user level: rows of a person are sampled, keys are public.

Its epsilon is spent on each column of noise, so a mean (a sum and a count) is asked at half of it: what
`get_privacy_cost` tells is what everybody gets. Loading the table into its database is not timed.
"""

from typing import Any

import pyarrow.parquet as pq
import snsql
from asking import Prepare, Release, run

QUERIES = {
    "count": "SELECT COUNT(*) AS a FROM s.t",
    "sum": "SELECT SUM(v) AS a FROM s.t",
    "mean": "SELECT AVG(v) AS a FROM s.t",
    "histogram": "SELECT g, COUNT(*) AS a FROM s.t GROUP BY g",
    "group means": "SELECT g, AVG(v) AS a FROM s.t GROUP BY g",
}


def start(job: dict[str, Any]) -> Prepare:
    table = {
        "max_ids": job["rows_each"],
        "censor_dims": False,
        "rows": job["rows"],
        "person": {"type": "int", "private_id": True},
        "v": {"type": "float", "lower": 0.0, "upper": 1000.0},
        "g": {"type": "string"},
    }
    frame = pq.read_table(job["data"], columns=["person", "v", "g"]).to_pandas()
    privacy = snsql.Privacy(epsilon=job["epsilon"], delta=job["delta"])
    reader = snsql.from_df(frame, privacy=privacy, metadata={"": {"s": {"t": table}}})

    def prepare(query: str) -> Release:
        text = QUERIES[query]
        privacy.epsilon = job["epsilon"]
        cost, _ = reader.get_privacy_cost(text)
        privacy.epsilon = job["epsilon"] * min(1.0, job["epsilon"] / cost)
        return lambda: {
            str(row[0]) if len(row) > 1 else "": float(row[-1]) for row in reader.execute(text)[1:]
        }

    return prepare


if __name__ == "__main__":
    run(start)
