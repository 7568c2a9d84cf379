"""Asking on the page: both sides in step, the price before the click, one click one charge, nothing lost on errors."""

from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse

from privacy import services
from privacy.models import Answer, Budget, LedgerLine

pytestmark = pytest.mark.django_db

COUNT = "SELECT COUNT(DISTINCT person) FROM wages"
HTMX = {"HX-Request": "true", "HX-Target": "price"}


def typed(**fields):
    return {
        "source": "form",
        "measure": "people",
        "goal": "epsilon",
        "epsilon": "2",
        "key": str(uuid4()),
        **fields,
    }


def agreed(client, page, **fields):
    """What the page would send after it has shown the price."""
    form = typed(**fields)
    shown = client.post(page, {**form, "then": "price"})
    return {**form, "agreed": shown.context["priced"]["agreed"], "then": "ask"}


def test_a_fresh_page_shows_a_question_a_price_and_the_schema(scientist, page):
    answer = scientist.get(page)
    text = answer.content.decode()
    assert answer.context["priced"]["what"] == "Number of people"
    assert "SELECT COUNT(DISTINCT person)" in text
    for public in (
        "0 to 50,000 EUR",
        "east, north, west",
        "same in all of a person’s rows",
        "About 30 people",
    ):
        assert public in text
    assert not LedgerLine.objects.exists()


FORMS: dict[str, dict[str, Any]] = {
    "SELECT COUNT(*)\nFROM wages": {"measure": "count"},
    "SELECT region, AVG(wage)\nFROM wages\nGROUP BY region": {
        "measure": "mean",
        "column": "wage",
        "by": ["region"],
    },
    "SELECT SUM(wage)\nFROM wages\nWHERE region IN ('east', 'west') AND year >= 1991": {
        "measure": "sum",
        "column": "wage",
        "where-0-column": "region",
        "where-0-op": "in",
        "where-0-value": "east, west",
        "where-3-column": "year",
        "where-3-op": ">=",
        "where-3-value": "1991",
    },
    "SELECT QUANTILE(wage, 0.9)\nFROM wages\nWHERE year >= 1990 AND year <= 1992": {
        "measure": "quantiles",
        "column": "wage",
        "shares": "0.9",
        "where-0-column": "year",
        "where-0-op": "between",
        "where-0-value": "1990 to 1992",
    },
    "SELECT CORR(wage, year)\nFROM wages\nWHERE NOT wage IS NULL": {
        "measure": "correlation",
        "column": "wage",
        "other": "year",
        "where-0-column": "wage",
        "where-0-op": "present",
    },
    "": {"measure": "regression", "column": "wage", "features": ["year"]},
}


@pytest.mark.parametrize("sql", FORMS)
def test_the_form_writes_the_sql_beside_it(scientist, budget, sql):
    answer = scientist.post(reverse("privacy:price", args=[budget.pk]), typed(**FORMS[sql]), headers=HTMX)
    assert answer.context["refusal"] == ""
    assert answer.context["form"]["sql"].value() == sql
    assert 'id="sql-side" hx-swap-oob="true"' in answer.content.decode()


@pytest.mark.parametrize("sql", [sql for sql in FORMS if sql])
def test_sql_fills_the_form_beside_it(scientist, budget, sql):
    answer = scientist.post(
        reverse("privacy:price", args=[budget.pk]),
        typed(source="sql", sql=sql, measure="count"),
        headers=HTMX,
    )
    form, wanted = answer.context["form"], FORMS[sql]
    assert answer.context["refusal"] == ""
    for name in ("measure", "column", "other", "shares"):
        assert (form[name].value() or "") == wanted.get(name, "")
    assert form["by"].value() == wanted.get("by", [])
    lines = [(line.column, line.op, line.value) for line in answer.context["asked"].lines]
    given = [
        tuple(wanted.get(f"where-{k}-{part}", "") for part in ("column", "op", "value"))
        for k in range(12)
        if f"where-{k}-column" in wanted
    ]
    assert lines == given


def test_what_the_form_cannot_say_stays_sql(scientist, budget):
    sql = "SELECT SUM(wage * 2) FROM wages WHERE year = 1990 OR region = 'east'"
    answer = scientist.post(
        reverse("privacy:price", args=[budget.pk]), typed(source="sql", sql=sql), headers=HTMX
    )
    assert answer.context["only_sql"]
    assert answer.context["priced"]["what"].startswith("Sum of wage × 2 where ")


REFUSED = {
    "SELECT wage FROM wages": "Line 1, column 8",
    "SELECT SUM(wage) FROM wages JOIN other": "joins are not supported",
    "SELEKT": "SELECT",
    "SELECT COUNT(*) FROM wages WHERE region = 'mars'": "not a declared value",
    "": "Write a SELECT",
}


def test_line_ends_of_browsers_are_not_kept(scientist, page):
    """They would be in the calls for programs that the answer's page shows."""
    scientist.post(page, agreed(scientist, page, source="sql", sql="SELECT COUNT(*)\r\nFROM wages"))
    assert Answer.objects.get().sql == "SELECT COUNT(*)\nFROM wages"


@pytest.mark.parametrize("sql", REFUSED)
def test_a_refusal_is_shown_with_its_place_and_nothing_is_lost(scientist, page, sql):
    answer = scientist.post(page, {**typed(source="sql", sql=sql), "then": "ask"})
    assert answer.status_code == 400
    assert REFUSED[sql] in answer.context["refusal"]
    assert answer.context["form"]["sql"].value() == sql
    assert not LedgerLine.objects.exists()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"epsilon": "-1"}, "Epsilon must be between"),
        ({"epsilon": "nan"}, "Epsilon"),
        ({"epsilon": ""}, "Give either the error"),
        ({"epsilon": "many"}, "Epsilon: Enter a number"),
        ({"goal": "error", "error": "0"}, "must be a positive number"),
        ({"goal": "error", "error": "1e-9"}, "No budget can pay for"),
        ({"measure": "mean", "column": ""}, "Choose the column"),
        ({"measure": "mean", "column": "person"}, "“person” is not one of the choices"),
        ({"where-0-column": "person", "where-0-value": "7000"}, "identifies the person in each row"),
        ({"where-0-column": "year", "where-0-value": "last"}, "is not a number"),
        ({"where-0-column": "region", "where-0-op": "<", "where-0-value": "east"}, "declared values"),
        ({"where-0-column": "year", "where-0-op": "between", "where-0-value": "1"}, "both ends"),
        ({"source": "sql", "sql": "x" * 10_001}, "longer than 10,000 characters"),
        ({"rows": "4097"}, "Enter a whole number from 1 to 4,096."),
    ],
)
def test_bad_input_is_refused_in_words(scientist, page, fields, why):
    answer = scientist.post(page, {**typed(**fields), "then": "price"})
    assert answer.status_code == 200
    assert why in answer.context["refusal"]
    assert answer.context["priced"] is None


def test_the_error_and_the_epsilon_can_each_be_solved_for(scientist, page):
    by_error = scientist.post(page, {**typed(goal="error", error="8"), "then": "price"}).context
    assert by_error["priced"]["error"] == "± 8 people"
    epsilon = by_error["form"]["epsilon"].value()
    by_epsilon = scientist.post(page, {**typed(epsilon=epsilon), "then": "price"}).context
    assert float(by_epsilon["form"]["error"].value()) == pytest.approx(8, rel=0.01)


def test_asking_spends_what_was_seen_and_leads_to_the_answer(scientist, budget, page):
    sent = agreed(scientist, page)
    assert not LedgerLine.objects.exists()
    first = scientist.post(page, sent)
    answer = Answer.objects.get()
    assert (first.status_code, first["Location"]) == (302, reverse("privacy:answer", args=[answer.pk]))
    assert answer.sql == "SELECT COUNT(DISTINCT person)\nFROM wages"
    assert scientist.post(page, sent)["Location"] == first["Location"]
    assert LedgerLine.objects.filter(budget=budget).count() == 1


def test_one_key_serves_for_going_back_and_asking_something_else(scientist, page):
    sent = agreed(scientist, page)
    scientist.post(page, sent)
    other = agreed(scientist, page, key=sent["key"], measure="count")
    scientist.post(page, other)
    assert Answer.objects.count() == 2


def test_nothing_is_spent_at_a_price_that_nobody_saw(scientist, page):
    sent = agreed(scientist, page)
    for changed in ({"epsilon": "20"}, {"measure": "count"}, {"agreed": ""}):
        answer = scientist.post(page, {**sent, **changed})
        assert answer.status_code == 409
        assert "Check the price once more" in answer.content.decode()
    assert not LedgerLine.objects.exists()


def test_the_same_question_again_says_that_it_is_free(scientist, budget, page, compute):
    scientist.post(page, agreed(scientist, page))
    first = compute(Answer.objects.get())
    used = Budget.objects.get(pk=budget.pk).units_used
    sent = agreed(scientist, page, epsilon="1.5")
    assert "Costs nothing" in scientist.post(page, {**sent, "then": "price"}).content.decode()
    answer = scientist.post(page, sent, follow=True)
    assert answer.redirect_chain[0][0] == reverse("privacy:answer", args=[first.pk])
    assert "Answered from the stored release, at no cost." in answer.content.decode()
    assert Budget.objects.get(pk=budget.pk).units_used == used


def test_what_cannot_be_afforded_says_so_before_the_click(scientist, page):
    answer = scientist.post(page, {**typed(epsilon="45"), "then": "price"})
    assert "would cost" in answer.context["refusal"]
    text = answer.content.decode()
    assert 'aria-describedby="price-why"' in text
    assert "This spends" not in text
    assert "<dt>Left</dt><dd>100 % of it</dd>" in text
    assert (
        scientist.post(
            page, {**typed(epsilon="45"), "then": "ask", "agreed": answer.context["priced"]["agreed"]}
        ).status_code
        == 402
    )


def test_an_earlier_question_is_the_start_of_another(scientist, budget, page, ask):
    earlier = ask(budget, "SELECT AVG(wage) FROM wages WHERE region = 'east'")
    form = scientist.get(page, {"again": str(earlier.pk)}).context["form"]
    assert (form["measure"].value(), form["column"].value()) == ("mean", "wage")
    assert scientist.get(page, {"again": "nonsense"}).status_code == 200


def test_only_its_scientist_asks_with_a_budget(as_, budget, page):
    price = reverse("privacy:price", args=[budget.pk])
    owner = as_(budget.promise.dataset.owner)
    assert owner.get(page).status_code == 403
    assert owner.post(price, typed()).status_code == 403


def test_a_closed_budget_says_why_nothing_can_be_asked(as_, scientist, budget, page):
    owner = as_(budget.promise.dataset.owner)
    owner.post(reverse("privacy:close", args=[budget.pk]), {"reason": "Has left."})
    assert "The owner has closed this budget." in scientist.get(page).content.decode()
    assert scientist.post(page, typed()).status_code == 403


def test_a_line_more_for_those_without_scripts(scientist, page):
    answer = scientist.post(
        page, {**typed(**{"where-0-column": "year", "where-0-value": "1991"}), "then": "add"}
    )
    assert list(answer.context["blank_lines"]) == [1, 2]


OF_1991 = {
    "measure": "mean",
    "column": "wage",
    "where-0-column": "year",
    "where-0-op": ">=",
    "where-0-value": "1991",
}


def test_where_nobody_knows_how_many_rows_there_are_the_page_offers_to_count_them(
    scientist, budget, page, compute
):
    asked = scientist.post(page, {**typed(**OF_1991), "then": "price"})
    assert asked.context["priced"]["error"] == ""
    assert asked.context["count_first"]["what"] == "Count the rows"
    assert 'name="then" value="count"' in asked.content.decode()
    counting = scientist.post(page, {**typed(**OF_1991), "then": "count"})
    assert counting.context["form"]["measure"].value() == "count"
    assert counting.context["priced"]["what"] == "Number of rows where year ≥ 1991"
    # At the price that was named, or rounded to as many figures.
    assert counting.context["priced"]["share"] == asked.context["count_first"]["share"]
    sent = agreed(scientist, page, **{**OF_1991, "measure": "count", "epsilon": "25"})
    scientist.post(page, sent)
    count = compute(Answer.objects.get())
    known = scientist.post(page, {**typed(**OF_1991), "then": "price"})
    text = known.content.decode()
    assert known.context["count_first"] is None
    assert known.context["priced"]["error"].startswith("about ± ")
    assert f'<a href="{reverse("privacy:answer", args=[count.pk])}">your count of ' in text
    assert "Where values or people are missing, the error is larger." in text


def test_a_price_says_that_it_rests_on_what_the_owner_has_published(scientist, budget, page):
    services.publish_rows(budget.promise, {"wages": 1204}, by=budget.promise.dataset.owner)
    of_year = {"measure": "mean", "column": "year", "goal": "error", "error": "0.5"}
    answer = scientist.post(page, {**typed(**of_year), "then": "price"})
    text = answer.content.decode()
    assert answer.context["priced"]["error"] == "at most ± 0.5"
    assert "Based on the number that the owner published: about 1,204 rows." in text
    assert "and 1,204 rows, according to the owner." in text
    rank = {"measure": "quantiles", "column": "year", "goal": "epsilon", "epsilon": "30"}
    priced = scientist.post(page, {**typed(**rank), "then": "price"}).context["priced"]
    points = priced["error"].split("± ")[1].split()[0]
    assert priced["rank_note"] == (
        f"The value lies within ± {points} points of rank. The interval shown with it can be wider, on one side up "
        "to the declared bound."
    )
