"""The price panel says how a question comes out on the mock data, before anything is paid, and reads nothing else."""

from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.urls import reverse

from datasets import mock_files, storage
from privacy import services
from privacy.models import LedgerLine
from tests import make
from tests.makers.datasets import current, wage_rows

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true", "HX-Target": "price"}
REGRESSION = {"measure": "regression", "column": "wage", "features": ["year"]}
BY_REGION = {"measure": "mean", "column": "wage", "by": ["region"]}


def priced(client, budget, **fields):
    """(what the panel says of the mock, the panel)."""
    form = {"source": "form", "goal": "epsilon", "epsilon": "10", "key": str(uuid4()), **fields}
    answer = client.post(reverse("privacy:price", args=[budget.pk]), form, headers=HTMX)
    assert answer.context["refusal"] == ""
    return answer.context["priced"]["on_mock"], answer.content.decode()


def test_what_comes_out_on_the_mock_comes_with_its_error(scientist, budget):
    told, text = priced(scientist, budget, **REGRESSION, epsilon="25")
    assert told.heading == "On the mock data this comes out, in 20 of 20 tries."
    assert [name for name, _ in told.widths] == ["Intercept", "year"]
    assert all(width.startswith("± ") for _, width in told.widths)
    assert told.rows.startswith("The mock data has about 2.5 rows per person: ")
    for said in (
        told.heading,
        told.widths[1][1],
        told.rows,
        "noise of a dataset of about 30 people",
        "more is lost",
    ):
        assert said in text
    assert not LedgerLine.objects.exists()


def test_what_is_lost_there_says_so_and_what_helps_and_can_be_asked_all_the_same(scientist, budget):
    told, text = priced(scientist, budget, **REGRESSION, epsilon="0.5")
    assert told.heading == "On the mock data this comes out lost in noise, in 20 of 20 tries."
    assert told.helps == "What helps: a larger ε or narrower bounds (GREATEST and LEAST in SQL)."
    assert told.widths == []
    assert told.helps in text
    assert 'name="then" value="ask">' in text


def test_several_groups_are_told_together(scientist, budget):
    told, _ = priced(scientist, budget, **BY_REGION, epsilon="25")
    assert told.heading == "On the mock data this comes out, in 3 of 3 groups."
    assert [(name, width[-3:]) for name, width in told.widths] == [("Middle group", "EUR")]
    told, _ = priced(scientist, budget, **BY_REGION, epsilon="0.5")
    assert told.heading == "On the mock data this comes out lost in noise, in 3 of 3 groups."
    assert told.helps == "What helps: a larger ε or fewer groups."


def test_a_filter_that_leaves_the_mock_empty_is_not_taken_for_noise(scientist, budget):
    line = {"where-0-column": "wage", "where-0-op": ">="}
    told, _ = priced(scientist, budget, **REGRESSION, **line, **{"where-0-value": "49999.9"})
    assert told.heading == "The mock data has no rows behind this question: too few for a trial."
    told, _ = priced(scientist, budget, **REGRESSION, **line, **{"where-0-value": "47000"})
    assert told.heading.startswith("The mock data has only ")
    assert (told.widths, told.helps) == ([], "")


def test_a_mean_behind_a_filter_is_tried_and_what_is_known_is_not(scientist, budget):
    mean = {"measure": "mean", "column": "wage"}
    line = {"where-0-column": "year", "where-0-op": ">=", "where-0-value": "1994"}
    told, _ = priced(scientist, budget, **mean, **line)
    assert [name for name, _ in told.widths] == ["Mean"]
    for known in (mean, {"measure": "count"}, {"measure": "people"}):
        told, text = priced(scientist, budget, **known)
        assert told is None
        assert "mock" not in text


def test_a_question_goes_without_where_there_is_no_mock_that_fits(scientist, budget):
    path = mock_files.published(current(budget.promise.dataset), "wages")
    pq.write_table(pa.table({"person": [1, 2]}), path)
    assert priced(scientist, budget, **REGRESSION)[0] is None
    path.write_text("no table")
    assert priced(scientist, budget, **REGRESSION)[0] is None
    path.unlink()
    assert priced(scientist, budget, **REGRESSION)[0] is None


def test_programs_are_told_the_same(scientist, budget):
    def asked(**body):
        path = reverse("api:budget_price", args=[budget.pk])
        return scientist.post(path, body, content_type="application/json").json()["on_mock"]

    sql = "SELECT CORR(wage, year) FROM wages"
    assert asked(sql=sql, epsilon=30)["rows_each"] == pytest.approx(2.5, rel=0.1)
    services.publish_rows(budget.promise, {"wages": 120}, by=budget.promise.dataset.owner)
    told = asked(sql=sql, epsilon=30)
    (figure,) = told["figures"]
    assert told["rows_each"] == 4
    assert (told["tries"], figure["key"], figure["name"]) == (20, [], "correlation")
    assert figure["released"] > 10
    assert 0 < figure["half_width_95"] < 2
    (figure,) = asked(sql=sql, epsilon=0.1)["figures"]
    assert (figure["released"], figure["half_width_95"]) == (0, None)
    few = asked(sql=f"{sql} WHERE wage > 49999.9", epsilon=1)
    assert (few["rows"], few["tries"], few["figures"]) == (0, 20, [])
    assert asked(sql="SELECT COUNT(*) FROM wages", epsilon=1) is None


QUESTIONS = (REGRESSION, BY_REGION, {"measure": "correlation", "column": "wage", "other": "year"})


def panels(as_, rows, *, as_mock=None):
    """What is said of each question at three prices; `as_mock` takes the place of the mock."""
    data, scientist = make.dataset(rows=rows), make.scientist()
    make.grant(data, scientist)
    if as_mock is not None:
        pq.write_table(as_mock, mock_files.published(current(data), "wages"))
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=30, constants=["region"], scientists=1
    )
    share = services.give_budget(made, scientist, by=data.owner, epsilon=40)
    client = as_(scientist)
    return [priced(client, share, **form, epsilon=price) for form in QUESTIONS for price in ("1", "9", "30")]


def test_private_rows_do_not_change_what_is_said(as_, monkeypatch):
    """Not even where everybody earns the same. Were the question tried on these rows, it would show."""
    monkeypatch.setattr(storage, "open_columns", None)
    rows = wage_rows()
    alike = wage_rows(people=20)
    alike = alike.set_column(alike.column_names.index("wage"), "wage", pa.array([5.0] * alike.num_rows))
    said = [told for told, _ in panels(as_, rows)]
    assert [told for told, _ in panels(as_, alike)] == said
    assert [told for told, _ in panels(as_, alike, as_mock=alike)] != said
