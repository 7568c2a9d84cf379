"""dpmm: AIM, MST and PrivBayes on columns that are cut already, so that all of its epsilon goes into the table.

Defaults, but for one process: its pool of processes can hang. It protects rows and takes their number as public; its
noise is OpenDP's floating-point sampler.
"""

from typing import Any

import pandas as pd
from dpmm.pipelines import AIMPipeline, MSTPipeline, PrivBayesPipeline
from drawing import Codes, run

PIPELINES = {"AIM": AIMPipeline, "MST": MSTPipeline, "PrivBayes": PrivBayesPipeline}


def draw(job: dict[str, Any], people: Codes) -> Codes:
    names = [f"c{place}" for place in range(people.shape[1])]
    pipeline = PIPELINES[job["mechanism"]](
        epsilon=job["epsilon"], delta=job["delta"], n_jobs=1, disable_processing=True
    )
    domain = dict(zip(names, job["sizes"], strict=True))
    pipeline.fit(pd.DataFrame(people, columns=names), domain=domain)
    return pipeline.generate(n_records=len(people))[names].to_numpy()


if __name__ == "__main__":
    run(draw)
