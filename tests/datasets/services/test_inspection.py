"""The owner's view of private rows: its pages, its counts, and answers of a parser that are not believed."""

from typing import Any

import pyarrow as pa
import pytest

from audit.models import Entry
from common.errors import Conflict, Refused
from datasets.ingest import sandboxed
from datasets.reading.inspection import AT_ONCE, CELL
from datasets.services import inspection
from runner.contract import CloseCode
from tests import make
from tests.makers.datasets import PEOPLE, YEARS

pytestmark = pytest.mark.django_db

ROW = ["7000", "1990", "east", "31337.0"]
BEFORE = {"checked": True, "columns": {"wage": {"outside": 3}}}
COUNTED = {"all": PEOPLE, "over": 0, "most": YEARS, "nobody": 0}


@pytest.fixture
def table():
    """A table of four columns; three of them have declarations that are counted."""
    made = make.draft(make.dataset(published=False)).tables.get()
    type(made).objects.filter(pk=made.pk).update(misfits=BEFORE)
    made.refresh_from_db()
    return made


@pytest.fixture
def owner(table):
    return table.revision.dataset.owner


@pytest.fixture
def answers(monkeypatch):
    """Let the sandbox answer with what is put here for a piece of work, and hear what it is asked for."""
    given: dict[str, Any] = {}
    asked: list[tuple[str, dict[str, Any]]] = []

    def run(work, path, *, parameters, limits):
        assert path.is_file()
        assert limits is sandboxed.LOOK
        asked.append((work, dict(parameters)))
        if isinstance(given[work], Exception):
            raise given[work]
        return given[work]

    monkeypatch.setattr(sandboxed, "run", run)
    given["asked"] = asked
    return given


def stored(table):
    return type(table).objects.get(pk=table.pk).misfits


# Pages of rows


@pytest.mark.parametrize(
    ("first", "shown", "earlier", "later"),
    [(0, 50, None, 50), (20, 50, 0, 70), (50, 50, 0, 100), (70, 50, 20, None), (100, 20, 50, None)],
)
def test_a_page_names_the_pages_before_and_after_it(table, owner, first, shown, earlier, later):
    page = inspection.rows(table, by=owner, first=first)
    assert page.names == ["person", "year", "region", "wage"]
    assert [row[:2] for row in page.rows] == [
        [str(7_000 + row // YEARS), str(1990 + row % YEARS)] for row in range(first, first + shown)
    ]
    assert (page.first, page.earlier, page.later) == (first, earlier, later)


def test_no_page_begins_beyond_the_deepest_row(table, owner, answers):
    answers["rows"] = {"rows": []}
    type(table).objects.filter(pk=table.pk).update(rows=1_000_000)
    table.refresh_from_db()
    deepest = inspection.DEEPEST
    assert inspection.rows(table, by=owner, first=deepest - 51).later == deepest - 1
    assert inspection.rows(table, by=owner, first=deepest - 50).later is None
    assert inspection.rows(table, by=owner, first=deepest).earlier == deepest - 50
    for first in (-1, deepest + 1):
        with pytest.raises(Refused, match=r"^Only the first 10,000 rows can be shown here\.$"):
            inspection.rows(table, by=owner, first=first)
    assert [parameters["first"] for _, parameters in answers["asked"]] == [
        deepest - 51,
        deepest - 50,
        deepest,
    ]
    assert Entry.objects.filter(action="rows.view").count() == 3


@pytest.mark.parametrize(
    "rows",
    [[], [ROW], [ROW] * inspection.PAGE, [["x" * (CELL + 1)] * 4]],
    ids=["none", "one", "a full page", "long cells"],
)
def test_cells_of_the_right_form_are_believed(table, owner, answers, rows):
    answers["rows"] = {"rows": rows}
    assert inspection.rows(table, by=owner, first=0).rows == rows
    assert answers["asked"] == [("rows", {"first": 0, "most": inspection.PAGE})]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"rows": None},
        {"rows": "7000"},
        {"rows": {"0": ROW}},
        {"rows": [ROW] * (inspection.PAGE + 1)},
        {"rows": [ROW, "east"]},
        {"rows": [ROW, None]},
        {"rows": [ROW, ROW[:3]]},
        {"rows": [ROW, [*ROW, ""]]},
        {"rows": [[7000, *ROW[1:]]]},
        {"rows": [[*ROW[:3], None]]},
        {"rows": [[*ROW[:3], "x" * (CELL + 2)]]},
    ],
    ids=[
        "nothing",
        "null",
        "a text",
        "an object",
        "too many rows",
        "a row that is a text",
        "a row that is null",
        "a short row",
        "a long row",
        "a number",
        "an empty cell",
        "a long cell",
    ],
)
def test_a_page_that_our_parser_would_not_give_is_not_shown(table, owner, answers, answer):
    answers["rows"] = answer
    with pytest.raises(Conflict) as caught:
        inspection.rows(table, by=owner, first=0)
    assert str(caught.value) == inspection.TOO_LONG


def test_a_look_is_recorded_even_if_no_rows_come_of_it(table, owner, answers):
    answers["rows"] = sandboxed.Broken(CloseCode.TIME_LIMIT)
    with pytest.raises(Conflict) as caught:
        inspection.rows(table, by=owner, first=50)
    assert str(caught.value) == inspection.TOO_LONG
    assert isinstance(caught.value.__cause__, sandboxed.Broken)
    entry = Entry.objects.get(action="rows.view")
    assert (entry.object_id, entry.detail) == (str(table.pk), {"first": 50})


@pytest.mark.parametrize(
    "code",
    [
        "raise MemoryError",
        "Path('/out/answer').write_text('[]')",
        "Path('/out/answer').write_text('{\"rows\": [[\"7000\"]]}')",
    ],
    ids=["it fails", "no object", "a short row"],
)
def test_a_reader_that_was_taken_over_shows_nothing(table, owner, monkeypatch, tmp_path, code):
    """The same in a real sandbox, with other code in the place of our parser."""
    module = tmp_path / "taken_over.py"
    module.write_text(f"from pathlib import Path\n{code}\n")
    monkeypatch.setitem(sandboxed.MODULES, "datasets.reading.inside", module)
    with pytest.raises(Conflict) as caught:
        inspection.rows(table, by=owner, first=0)
    assert str(caught.value) == inspection.TOO_LONG
    with pytest.raises(Conflict):
        inspection.check_fit(table, by=owner)
    assert stored(table) == BEFORE


# How well the declarations fit


def test_counts_of_the_right_form_are_stored_and_zeros_are_left_out(table, owner, answers):
    answers |= {"fit": {"counts": [5, 0, 0, 2]}, "each": COUNTED}
    assert inspection.check_fit(table, by=owner) == {"year": {"outside": 5}, "wage": {"outside": 2}}
    assert stored(table) == {
        "checked": True,
        "columns": {"year": {"outside": 5}, "wage": {"outside": 2}},
        "people": {**COUNTED, "declared": YEARS},
        "per_value": [],
    }
    (fit, conditions), each = answers["asked"]
    assert (fit, len(conditions["tests"])) == ("fit", 4)
    assert conditions["tests"][1] == '"year" IS NULL'
    assert conditions["values"] == [1990, 1999, "east", "north", "west", 0, 50_000]
    assert each == ("each", {"subject": "person", "most": YEARS, "same": ""})


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"counts": None},
        {"counts": {"0": 1}},
        {"counts": [0, 0, 0]},
        {"counts": [0] * 5},
        {"counts": [0, 0, 0, -1]},
        {"counts": [0, 0, 0, True]},
        {"counts": [0, 0, 0, 1.0]},
        {"counts": [0, 0, 0, "1"]},
        {"counts": [0, 0, 0, None]},
    ],
    ids=str,
)
def test_counts_that_our_parser_would_not_give_are_not_stored(table, owner, answers, answer):
    answers |= {"fit": answer, "each": COUNTED}
    with pytest.raises(Conflict) as caught:
        inspection.check_fit(table, by=owner)
    assert str(caught.value) == inspection.TOO_LONG
    assert stored(table) == BEFORE
    assert [work for work, _ in answers["asked"]] == ["fit"]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"all": PEOPLE, "over": 0},
        {**COUNTED, "declared": 1},
        {**COUNTED, "over": -1},
        {**COUNTED, "over": False},
        {**COUNTED, "most": 4.0},
        {**COUNTED, "most": "4"},
        {**COUNTED, "all": None},
    ],
    ids=str,
)
def test_people_that_our_parser_would_not_count_are_not_stored(table, owner, answers, answer):
    answers |= {"fit": {"counts": [1, 1, 1, 1]}, "each": answer}
    with pytest.raises(Conflict) as caught:
        inspection.check_fit(table, by=owner)
    assert str(caught.value) == inspection.TOO_LONG
    assert stored(table) == BEFORE


@pytest.mark.parametrize("work", ["fit", "each"])
def test_counting_that_exceeds_the_limits_stores_nothing(table, owner, answers, work):
    answers |= {
        "fit": {"counts": [1, 1, 1, 1]},
        "each": COUNTED,
        work: sandboxed.Broken(CloseCode.MEMORY_LIMIT),
    }
    with pytest.raises(Conflict) as caught:
        inspection.check_fit(table, by=owner)
    assert str(caught.value) == inspection.TOO_LONG
    assert stored(table) == BEFORE


def test_a_table_whose_declarations_rule_nothing_out_is_not_opened(table, owner, answers):
    notes = make.table(
        table.revision, name="notes", rows=pa.table({"text": ["a", None], "done": [True, False]})
    )
    assert inspection.check_fit(notes, by=owner) == {}
    assert answers["asked"] == []
    assert stored(notes) == {"checked": True, "columns": {}}


def test_declared_categories_are_values_of_the_condition_and_no_part_of_it(table, owner):
    """Nothing that an owner declares becomes SQL."""
    hostile = "') OR 1=1 --"
    table.columns.filter(name="region").update(categories=["east", hostile])
    (region,) = (column for column in table.declared.columns if column.name == "region")
    assert inspection.outside(region) == (
        '"region" IS NOT NULL AND "region" NOT IN (?, ?)',
        ["east", hostile],
    )
    assert inspection.check_fit(table, by=owner) == {"region": {"outside": PEOPLE * YEARS * 2 // 3}}


def test_decimals_are_counted_besides_what_is_outside(table, owner, answers):
    table.columns.filter(name="wage").update(decimals=2)
    answers |= {"fit": {"counts": [0, 0, 0, 3, 7]}, "each": COUNTED}
    assert inspection.check_fit(table, by=owner) == {"wage": {"outside": 3, "rounded": 7}}
    _, conditions = answers["asked"][0]
    assert "BETWEEN ? AND ?" in conditions["tests"][-1]
    assert conditions["values"][-4:] == [0, 50_000, 0, 50_000]


def test_rows_of_nobody_and_gaps_in_full_columns_are_counted():
    told = {"person": [1, None, None, 2], "wage": [5.0, 6.0, None, 70.0]}
    rows = pa.table({**told, "year": [1990] * 4, "region": ["east"] * 4})
    declared = {"wage": {"lower": 0, "upper": 9, "nullable": False}}
    made = make.dataset(published=False, rows=rows, declared=declared)
    held = make.draft(made).tables.get()
    assert inspection.check_fit(held, by=made.owner) == {"wage": {"outside": 1, "empty": 1}}
    assert stored(held)["people"] == {
        "all": 2,
        "over": 0,
        "most": 1,
        "nobody": 2,
        "declared": held.rows_per_subject,
    }


def test_people_with_several_values_of_a_constant_column_are_counted():
    """Also those with a value in some of their rows only. Rows of nobody do not count."""
    held = {"person": [1, 1, 2, 2, 3, None, None], "wage": [5.0, 5.0, 7.0, None, None, 1.0, 2.0]}
    more = {f"x{number}": [number, number, 1, 2, 3, 4, 5] for number in range(AT_ONCE)}
    rows = pa.table({**held, "year": [1990] * 7, "region": ["a", "b", "a", "b", "a", "a", "b"], **more})
    declared = {name: {"constant": True} for name in ("person", "wage", "year", "region", *more)}
    made = make.dataset(published=False, rows=rows, declared=declared)
    stored_table = make.draft(made).tables.get()
    found = inspection.check_fit(stored_table, by=made.owner)
    stored_table.rows_per_subject = 1
    once = inspection.check_fit(stored_table, by=made.owner)
    assert not any("varying" in each for each in once.values())
    assert {name: each["varying"] for name, each in found.items() if "varying" in each} == {
        "wage": 1, "region": 2, **dict.fromkeys(more, 1),
    }  # fmt: skip


@pytest.mark.parametrize("answer", [{}, {"counts": [0, 1]}, {"counts": [-1]}, {"counts": [True]}], ids=str)
def test_people_who_vary_that_our_parser_would_not_count_are_not_stored(table, owner, answers, answer):
    table.columns.filter(name="region").update(constant=True)
    answers |= {"fit": {"counts": [0, 0, 0, 0]}, "each": COUNTED, "vary": answer}
    with pytest.raises(Conflict, match="too long"):
        inspection.check_fit(table, by=owner)
    assert stored(table) == BEFORE
    assert answers["asked"][1] == ("vary", {"subject": "person", "columns": ["region"]})
