"""Tables in the API: what their owner reads, declares, keeps and removes."""

from typing import Any

import pyarrow as pa
import pytest

from datasets import storage
from datasets.models import Dataset, Table
from tests import make
from tests.datasets.api.calls import Caller, acts_once
from tests.makers.datasets import SECRET_WAGE
from tests.rest import problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def table() -> Table:
    table = make.draft(make.dataset(published=False)).tables.get()
    table.profile = {
        "wage": {"lowest": 1007.0, "highest": float(SECRET_WAGE), "distinct": 120, "empty": 0, "values": []}
    }
    table.save()
    return table


@pytest.fixture
def owner(table: Table) -> Caller:
    return Caller(table.revision.dataset.owner, "read", "publish")


def columns_of(answer) -> dict[str, dict[str, Any]]:
    assert answer.status_code == 200, answer.content
    return {column["name"]: column for column in answer.json()["columns"]}


def test_the_owner_reads_what_the_file_holds(owner: Caller, table: Table):
    answer = owner.get(f"tables/{table.pk}/")
    wage = columns_of(answer)["wage"]
    assert (wage["lower"], wage["upper"], wage["unit"], wage["confirmed"]) == (0, 50_000, "EUR", True)
    assert wage["held"] == {"lowest": 1007, "highest": SECRET_WAGE, "distinct": 120, "values": [], "empty": 0}
    found = answer.json()
    assert (found["rows"], found["people"], found["fit_is_checked"]) == (120, None, False)
    assert found["source_name"] == "wages_private_file.csv"
    assert "stored_sha256" not in found


def test_declaring_counts_what_does_not_fit(owner: Caller, table: Table):
    change = {"description": "Wages.", "rows_per_person": 3, "columns": {"wage": {"upper": 20_000}}}
    answer = owner.patch(f"tables/{table.pk}/", change)
    wage = columns_of(answer)["wage"]
    assert (wage["upper"], wage["confirmed"], wage["misfits"]["outside"]) == (20_000, False, 1)
    found = answer.json()
    assert (found["fit_is_checked"], found["description"]) == (True, "Wages.")
    assert found["people"] == {"all": 30, "over": 30, "most": 4, "declared": 3, "nobody": 0}
    per_value = owner.patch(f"tables/{table.pk}/", {"columns": {"region": {"rows_per_value": 2}}})
    assert columns_of(per_value)["region"]["misfits"] == {
        "outside": 0,
        "empty": 0,
        "rounded": 0,
        "varying": 0,
        "people": 30,
        "most": 4,
    }


def test_constant_columns_are_declared_and_people_who_vary_counted(owner: Caller, table: Table):
    both = {"year": {"constant": True}, "region": {"constant": True}}
    found = columns_of(owner.patch(f"tables/{table.pk}/", {"columns": both}))
    assert [found[name]["constant"] for name in ("year", "region", "wage")] == [True, True, False]
    assert [found[name]["misfits"]["varying"] for name in ("year", "region", "wage")] == [30, 0, 0]
    again = columns_of(owner.patch(f"tables/{table.pk}/", {"columns": {"year": {"constant": False}}}))["year"]
    assert (again["constant"], again["misfits"]["varying"], again["confirmed"]) == (False, 0, True)


def test_declarations_that_do_not_belong_to_the_type_are_cleared(owner: Caller, table: Table):
    path = f"tables/{table.pk}/"
    columns = columns_of(
        owner.patch(path, {"columns": {"year": {"type": "category", "categories": [1990, 1991]}}})
    )
    year = columns["year"]
    assert (year["type"], year["categories"], year["lower"], year["upper"]) == (
        "category",
        [1990, 1991],
        None,
        None,
    )
    assert columns["wage"]["upper"] == 50_000
    number = columns_of(owner.patch(path, {"columns": {"wage": {"decimals": 2, "confirmed": True}}}))["wage"]
    assert (number["decimals"], number["lower"], number["confirmed"]) == (2, 0, True)


def test_the_subject_is_chosen_by_name(owner: Caller, table: Table):
    path = f"tables/{table.pk}/"
    found = owner.patch(path, {"subject": None})
    assert (found.json()["about_people"], columns_of(found)["person"]["is_person"]) == (False, False)
    found = owner.patch(path, {"subject": "region"})
    assert (found.json()["about_people"], columns_of(found)["region"]["is_person"]) == (True, True)


def test_bounds_of_dates_as_numbers_and_as_text(owner: Caller):
    rows = pa.table(
        {
            "person": [1, 2],
            "day": pa.array([7305, 7305], pa.date32()),
            "at": pa.array([0, 1], pa.timestamp("us")),
        }
    )
    table = make.table(make.draft(make.dataset(published=False)), name="visits", rows=rows)
    caller, path = Caller(table.revision.dataset.owner, "read", "publish"), f"tables/{table.pk}/"
    given = {"day": {"lower": "1970-01-11", "upper": 7305}, "at": {"lower": 0.5, "upper": "1990-01-01 00:00"}}
    columns = columns_of(caller.patch(path, {"subject": "person", "columns": given}))
    assert (columns["day"]["lower"], columns["day"]["upper"]) == (10, 7305)
    assert (columns["at"]["lower"], columns["at"]["upper"]) == (0.5, 631_152_000)
    for wrong in ("soon", 0.5, 1e300):
        answer = caller.patch(path, {"columns": {"day": {"lower": wrong}}})
        assert "columns.day.lower" in problem(answer, 400, "invalid")["fields"]
    problem(caller.patch(path, {"columns": {"at": {"lower": 1e300}}}), 400, "invalid")


WRONG = [
    ({"columns": {"wages": {"lower": 1}}}, "invalid"),
    ({"columns": {"wage": {"lower": 60_000}}}, "invalid"),
    ({"columns": {"wage": {"lower": True}}}, "invalid"),
    ({"columns": {"wage": {"lower": [1]}}}, "invalid"),
    ({"columns": {"wage": {"lower": 10**400}}}, "not_json"),
    ({"columns": {"wage": {"lowest": 1}}}, "invalid"),
    ({"columns": {"wage": {"type": "category"}}}, "invalid"),
    ({"columns": {"region": {"lower": 1}}}, "invalid"),
    ({"columns": {"region": {"categories": ["a\nb"]}}}, "invalid"),
    ({"columns": {"region": {"categories": [1.5]}}}, "invalid"),
    ({"columns": {"year": {"type": "category", "categories": ["east"]}}}, "invalid"),
    ({"columns": {"region": {"decimals": 1}}}, "invalid"),
    ({"columns": ["wage"]}, "invalid"),
    ({"subject": "nobody"}, "invalid"),
    ({"name": "Wages"}, "refused"),
    ({"mock_rows": 1}, "refused"),
    ({"rows": 7}, "invalid"),
]


@pytest.mark.parametrize(("change", "code"), WRONG, ids=str)
def test_declarations_that_are_refused(owner: Caller, table: Table, change: dict[str, object], code: str):
    before = owner.get(f"tables/{table.pk}/").content
    problem(owner.patch(f"tables/{table.pk}/", change), 400, code)
    assert owner.get(f"tables/{table.pk}/").content == before


def test_declarations_are_stored_even_if_their_fit_cannot_be_counted(owner: Caller, table: Table):
    path, file = f"tables/{table.pk}/", storage.folder("tables") / table.stored_name
    same = owner.patch(path, {"description": "Wages by year."})
    assert (same.status_code, same.json()["fit_is_checked"]) == (200, True)
    file.unlink()
    answer = owner.patch(path, {"columns": {"wage": {"unit": "$"}}})
    assert (columns_of(answer)["wage"]["unit"], answer.json()["fit_is_checked"]) == ("$", False)


def test_a_change_of_what_somebody_else_changed_is_refused(owner: Caller, table: Table):
    path = f"tables/{table.pk}/"
    etag = owner.get(path)["ETag"]
    assert owner.patch(path, {"description": "One."}, etag).status_code == 200
    problem(owner.patch(path, {"description": "Two."}, etag), 412, "stale")
    problem(owner.send("patch", path, {"description": "Two."}), 428, "etag_missing")


def test_a_published_table_does_not_change(owner: Caller):
    dataset = make.dataset()
    caller = Caller(dataset.owner, "read", "publish")
    path = f"tables/{make.current(dataset).tables.get().pk}/"
    problem(caller.patch(path, {"description": "Two."}), 409, "conflict")
    problem(caller.delete(path), 409, "conflict")


def test_a_table_is_removed(owner: Caller, table: Table):
    assert owner.delete(f"tables/{table.pk}/").status_code == 204
    problem(owner.get(f"tables/{table.pk}/"), 404, "not_found")


def test_a_table_is_kept_for_the_next_revision():
    dataset: Dataset = make.dataset()
    caller = Caller(dataset.owner, "read", "publish")
    path = f"tables/{make.current(dataset).tables.get().pk}/keep/"
    problem(caller.post(path), 409, "conflict")
    caller.post(f"datasets/{dataset.pk}/revisions/", {})
    answer = acts_once(caller, path, None, {})
    assert answer["Location"] == f"/api/v1/tables/{answer.json()['id']}/"
    assert (answer.json()["revision"]["id"], answer.json()["name"]) == (str(make.draft(dataset).pk), "wages")


@pytest.mark.parametrize(("method", "part"), [("get", ""), ("patch", ""), ("delete", ""), ("post", "keep/")])
def test_nobody_else_knows_of_a_table(table: Table, method: str, part: str):
    dataset = table.revision.dataset
    path, other = f"tables/{table.pk}/{part}", make.dataset(owner=dataset.owner)
    body = {"description": "Mine."} if method == "patch" else None
    callers = [Caller(make.scientist(), "publish"), Caller(make.reviewer(dataset).user, "publish")]
    callers += [Caller(make.admin(), "publish"), Caller(dataset.owner, "publish", dataset_ids=[other.pk])]
    for caller in callers:
        problem(caller.send(method, path, body, If_Match="*"), 404, "not_found")
    problem(Caller(dataset.owner, "read", "work").send(method, path, body, If_Match="*"), 403, "token_scope")
