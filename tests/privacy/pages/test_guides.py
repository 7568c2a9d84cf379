"""Guides for loose clips: proposed where they are worth their price, and leading back to the question."""

import json
from dataclasses import replace
from functools import partial
from urllib.parse import quote

import pytest
from django.urls import reverse

from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Count, Query, Variance
from privacy.engine.language.wire import canonical, decode
from privacy.models import Answer, LedgerLine
from privacy.services import guides, questions
from tests.privacy.pages.test_questions import OF_1991, agreed, typed

pytestmark = pytest.mark.django_db


@pytest.fixture
def crowded(budget):
    """The same, said to be about so many people that a guide is cheap compared with the budget."""
    type(budget.promise).objects.filter(pk=budget.promise_id).update(public_size=3000)
    budget.promise.refresh_from_db()
    return budget


OF_ALL = {"measure": "mean", "column": "wage", "epsilon": "10"}


def test_a_guide_is_proposed_and_leads_back_to_a_better_question(scientist, crowded, page, compute):
    asked = scientist.post(page, {**typed(**OF_ALL), "then": "price"})
    guide = asked.context["guide"]
    assert guide["what"] == "How many rows does a person have?"
    for said in (
        f"The noise is sized for 4 rows per person. For {guide['share']} of your budget you can ask",
        "ask how many 98 % of people really have; that may make this question cheaper.",
    ):
        assert said in asked.content.decode()
    guided = scientist.post(page, {**typed(**OF_ALL), "then": "guide"})
    assert guided.context["priced"]["what"] == "Quantiles of each person’s number of rows at 0.98"
    assert guided.context["count_first"] is None
    assert guided.context["priced"]["share"] == guide["share"]
    form = guided.context["form"]
    assert (form["measure"].value(), form["shares"].value()) == ("person_rows", "0.98")
    assert guided.context["guide"] is None
    # Of thirty people nearly all is lost in noise, half is not.
    fields = {"measure": "person_rows", "shares": "0.5", "meant": form["meant"].value()}
    where = {name: value for name, value in OF_1991.items() if name.startswith("where")}
    scientist.post(page, agreed(scientist, page, **fields, **where, epsilon="28"))
    answer = compute(Answer.objects.get())
    assert round(answer.result["lines"][0]["figures"][0]["value"]) == 3
    text = scientist.get(reverse("privacy:answer", args=[answer.pk])).content.decode()
    assert "Count with at most 3 rows per person" in text
    assert f'href="{page}?guided={answer.pk}">Mean of wage, at most 3 rows per person</a>' in text
    again = scientist.get(page, {"guided": str(answer.pk)}).context
    assert (again["form"]["measure"].value(), again["form"]["rows"].value()) == ("mean", 3)
    assert again["priced"]["what"] == "Mean of wage, at most 3 rows per person"


def test_no_guide_is_proposed_behind_a_condition_until_it_is_known_whom_it_leaves(
    scientist, crowded, page, compute
):
    """Its error is that of a share of these people, and nothing else tells how many they are."""

    def guide():
        return scientist.post(page, {**typed(**OF_1991, epsilon="10"), "then": "price"}).context["guide"]

    assert guide() is None
    scientist.post(page, agreed(scientist, page, **{**OF_1991, "measure": "count", "epsilon": "20"}))
    count = compute(Answer.objects.get())
    assert guide() is None  # thirty people are too few
    count.result["lines"][0]["figures"][0]["value"] = 12_000.0
    count.save(update_fields=["result"])
    assert guide()["what"] == "How many rows does a person have?"


def test_a_guide_costs_at_most_a_quarter_of_what_it_may_make_cheaper(scientist, crowded):
    def quoted(epsilon):
        return questions.quote(
            crowded, Query(table="wages", measure=Count()), by=crowded.scientist, epsilon=epsilon
        )

    proposed = {epsilon: guides.guide(crowded, quoted(epsilon)) for epsilon in (0.1, 1, 2, 4, 8, 16, 29)}
    assert proposed[0.1] is None
    for epsilon, found in proposed.items():
        assert found is None or 4 * found[1].units <= quoted(epsilon).offer.units
    dearest = proposed[16]
    assert dearest is not None
    assert dearest[1].share <= 0.02


def test_no_guide_is_proposed_for_what_can_never_be_asked(scientist, crowded, page):
    """Without a price there is nothing that could be cheaper."""
    asked = scientist.post(page, {**typed(**OF_ALL, by=["wage"]), "then": "price"})
    assert asked.context["refusal"]
    assert asked.context["guide"] is None
    asked = scientist.post(page, {**typed(**{**OF_ALL, "epsilon": "1e9"}), "then": "price"})
    assert asked.context["priced"] is None
    assert asked.context["guide"] is None


def test_a_guide_asked_for_by_itself_leads_to_the_plainest_question(scientist, crowded, page, compute):
    scientist.post(
        page,
        agreed(scientist, page, measure="person_amount", shares="0.5", column="wage", rows="2", epsilon="28"),
    )
    answer = compute(Answer.objects.get())
    assert answer.query["rows"] is None
    again = scientist.get(page, {"guided": str(answer.pk)}).context["form"]
    # Half of them have less than 50 000 EUR in all, which one row may hold.
    assert (again["measure"].value(), again["column"].value(), again["rows"].value()) == ("sum", "wage", 1)
    assert "union bound" in answer.record["intervals"]
    # Under other declarations it leads nowhere, and the page stays.
    spec = questions.quote(crowded, decode(answer.query), by=crowded.scientist, epsilon=1).spec
    assert guides.better(answer, spec) is not None
    assert guides.better(answer, replace(spec, columns={})) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"measure": "people"},
        {"measure": "person_mean", "column": "wage"},
        {"measure": "count", "rows": "1"},
        {"measure": "variance", "column": "wage"},
    ],
)
def test_no_guide_is_proposed_where_one_row_of_a_person_counts_or_none_helps(
    scientist, crowded, page, fields
):
    assert scientist.post(page, {**typed(**fields), "then": "price"}).context["guide"] is None


def test_no_guide_is_proposed_that_would_be_dear(scientist, budget, page):
    assert scientist.post(page, {**typed(measure="count"), "then": "price"}).context["guide"] is None


def test_what_a_guide_is_said_to_be_for_is_read_with_care(scientist, crowded, page):
    sent = agreed(scientist, page, measure="person_rows", meant='{"table": 5}')
    answer = scientist.post(page, sent)
    assert answer.status_code == 400
    assert not LedgerLine.objects.exists()


def answered(client, answer, **address):
    return client.get(reverse("privacy:answer", args=[answer.pk]), address).content.decode()


def test_a_count_leads_back_to_the_question_it_was_asked_before(scientist, budget, page, compute):
    counting = scientist.post(page, {**typed(**OF_1991), "then": "count"})
    assert "data-ask data-applied>" in counting.content.decode()
    meant = counting.context["form"]["meant"].value()
    where = {name: value for name, value in OF_1991.items() if name.startswith("where")}
    sent = agreed(scientist, page, measure="count", meant=meant, epsilon="20", **where)
    assert scientist.post(page, sent).status_code == 302
    answer = Answer.objects.get()
    assert "Back to your question" not in answered(scientist, answer)  # while it is computed
    compute(answer)
    text = answered(scientist, answer)
    assert f'href="{page}?back={answer.pk}"' in text
    assert "Back to your question: Mean of wage where year ≥ 1991</a>" in text
    again = scientist.get(page, {"back": str(answer.pk)}).context
    assert again["priced"]["what"] == "Mean of wage where year ≥ 1991"
    assert again["priced"]["error"].startswith("about ± ")
    assert again["form"]["measure"].value() == "mean"


def test_a_question_that_only_sql_can_say_is_led_back_to(scientist, budget, page, compute):
    sql = "SELECT AVG(wage)\nFROM wages\nWHERE year >= 1991 OR region = 'east'"
    counting = scientist.post(page, {**typed(source="sql", sql=sql), "then": "count"})
    form = counting.context["form"]
    sent = agreed(
        scientist, page, source="sql", sql=form["sql"].value(), meant=form["meant"].value(), epsilon="20"
    )
    scientist.post(page, sent)
    answer = compute(Answer.objects.get())
    again = scientist.get(page, {"back": str(answer.pk)}).context
    assert again["form"]["sql"].value() == sql
    assert again["priced"]["what"] == "Mean of wage where (year ≥ 1991 or region is east)"


def test_a_stored_count_leads_back_to_the_question_of_now(scientist, budget, page, compute):
    """It was paid for before another one, or before none."""
    scientist.post(page, agreed(scientist, page, measure="count", epsilon="20"))
    answer = compute(Answer.objects.get())
    assert "Back to your question" not in answered(scientist, answer)
    lines = LedgerLine.objects.count()
    meant = canonical(Query(table="wages", measure=Variance(Column("wage"))))
    sent = agreed(scientist, page, measure="count", epsilon="20", meant=meant)
    there = scientist.post(page, sent)
    assert there.url.startswith(f"{reverse('privacy:answer', args=[answer.pk])}?meant=")
    text = scientist.get(there.url).content.decode()
    assert "Back to your question: Variance of wage</a>" in text
    way = text.split(f'href="{page}?back=')[1].split('"')[0].replace("&amp;", "&")
    assert scientist.get(f"{page}?back={way}").context["priced"]["what"] == "Variance of wage"
    assert (Answer.objects.count(), LedgerLine.objects.count()) == (1, lines)


@pytest.mark.parametrize(
    "meant", ["{", '{"table": 5}', "[" * 1_900, "x" * 20_000, '{"table": "no", "measure": 1}']
)
def test_an_address_that_carries_no_question_is_as_if_it_carried_none(
    scientist, budget, page, compute, ask, meant
):
    answer = compute(ask(budget))
    assert "Back to your question" not in answered(scientist, answer, meant=meant)
    for name in ("back", "guided"):
        fresh = scientist.get(page, {name: str(answer.pk), "meant": meant})
        assert fresh.context["priced"]["what"] == "Number of people"


def test_a_question_of_another_table_in_an_address_fills_in_nothing(scientist, budget, page, compute, ask):
    answer = compute(ask(budget))
    meant = canonical(Query(table="elsewhere", measure=Variance(Column("<b>"))))
    assert "<b>" not in answered(scientist, answer, meant=meant)
    fresh = scientist.get(page, {"back": str(answer.pk), "meant": meant})
    assert fresh.context["priced"]["what"] == "Number of people"


@pytest.fixture
def guided(scientist, crowded, page, compute):
    """What the answer's page says when a guide has told a value."""
    return partial(told_by_guide, scientist, page, compute)


def told_by_guide(client, page, compute, value, **fields):
    meant = client.post(page, {**typed(**fields), "then": "guide"}).context["form"]["meant"].value()
    guide = {"measure": "person_rows"} if fields["measure"] != "sum" else {"measure": "person_amount"}
    sent = agreed(client, page, **{**fields, **guide, "meant": meant, "epsilon": "3"})
    client.post(page, sent)
    answer = compute(Answer.objects.get())
    answer.result["lines"][0]["figures"][0] |= {"value": value, "low": None, "high": None}
    answer.save(update_fields=["result"])
    return answered(client, answer)


@pytest.mark.parametrize(
    ("value", "fields", "said"),
    [
        (
            4.0,
            OF_ALL,
            "98 % have at most 4 rows, as declared: your question cannot be made cheaper this way.",
        ),
        (3.0, {**OF_ALL, "rows": "3"}, "98 % have at most 3 rows, as many as count already: your question"),
        (6.0, OF_ALL, "98 % have at most 6 rows, more than the 4 that count: your question"),
        (None, OF_ALL, "The noise hides what people have here. Ask your question as it was."),
        (
            200_000.0,
            {**OF_ALL, "measure": "sum"},
            "98 % add up to at most what 4 rows can hold, as declared: your question",
        ),
    ],
)
def test_a_guide_that_gains_nothing_says_so_and_leads_back(guided, value, fields, said):
    text = guided(value, **fields)
    assert said in text
    assert "Count with at most" not in text
    assert "Back to your question: " in text
    if value == 200_000.0:
        assert "Back to your question: Sum of wage</a>" in text


COLUMN = {"kind": "column", "name": "nope"}
COUNTED = {"table": "wages", "measure": {"kind": "count"}}


@pytest.mark.parametrize(
    "meant",
    [
        {**COUNTED, "table": "nope"},
        {**COUNTED, "by": ["nope"]},
        {**COUNTED, "where": {"kind": "compare", "op": "~", "left": COLUMN, "right": COLUMN}},
        {**COUNTED, "where": {"kind": "in", "column": "nope", "values": ["a"]}},
        {**COUNTED, "measure": {"kind": "sum", "of": COLUMN}},
        {**COUNTED, "measure": {"kind": "quantiles", "of": {"kind": "column", "name": "wage"}, "at": [9]}},
    ],
)
def test_a_question_that_nobody_can_ask_leads_nowhere(scientist, budget, page, ask, compute, meant):
    """Neither from an address, where the pages stay as they are, nor from a form, where nothing is charged."""
    answer, text = compute(ask(budget)), json.dumps(meant)
    addresses = [
        reverse("privacy:answer", args=[answer.pk]),
        f"{page}?back={answer.pk}",
        f"{page}?guided={answer.pk}",
    ]
    for address in addresses:
        found = scientist.get(f"{address}{'&' if '?' in address else '?'}meant={quote(text)}")
        assert found.status_code == 200
        assert not found.context.get("back")
        assert "nope" not in found.content.decode()
    charged = LedgerLine.objects.count()
    assert scientist.post(page, agreed(scientist, page, measure="count", meant=text)).status_code == 400
    assert LedgerLine.objects.count() == charged
