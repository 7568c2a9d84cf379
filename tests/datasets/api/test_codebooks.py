"""Codebooks over the API: looked at, taken, and downloaded."""

import pytest

from datasets.models import Table
from tests import make
from tests.datasets.api.calls import Caller
from tests.rest import problem

pytestmark = pytest.mark.django_db
TEXT = "name,label,max\nwage,Wage,20000\nyaer,Year,\n"


@pytest.fixture
def table() -> Table:
    return make.draft(make.dataset(published=False)).tables.get()


def test_a_codebook_is_looked_at_and_then_taken(table: Table):
    caller, path = Caller(table.revision.dataset.owner, "publish"), f"tables/{table.pk}/codebook/"
    looked = caller.post(path, {"text": TEXT}).json()
    [wage] = looked["columns"]
    assert wage["changes"] == [
        {"what": "highest value", "before": "50000", "after": "20000"},
        {"what": "description", "before": "", "after": "Wage"},
    ]
    assert looked["unknown"] == ["Line 3: the table has no column “yaer”. Did you mean “year”?"]
    assert table.columns.get(name="wage").upper == 50_000
    assert caller.post(path, {"text": TEXT, "take": True}).json() == looked
    assert table.columns.get(name="wage").upper == 20_000
    table.refresh_from_db()
    assert table.misfits["columns"] == {"wage": {"outside": 1}}
    content = caller.get(f"tables/{table.pk}/codebook.csv").content.decode()
    assert caller.post(path, {"text": content}).json()["columns"][3]["changes"] == []
    assert "wage,Wage,number,EUR,0,20000,,yes,,,no" in content.splitlines()


@pytest.mark.parametrize(
    ("body", "code"),
    [({"text": "nothing"}, "refused"), ({}, "invalid"), ({"text": "x", "save": True}, "invalid")],
)
def test_what_is_no_codebook_is_refused(table: Table, body: dict[str, object], code: str):
    caller = Caller(table.revision.dataset.owner, "publish")
    problem(caller.post(f"tables/{table.pk}/codebook/", body), 400, code)


def test_who_may_have_which_codebook(table: Table):
    dataset = make.dataset()
    scientist = Caller(make.scientist(), "read", "publish")
    public = scientist.get(f"datasets/{dataset.pk}/codebook/wages.csv")
    assert (public["Content-Type"], "31337" in public.content.decode()) == ("text/csv", False)
    assert public.content.decode().splitlines()[3] == "region,,category,,,,east|north|west,yes,,,no"
    problem(scientist.get(f"datasets/{dataset.pk}/codebook/other.csv"), 404, "not_found")
    problem(scientist.get(f"tables/{table.pk}/codebook.csv"), 404, "not_found")
    problem(scientist.post(f"tables/{table.pk}/codebook/", {"text": TEXT}), 404, "not_found")
    problem(Caller(dataset.owner, "publish").post(
        f"tables/{make.current(dataset).tables.get().pk}/codebook/", {"text": TEXT, "take": True}), 409, "conflict",
    )  # fmt: skip
