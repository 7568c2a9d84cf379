"""Answers: shown on their tick and not before, to those who may read them, as pages, files and JSON."""

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.inbox import inbox
from privacy import queries
from privacy.engine.language import wire
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Distribution, Query
from privacy.engine.language.wire import decode
from privacy.engine.plan import joint
from privacy.models import Answer, Promise
from privacy.presentation import noise_advice, words
from tests import make

pytestmark = pytest.mark.django_db

BY_REGION = "SELECT region, COUNT(DISTINCT person) FROM wages GROUP BY region"


def url(answer, name="answer", *more):
    return reverse(f"privacy:{name}", args=[answer.pk, *more])


def called(answer):
    return reverse("api:answer", args=[answer.pk])


@pytest.fixture
def answered(budget, ask, compute):
    return compute(ask(budget, BY_REGION, epsilon=20))


def test_an_answer_has_a_table_a_chart_intervals_and_its_price(as_, budget, answered):
    text = as_(budget.scientist).get(url(answered)).content.decode()
    for line in answered.result["lines"]:
        assert f'<th scope="row">{line["key"][0]}</th>' in text
    assert text.count('<svg class="chart"') == 2
    assert text.count('class="chart-bar"') == 2 * 3
    for shown in ("ε 20", "δ 1e-6", "Discrete Gaussian", "complete: nobody is left out", "± (95 %)"):
        assert shown in text
    assert answered.sql.replace("\n", " ") in text


def test_a_single_number_stands_with_its_interval(as_, budget, ask, compute):
    answer = compute(ask(budget, epsilon=20))
    page = as_(budget.scientist).get(url(answer))
    figure = page.context["single"]["figures"][0]
    assert page.context["unit"] == "people"
    assert figure["half"] == f"{answer.result['lines'][0]['figures'][0]['half_width']:.2f}"
    assert f"95 % interval: {figure['low']} to {figure['high']}" in page.content.decode()


def test_quantiles_stand_with_the_ends_of_their_intervals(as_, budget, ask, compute):
    """A column of whole numbers has whole quantiles; what is not told apart is said."""
    client = as_(budget.scientist)
    for column in ("year", "wage"):
        answer = compute(ask(budget, f"SELECT MEDIAN({column}) FROM wages", epsilon=14))  # noqa: S608
        line = answer.result["lines"][0]
        (figure,) = line["figures"]
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert "union bound" in answer.record["intervals"]
        page = client.get(url(answer))
        text, (shown,) = page.content.decode(), page.context["rows"][0]["figures"]
        assert f"95 % interval: {shown['low']} to {shown['high']}" in text
        assert ("Every value that the column can have is distinguished" in text) == (column == "year")
        assert ("points between the declared bounds" in text) == (column == "wage")
        assert (
            "The interval can be wider than the error of the rank, on one side up to the declared bound"
            in text
        )
        assert column == "wage" or "." not in shown["value"] + shown["low"] + shown["high"]
        rows = list(csv.reader(io.StringIO(client.get(url(answer, "download", "csv")).content.decode())))
        assert rows[0] == [
            "share",
            "quantile",
            "quantile_low_95",
            "quantile_high_95",
            "rows_per_person_at_most",
        ]
        assert rows[1][1:] == [*(str(figure[part]) for part in ("value", "low", "high")), "4"]
        assert client.get(called(answer)).json()["result"]["lines"] == [line]


def test_quantiles_that_were_stored_without_intervals_are_still_shown(as_, budget, ask, compute):
    answer, client = compute(ask(budget, "SELECT MEDIAN(wage) FROM wages", epsilon=25)), as_(budget.scientist)
    figure = {"name": "quantile", "value": 1207.0055, "half_width": None}
    Answer.objects.update(result={"by": ["share"], "lines": [{"key": ["0.5"], "figures": [figure]}]})
    text = client.get(url(answer)).content.decode()
    assert "1,207.01" in text
    assert "95 % interval" not in text
    rows = list(csv.reader(io.StringIO(client.get(url(answer, "download", "csv")).content.decode())))
    assert rows == [
        ["share", "quantile", "quantile_half_width_95", "rows_per_person_at_most"],
        ["0.5", "1207.0055", "", "4"],
    ]


def test_nothing_of_an_answer_is_shown_before_its_tick(as_, budget, answered):
    """The figures are already in the database: no page, file, call or inbox shows them early."""
    Answer.objects.filter(pk=answered.pk).update(visible_at=timezone.now() + timedelta(hours=1))
    client = as_(budget.scientist)
    number = str(answered.result["lines"][0]["figures"][0]["value"])
    page = client.get(url(answered)).content.decode()
    assert "Being computed" in page
    assert number[:6] not in page
    assert [
        client.get(url(answered, "download", form)).status_code for form in ("csv", "json", "record")
    ] == [404] * 3
    told = client.get(called(answered)).json()
    assert (told["state"], told["result"], told["record"]) == ("pending", None, None)
    assert "Answered" not in client.get(reverse("privacy:index")).content.decode()
    assert [item.kind for item in inbox(budget.scientist)] == []


def test_an_answer_waits_in_the_inbox_until_it_is_seen(as_, budget, answered):
    assert [(item.kind, item.title) for item in inbox(budget.scientist)] == [
        ("answer", "Number of people by region")
    ]
    as_(budget.promise.dataset.owner).get(url(answered))
    assert len(inbox(budget.scientist)) == 1
    as_(budget.scientist).get(url(answered))
    assert len(inbox(budget.scientist)) == 0


def test_a_waiting_page_asks_again_by_itself(as_, budget, ask, compute):
    answer, client = ask(budget), as_(budget.scientist)
    waiting = client.get(
        url(answer), headers={"HX-Request": "true", "HX-Target": "answer-live"}
    ).content.decode()
    assert f'data-live="user:{budget.scientist.pk}"' in waiting
    assert "every 1s" in waiting
    compute(answer)
    done = client.get(
        url(answer), headers={"HX-Request": "true", "HX-Target": "answer-live"}
    ).content.decode()
    assert "every 1s" not in done
    assert "data-live" not in done


def rounded(half):
    """Half of an interval as files have it."""
    return str(float(f"{half:.9g}"))


def test_files_hold_the_whole_answer_and_no_formulas(as_, budget, answered):
    result = answered.result
    result["lines"][0]["key"] = ["=cmd|' /C calc'!A0"]
    Answer.objects.filter(pk=answered.pk).update(result=result)
    client = as_(budget.scientist)
    rows = list(csv.reader(io.StringIO(client.get(url(answered, "download", "csv")).content.decode())))
    assert rows[0] == ["region", "count", "count_half_width_95", "count_half_width_95_joint"]
    assert rows[1][0] == "'=cmd|' /C calc'!A0"
    figures = [line["figures"][0] for line in result["lines"]]
    assert [row[1:3] for row in rows[1:]] == [[str(f["value"]), rounded(f["half_width"])] for f in figures]
    factor = json.loads(client.get(url(answered, "download", "record")).content)["joint_factor"]
    assert factor == joint.factor(3)
    assert [row[3] for row in rows[1:]] == [rounded(f["half_width"] * factor) for f in figures]
    assert json.loads(client.get(url(answered, "download", "json")).content)["result"] == result
    record = json.loads(client.get(url(answered, "download", "record")).content)
    assert (record["delta"], record["mode"], record["query"]) == (1e-6, "complete", answered.query)


def test_groups_say_how_wide_intervals_are_that_hold_all_together(as_, budget, ask, compute):
    client, answered = as_(budget.scientist), compute(ask(budget, BY_REGION, epsilon=3))
    alone = "On its own, each is a 95 % interval."
    half = answered.result["lines"][0]["figures"][0]["half_width"]
    counts = client.get(url(answered)).content.decode()
    wide = words.shown(half * joint.factor(3), words.places(half * joint.factor(3)))
    assert (
        f"{alone} All 3 hold together with 95 % confidence if they are 1.22 times as wide: ± {wide} people."
        in counts
    )
    assert "± all 3</th>" not in counts
    means = compute(ask(budget, "SELECT region, AVG(wage) FROM wages GROUP BY region", epsilon=14))
    text = client.get(url(means)).content.decode()
    assert (
        f"{alone} All 3 of a column hold together with 95 % confidence if they are 1.22 times as wide, as under"
        in text
    )
    assert text.count("± all 3</th>") == 1
    single = client.get(url(compute(ask(budget, epsilon=3)))).content.decode()
    assert alone not in single


def test_the_error_told_before_is_also_that_of_all_groups_together(as_, budget):
    client = as_(budget.scientist)
    page = client.post(
        reverse("privacy:price", args=[budget.pk]),
        {"source": "sql", "sql": BY_REGION, "goal": "error", "error": "10", "key": str(uuid4())},
    ).content.decode()
    assert "in 95 of 100 cases, in each of 3 groups; in all of them together ± 12.2 people" in page


def test_answers_of_older_versions_are_shown(as_, budget, answered):
    """A distribution as it was stored before there were joint factors, and one with a figure whose error is unknown."""
    query = {
        "table": "wages",
        "measure": Distribution(Column("wage"), 2),
        "where": None,
        "by": (),
        "rows": None,
    }
    share = {"name": "share", "value": 0.25, "half_width": 0.01}
    lines = [
        {"key": ["5"], "figures": [share]},
        {"key": ["9"], "figures": [share | {"value": 1.0, "half_width": 0.0}]},
    ]
    Answer.objects.filter(pk=answered.pk).update(
        query=wire.encode(Query(**query)),
        result={"by": ["at most"], "lines": lines},
        record={"mechanism": "discrete Gaussian on integers, one subject's contribution clipped in L2"},
    )
    client = as_(budget.scientist)
    text = client.get(url(answered)).content.decode()
    assert (
        "All 2 hold together with 95 % confidence if they are 1.15 times as wide, as under “± all 2”." in text
    )
    assert "0.25" in text
    assert {
        client.get(url(answered, "download", form)).status_code for form in ("csv", "json", "record")
    } == {200}
    head = client.get(url(answered, "download", "csv")).content.decode().splitlines()[0]
    assert head == "wage_at_most,share,share_half_width_95,share_half_width_95_joint"
    assert '<th scope="col">up to (EUR)</th>' in text
    assert "Share of rows up to here</th>" in text
    assert "joint_factor" not in client.get(called(answered)).json()["record"]
    Answer.objects.filter(pk=answered.pk).update(
        result={"by": ["value"], "lines": [{"key": ["a"], "figures": [share | {"half_width": None}]}] * 2}
    )
    text = client.get(url(answered)).content.decode()
    assert "0.25" in text
    assert "hold together" not in text


def test_who_reads_an_answer(as_, budget, answered):
    """Its scientist, the dataset's owner and auditors; an admin reads no results, and nobody else knows of it."""
    other = make.scientist()
    make.grant(budget.promise.dataset, other)
    readers = [budget.scientist, budget.promise.dataset.owner, make.auditor()]
    strangers = [make.admin(), make.owner(), other, make.user()]
    pages = [url(answered), url(answered, "download", "csv"), called(answered)]
    assert {as_(person).get(page).status_code for person in readers for page in pages} == {200}
    assert {as_(person).get(page).status_code for person in strangers for page in pages} == {404}
    for person in strangers:
        assert "Number of people by region" not in as_(person).get(reverse("privacy:index")).content.decode()


def test_lost_and_voided_answers_say_what_it_cost(as_, budget, ask):
    answer, client = ask(budget), as_(budget.scientist)
    Answer.objects.filter(pk=answer.pk).update(state="lost")
    assert "It was charged all the same" in client.get(url(answer)).content.decode()
    Answer.objects.filter(pk=answer.pk).update(
        state="voided", record={"why": "No worker started on it in time."}
    )
    page = client.get(url(answer))
    assert "No worker started on it in time." in page.content.decode()
    assert page.context["cost"] == "0 %"


def test_an_extended_answer_says_that_it_may_leave_people_out(as_, budget, answered):
    client = as_(budget.scientist)
    assert "May silently leave people out" not in client.get(url(answered)).content.decode()
    Answer.objects.filter(pk=answered.pk).update(extended=True)
    assert "May silently leave people out" in client.get(url(answered)).content.decode()


def test_who_is_still_in_can_be_asked_of_those_whom_an_answer_was_about(as_, budget, ask, compute):
    """An ordinary count at the price of the answer: whoever cannot pay it is not in it."""
    where = "SELECT region, AVG(wage) FROM wages WHERE year >= 1991 GROUP BY region"
    answer = compute(ask(budget, where, epsilon=3.0))
    Answer.objects.filter(pk=answer.pk).update(extended=True)
    client = as_(budget.scientist)
    link = f"{reverse('privacy:ask', args=[budget.pk])}?still={answer.pk}"
    assert link in client.get(url(answer)).content.decode()
    page = client.get(link)
    quote = page.context["asked"].quote
    assert quote.offer.mu == pytest.approx(answer.mu, rel=0.01)
    assert page.context["form"]["sql"].value() == (
        "SELECT COUNT(DISTINCT person)\nFROM wages\nWHERE year >= 1991"
    )
    stranger = as_(make.scientist())
    assert stranger.get(link).status_code == 404


def test_a_restored_database_makes_no_answer_complete(as_, budget, ask, compute):
    Promise.objects.update(incomplete_since=timezone.now())
    budget.refresh_from_db()
    client = as_(budget.scientist)
    for page in ("privacy:ask", "privacy:budget"):
        text = client.get(reverse(page, args=[budget.pk])).content.decode()
        assert "leave" in text
        assert "answers are complete" not in text
    assert ask(budget).extended


def test_groups_say_where_the_rows_without_a_value_are(as_, budget, answered):
    client = as_(budget.scientist)
    assert (
        "Rows where region is missing are in none of these groups."
        in client.get(url(answered)).content.decode()
    )
    text = client.get(reverse("privacy:ask", args=[budget.pk])).content.decode()
    assert "Rows without a value are in no group (region)." in text


def test_figures_stand_with_their_units(as_, budget, ask, compute):
    client = as_(budget.scientist)
    means = compute(ask(budget, "SELECT region, AVG(wage) FROM wages GROUP BY region", epsilon=14))
    text = client.get(url(means)).content.decode()
    assert ">Mean (EUR)</th>" in text
    assert ">Rows</th>" in text
    assert re.search(r"as under “± all 3”; for the rows that is ± [\d.]+ rows\.", text)
    median = compute(ask(budget, "SELECT MEDIAN(wage) FROM wages", epsilon=14))
    page = client.get(url(median))
    assert (page.context["question"], page.context["single"]["figures"][0]["name"]) == (
        "Median of wage",
        "Median",
    )
    assert ' <span class="figure-unit">EUR</span></p>' in page.content.decode()


def test_what_is_all_lost_in_noise_is_not_drawn(as_, budget, ask, compute):
    answer = compute(ask(budget, "SELECT region, AVG(wage) FROM wages GROUP BY region", epsilon=0.01))
    page = as_(budget.scientist).get(url(answer))
    known = any(line["figures"][0]["value"] is not None for line in answer.result["lines"])
    assert bool(page.context["charts"]) == known


def test_what_is_lost_in_noise_says_why_and_leads_back_to_the_question(as_, budget, ask, compute):
    text = "SELECT region, VAR_POP(wage) FROM wages WHERE year > 1990 GROUP BY region"
    answer = compute(ask(budget, text, epsilon=0.5))
    figures = [{"name": name, "value": None, "half_width": None} for name in ("variance", "n")]
    lines: list[Any] = [{"key": [key], "figures": figures} for key in ("east", "north", "west")]
    Answer.objects.update(result={"by": ["region"], "lines": lines})
    page = as_(budget.scientist).get(url(answer))
    ways = "narrower bounds (LEAST and GREATEST), fewer rows per person, fewer groups, less strict conditions or more ε"
    assert page.context["lost"] == (
        "There is too little data behind this question for the noise that ε 0.5 needs. It was charged all the same. "
        f"Try {ways}."
    )
    again = f"{reverse('privacy:ask', args=[budget.pk])}?again={answer.pk}"
    assert f'<a href="{again}">Change and ask again</a>' in page.content.decode()
    assert again not in as_(budget.promise.dataset.owner).get(url(answer)).content.decode()
    told = [{"name": "mean", "value": 3.0, "half_width": 1.0}]
    some: dict[str, Any] = {"by": ["region"], "lines": [*lines[:2], {"key": ["west"], "figures": told}]}
    query, table = decode(answer.query), queries.table_of(answer)
    assert noise_advice.sentence(some, query, table, "2").startswith(
        "There is too little data behind 2 of 3 groups for"
    )
    assert not noise_advice.sentence({"by": [], "lines": some["lines"][2:]}, query, table, "2")


def test_the_list_is_filtered_and_keeps_its_filter(as_, budget, ask, answered):
    ask(budget, "SELECT SUM(wage) FROM wages")
    client = as_(budget.scientist)

    def titles(**wanted):
        return [title for _, title, _ in client.get(reverse("privacy:index"), wanted).context["rows"]]

    assert titles() == ["Sum of wage", "Number of people by region"]
    assert titles(q="SUM(") == ["Sum of wage"]
    assert titles(state="released") == ["Number of people by region"]
    assert titles(dataset=str(budget.promise.dataset_id), q="nothing") == []
    assert titles(dataset="nonsense") == titles()


@pytest.mark.parametrize("count", [1, 4])
def test_pages_need_as_many_queries_for_four_as_for_one(
    as_, budget, ask, compute, django_assert_max_num_queries, count
):
    for k in range(count):
        compute(ask(budget, f"SELECT COUNT(*) FROM wages WHERE year > {1990 + k}", epsilon=2))  # noqa: S608
    answer = Answer.objects.first()
    scientist, owner = as_(budget.scientist), as_(budget.promise.dataset.owner)
    data = budget.promise.dataset_id
    paths = [reverse("privacy:index"), reverse("privacy:budget", args=[budget.pk]), url(answer)]
    owned = [reverse("privacy:dataset", args=[data]), reverse("privacy:ledger", args=[data])]
    for client, pages in ((scientist, paths), (owner, [*paths, *owned])):
        for page in pages:
            with django_assert_max_num_queries(19):
                assert client.get(page).status_code == 200
