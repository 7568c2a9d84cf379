"""mbi (Private-PGM) fits the model and draws; its wheel has no mechanism, so MST is written here after its paper.

McKenna, Miklau and Sheldon 2021: a third of rho for all single columns, a third for choosing a spanning tree of pairs
by the exponential mechanism, a third for these pairs. The score of a pair is the L1 distance of its exact counts from
those that noisy single columns give if independent: sensitivity 1. Rows are independent (`method="sample"`): the
default hands values out in the order of rows. It protects rows; the noise is NumPy's floating-point noise.
"""

from itertools import combinations
from typing import Any

import numpy as np
from drawing import Codes, run
from mbi import Domain, LinearMeasurement, estimation

ITERATIONS = 3000


def draw(job: dict[str, Any], people: Codes) -> Codes:
    rng = np.random.default_rng()
    places = list(range(people.shape[1]))
    names, sizes = [f"c{place}" for place in places], job["sizes"]
    domain = Domain(names, sizes)

    def count(*columns: int) -> Any:
        shape = [sizes[column] for column in columns]
        cells = np.ravel_multi_index([people[:, column] for column in columns], shape)
        return np.bincount(cells, minlength=int(np.prod(shape))).astype(np.float64)

    def measured(tables: list[tuple[int, ...]], rho: float) -> list[Any]:
        sigma = float(np.sqrt(len(tables) / (2 * rho)))
        return [
            LinearMeasurement(
                count(*table) + sigma * rng.standard_normal(int(np.prod([sizes[place] for place in table]))),
                tuple(names[place] for place in table),
                stddev=sigma,
            )
            for table in tables
        ]

    third = job["rho"] / 3
    singles = measured([(place,) for place in places], third)
    total = float(np.mean([each.noisy_measurement.sum() for each in singles]))
    shares = [np.maximum(each.noisy_measurement, 0) for each in singles]
    shares = [each / each.sum() for each in shares]
    scores = {
        (one, other): np.abs(count(one, other) - total * np.outer(shares[one], shares[other]).ravel()).sum()
        for one, other in combinations(places, 2)
    }
    pairs = measured(tree(places, scores, np.sqrt(8 * third / (len(places) - 1)), rng), third)
    model = estimation.MirrorDescent().estimate(domain, [*singles, *pairs], iters=ITERATIONS)
    drawn = model.synthetic_data(len(people), method="sample").to_dict()
    return np.column_stack([drawn[name] for name in names])


def tree(places: list[int], scores: dict[tuple[int, int], float], epsilon: float, rng: Any) -> list[Any]:
    """A spanning tree, an edge at a time by the exponential mechanism, as Kruskal's algorithm adds them."""
    part = {place: place for place in places}
    chosen: list[Any] = []
    while len(chosen) < len(places) - 1:
        open_ = [pair for pair in scores if part[pair[0]] != part[pair[1]]]
        logs = epsilon / 2 * np.array([scores[pair] for pair in open_])
        pair = open_[int(np.argmax(logs + rng.gumbel(size=len(logs))))]
        chosen.append(pair)
        old, new = part[pair[1]], part[pair[0]]
        part = {place: new if each == old else each for place, each in part.items()}
    return chosen


if __name__ == "__main__":
    run(draw)
