"""A portal with one dataset, as a server that answers as the API does and whose answers can be changed."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weir
from tests.client.portal_double import Reply, double, problem
from weir import demo

TOKEN = "weir_" + "a" * 49
DATASET = {
    "id": "d1",
    "name": "wages",
    "title": "Wages",
    "summary": "Made up",
    "state": "published",
    "owner": {"id": "o1", "name": "Olga"},
}
BUDGET = {
    "id": "b1",
    "dataset": {"id": "d1", "name": "wages", "title": "Wages"},
    "share_used": 0.1,
    "closed_at": None,
}
TABLE = {**demo.DECLARATIONS, "rows": None}
PRICE = {
    "half_width_95": 0.5,
    "epsilon": 0.2,
    "delta": 1e-6,
    "mode": "complete",
    "share": 0.04,
    "share_left": 0.9,
    "more_like_this": 22,
    "unaffordable": "",
    "counting": "At most 8 rows of a person count.",
    "beyond": "",
    "stored_answer": None,
}


def figures(value, name="mean", half=0.5):
    return {"by": [], "lines": [{"key": [], "figures": [{"name": name, "value": value, "half_width": half}]}]}


def answer(state="released", **more):
    released = state == "released"
    return {
        "id": "a1",
        "state": state,
        "question": "mean of wage",
        "epsilon": 0.2,
        "share": 0.04,
        "mode": "complete",
        "counting": "At most 8 rows of a person count.",
        "beyond": "",
        "reason": "",
        "result": figures(24.0) if released else None,
        "record": {"at": "2026"} if released else None,
        "stored": False,
        **more,
    }


class Site:
    """A portal with one dataset, whose answers can be changed."""

    def __init__(self):
        self.price, self.made, self.later = dict(PRICE), (201, answer()), answer()
        self.batch_price, self.batch_made, self.batch_later = {}, (404, {}), {}
        self.budgets = [BUDGET]

    def __call__(self, asked):
        path = asked.path.removeprefix("/api/v1/").split("?")[0]
        replies = {
            "GET ": (200, {"name": "Weir", "api": "v1", "client": {"minimum": "0.1.0", "latest": "9.0"}}),
            "GET me/": (200, {"id": "p1", "name": "Ada"}),
            "GET datasets/": (200, {"items": [DATASET], "next": None}),
            "GET datasets/d1/": (200, {**DATASET, "revision": 3}),
            "GET datasets/d1/schema/": (200, {"tables": [TABLE]}),
            "GET datasets/d1/mock/wages.parquet": (200, mock_file()),
            "GET budgets/": (200, {"items": self.budgets, "next": None}),
            "GET budgets/b1/": (200, {**BUDGET, "people": 200, "tables": [TABLE]}),
            "POST budgets/b1/price/": (200, self.price),
            "POST budgets/b1/answers/": self.made,
            "GET answers/a1/": (200, self.later),
            "GET answers/a1/files/csv/": (200, b"mean"),
            "GET answers/a1/files/json/": (200, b"{}"),
            "POST budgets/b1/batches/price/": (200, self.batch_price),
            "POST budgets/b1/batches/": self.batch_made,
            "GET batches/c1/": (200, self.batch_later),
        }
        found = replies.get(f"{asked.method} {path}")
        return Reply(*found) if found else problem(404, "not_found")


def mock_file():
    stream = io.BytesIO()
    pq.write_table(
        pa.table({name: pa.array(each, from_pandas=True) for name, each in demo.mock().items()}), stream
    )
    return stream.getvalue()


@pytest.fixture(scope="module")
def server():
    with double() as found:
        yield found


@pytest.fixture
def site(server):
    server.routed = Site()
    server.asked.clear()
    return server.routed


@pytest.fixture
def portal(server, site):
    with weir.login(server.address, TOKEN, quiet=True) as found:
        server.asked.clear()
        yield found


@pytest.fixture
def wage(portal):
    return portal.datasets["wages"]["wage"]


def paths(server):
    return [f"{each.method} {each.path.removeprefix('/api/v1/')}" for each in server.asked]
