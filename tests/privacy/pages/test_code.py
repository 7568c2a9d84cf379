"""Pages of code that answers in blocks: written, tried, asked and answered."""

import csv
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.inbox import inbox
from privacy import services
from privacy.code_forms import CodeForm
from privacy.declarations import specs_of
from privacy.engine.language.code import Ball, Box, CodeQuestion, Votes, check_code
from privacy.engine.language.expressions import In
from privacy.engine.language.sql import read_condition
from privacy.models import Answer, CodeTrial, LedgerLine
from privacy.presentation import code_hints
from privacy.presentation.code_form import example, fields_of
from privacy.services import code_answers
from tests import make
from tests.makers import code as coded
from tests.makers import environment_folders, environments
from tests.makers import privacy as shares
from tests.makers.code import BALL, BOX, VOTES, line

pytestmark = pytest.mark.django_db


@pytest.fixture
def budget():
    data, scientist = make.dataset(), make.scientist(name="Sam Scientist")
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=20_000, constants=["region"], scientists=2
    )
    return services.give_budget(made, scientist, by=data.owner, epsilon=8)


@pytest.fixture
def page(budget):
    return reverse("privacy:code", args=[budget.pk])


@pytest.fixture
def table(budget):
    return specs_of(budget.promise.dataset.current, ["region"])["wages"]


def at(name, item, *more):
    return reverse(f"privacy:{name}", args=[item.pk, *more])


def typed(question, table, **more):
    """What a browser sends for a question."""
    fields = {**fields_of(question, table), "goal": "share", "share": "40", "then": "try", **more}
    if not fields.pop("halves") or more.get("halves") == "":
        fields.pop("halves", None)
    else:
        fields["halves"] = "on"
    return {name: value for name, value in fields.items() if value is not None}


def test_the_example_is_tried_as_it_stands(scientist, budget, page, table):
    first = scientist.get(page)
    form = first.context["form"]
    assert "def main(t):" in first.content.decode()
    check_code(example(table))
    answer = scientist.post(page, typed(example(table), table, share=form.initial["share"]))
    trial = CodeTrial.objects.get()
    assert answer["Location"] == at("trial", trial)
    assert trial.question["code"] == example(table).code


@pytest.mark.parametrize(
    "question",
    [
        BOX,
        BALL,
        VOTES,
        CodeQuestion(
            table="wages",
            code="def main(t, state):\r\n    return state",
            shape=Ball(size=2, radius=0.5, rounds=3, start=(0.25, -1.0)),
            people=9_000,
            blocks=40,
        ),
        CodeQuestion(
            table="wages", code="def main(t): return 1",
            shape=Box(names=("a",), lower=(-1.5,), upper=(2e20,), method="median", halves=False),
        ),
    ],
)  # fmt: skip
def test_a_question_comes_back_as_it_was_typed(question, table):
    form = CodeForm(
        typed(question, table, condition="year >= 1991 AND region = 'east'"), tables={"wages": table}
    )
    assert form.is_valid(), form.errors
    again = CodeForm(typed(form.question(), table), tables={"wages": table})
    assert again.is_valid(), again.errors
    assert again.question() == form.question()
    assert (again.question().shape, again.question().blocks) == (question.shape, question.blocks)
    assert again.question().where == read_condition("year >= 1991 AND region = 'east'", table)


@pytest.mark.parametrize(
    ("more", "place", "says"),
    [
        ({"code": "def main(t):\n    return ("}, "code", "Python cannot read line 2"),
        ({"code": "x = 1"}, "code", "Define a function main(t)"),
        ({"code": ""}, "code", "Write a function main(t)."),
        (
            {"condition": "year >=\n  1990 AND nothing = 1"},
            "condition",
            "Line 2, column 12: There is no column",
        ),
        ({"condition": "year > 1990 GROUP BY region"}, "condition", "Write the condition alone"),
        ({"people": "30000"}, "people", "cannot leave 30,000"),
        ({"blocks": "7"}, "blocks", "Enter a whole number from 20"),
        ({"shape": "vote", "labels": "up"}, "labels", "Give 2 to 100 different names."),
        ({"shape": "vector", "size": "5"}, "radius", "Enter the radius"),
        ({"shape": "vector", "size": "2", "radius": "1", "start": "1 x"}, "start", "“x” is not a number"),
        ({"goal": "epsilon"}, "epsilon", "Enter what the answer may cost."),
        ({"goal": "epsilon", "epsilon": "-1"}, "epsilon", "Epsilon must be between"),
        ({"share": "140"}, "share", "Enter a percentage"),
        ({"people": "500"}, None, "500 people make 16"),
        ({"table": "odd"}, "table", "There is no table “odd” here."),
        ({"output-1-upper": "many"}, "output", "“many” is not a number: enter the upper bound"),
        ({"output-1-upper": "-1"}, "output", "must be above its lower bound"),
        ({"output-0-name": "middle"}, "outputs", "different names"),
    ],
)
def test_each_error_stands_at_its_field_and_nothing_is_lost(scientist, page, table, more, place, says):
    sent = typed(BOX, table) | more
    answer = scientist.post(page, sent)
    form, text = answer.context["form"], answer.content.decode()
    assert answer.status_code == 400
    assert not CodeTrial.objects.exists()
    found = {
        "output": [error for output in form.outputs for error in output.wrong.values()],
        "outputs": [form.outputs_error],
        **form.errors,
        None: form.non_field_errors(),
    }[place]
    assert any(says in error for error in found), (found, form.errors)
    for name in set(more) - {"table"}:
        assert str(form[name].value() if name in form.fields else sent[name]).split("\n")[0] in sent[name]
    assert 'value="middle"' in text
    assert form.has_more


def test_an_environment_is_chosen_where_there_are_several(scientist, budget, page, table, settings, tmp_path):
    assert 'name="environment"' not in scientist.get(page).content.decode()
    assert "sklearn" in scientist.get(page).context["words"]
    environment_folders.on_disk(tmp_path)
    environment_folders.on_disk(tmp_path, "default", package="numpy")
    settings.ENVIRONMENTS = tmp_path
    row = environments.offered()
    answer = scientist.get(page)
    assert 'name="environment"' in answer.content.decode()
    assert environment_folders.PACKAGE in answer.context["words"]
    wrong = scientist.post(page, typed(BOX, table, environment="none"))
    assert "There is no code environment “none”" in wrong.context["form"].errors["environment"][0]
    sent = replace(BOX, environment=environment_folders.NAME)
    trial = CodeTrial.objects.get(pk=scientist.post(page, typed(sent, table))["Location"].split("/")[-2])
    assert trial.question["environment"] == environment_folders.NAME
    coded.trial(budget, sent)
    again = f"{page}?again={trial.pk}"
    assert scientist.get(again).context["form"]["environment"].value() == environment_folders.NAME
    row.state = "retired"
    row.save()
    assert "odd is not available any more" in scientist.get(again).content.decode()


def test_a_syntax_error_carries_its_line_to_the_editor(scientist, page, table):
    text = scientist.post(page, typed(BOX, table, code="def main(t):\n    return (")).content.decode()
    assert 'data-wrong-line="2"' in text


def test_without_scripts_a_line_can_be_added(scientist, page, table):
    answer = scientist.post(page, typed(BOX, table, then="add", code="def main("))
    assert answer.status_code == 200
    assert answer.content.decode().count("data-output>") == 4
    assert "def main(" in answer.content.decode()
    assert "field-error" not in answer.content.decode()


def test_a_trial_shows_its_progress_and_can_be_stopped(scientist, budget):
    trial = code_answers.try_out(budget, BOX, by=budget.scientist, share=0.4)
    CodeTrial.objects.filter(pk=trial.pk).update(state="running", progress=0.6, begun_at=timezone.now())
    part = scientist.get(at("trial", trial), headers={"HX-Request": "true", "HX-Target": "trial-live"})
    assert 'value="60"' in part.content.decode()
    assert "<html" not in part.content.decode()
    scientist.post(at("stop_trial", trial))
    assert "You have stopped this trial." in scientist.get(at("trial", trial)).content.decode()


def test_a_trial_tells_what_the_code_did_and_what_it_costs(scientist, budget):
    found = coded.report(BOX, failed=2, late=1, tracebacks=["<script>alert(1)</script>"])
    trial = coded.trial(budget, found=found)
    text = scientist.get(at("trial", trial)).content.decode()
    for shown in (
        "200 blocks of mock people: 2 failed and 1 were late",
        f"Cutting into {trial.blocks:,} blocks moves spread by 12.2",
        "900 to 1,300",
        "Use 113 blocks",
        "Ask: spend 40 %",
        "&lt;script&gt;alert(1)",
        "s from the start of its turn, whatever happens",
        "SELECT QUANTILE(wage, 0.5) FROM wages",
    ):
        assert shown in text, shown
    assert "<script>alert(1)" not in text
    assert text.count('<svg class="chart"') == 2


@pytest.mark.parametrize("question", [BALL, VOTES])
def test_vectors_and_votes_are_told_too(scientist, budget, question):
    text = scientist.get(at("trial", coded.trial(budget, question))).content.decode()
    assert ("moves the vector by a length of 0.9" in text) == (question is BALL)
    assert ("returns <strong>up</strong>" in text or "return it too" in text) == (question is VOTES)


def test_a_refusal_says_what_to_do(scientist, budget):
    failing = coded.trial(budget, found=coded.report(BOX, failed=40))
    text = scientist.get(at("trial", failing)).content.decode()
    assert "40 of 200 blocks of mock data gave no answer" in text
    assert "Ask: spend" not in text
    wrong = coded.trial(
        budget, VOTES, found=coded.report(VOTES, why="The code fails on the whole mock table.")
    )
    assert "The code fails on the whole mock table." in scientist.get(at("trial", wrong)).content.decode()
    key = {"key": "0" * 32}
    assert scientist.post(at("ask_code", failing), key)["Location"] == at("trial", failing)
    assert not Answer.objects.exists()


def test_trials_are_their_scientists_own(as_, budget):
    trial = coded.trial(budget)
    for person in (budget.promise.dataset.owner, make.auditor(), make.admin(), make.scientist(name="Odd")):
        client = as_(person)
        assert client.get(at("trial", trial)).status_code == 404
        assert [client.post(at(name, trial)).status_code for name in ("stop_trial", "ask_code")] == [404, 404]


def test_code_is_asked_once_a_page_and_may_be_withdrawn_until_it_begins(scientist, budget):
    trial = coded.trial(budget)
    key = {"key": scientist.get(at("trial", trial)).context["key"]}
    first, second = (scientist.post(at("ask_code", trial), key)["Location"] for _ in range(2))
    answer = Answer.objects.get()
    assert first == second == at("answer", answer)
    text = scientist.get(first).content.decode()
    assert "Waiting for its turn" in text
    assert "Withdraw" in text
    assert "quantile(0.9)" in text
    assert "Show the stored answer" in scientist.get(at("trial", trial)).content.decode()
    scientist.post(at("withdraw", answer))
    assert LedgerLine.objects.filter(kind="void").count() == 1
    assert "nothing was charged" in scientist.get(first).content.decode()


def test_a_running_answer_counts_down_to_its_public_deadline(scientist, budget):
    answer = coded.answer(coded.trial(budget))
    now = timezone.now()
    running = Answer.objects.filter(pk=answer.pk)
    running.update(begun_at=now, opened_at=now, deadline=now + timedelta(seconds=47))
    text = scientist.get(at("answer", answer)).content.decode()
    assert "data-until" in text
    assert 'action="' + at("withdraw", answer) not in text
    scientist.post(at("withdraw", answer))
    assert not LedgerLine.objects.filter(kind="void").exists()
    running.update(begun_at=now - timedelta(seconds=50), deadline=now - timedelta(seconds=1))
    assert "or it is lost" in scientist.get(at("answer", answer)).content.decode()


def test_an_answer_shows_its_numbers_and_only_the_owner_how_blocks_ended(as_, scientist, budget):
    lines = [line("spread", 1_204.512, 140.0), line("middle", 2_000.25, low=1_900.0, high=2_100.0)]
    answer = coded.released(coded.trial(budget), lines, "output")
    assert [item.title for item in inbox(budget.scientist)] == ["Code on wages: spread, middle"]
    text = scientist.get(at("answer", answer)).content.decode()
    for shown in (
        "1,205", "1,065 to 1,345", "1,900 to 2,100", "moved spread by \N{MINUS SIGN}12.2 and", "quantile(0.9)",
        "covers the noise alone",
    ):  # fmt: skip
        assert shown in text, shown
    rows = list(csv.reader(io.StringIO(scientist.get(at("download", answer, "csv")).content.decode())))
    assert rows[1][:2] == ["spread", "1204.512"]
    assert [scientist.get(at("download", answer, form)).status_code for form in ("json", "record")] == [
        200,
        200,
    ]
    told = {
        name: "For you alone" in as_(person).get(at("answer", answer)).content.decode()
        for name, person in {
            "owner": budget.promise.dataset.owner, "scientist": budget.scientist, "auditor": make.auditor(),
        }.items()
    }  # fmt: skip
    assert told == {"owner": True, "scientist": False, "auditor": False}
    owners = as_(budget.promise.dataset.owner)
    assert "12.2" not in owners.get(at("answer", answer)).content.decode()
    assert as_(make.admin()).get(at("answer", answer)).status_code == 404
    for name, item in (("ledger", budget.promise.dataset), ("budget", budget)):
        assert "Code on wages" in owners.get(at(name, item)).content.decode()
    assert "Code on wages" in scientist.get(reverse("privacy:index")).content.decode()


def test_a_vector_shows_fifty_numbers_and_votes_a_chart(scientist, budget):
    ball = coded.released(coded.trial(budget, BALL), [line(str(k), k / 7) for k in range(60)], "weight")
    assert "The first 50 of 60 numbers" in scientist.get(at("answer", ball)).content.decode()
    assert "length of 0.9" in scientist.get(at("answer", ball)).content.decode()
    votes = coded.released(
        coded.trial(budget, VOTES),
        [line("up", 0.7, 0.05), line("down", 0.3, 0.05), line("flat", 0.0, 0.05)],
        "label",
    )
    text = scientist.get(at("answer", votes)).content.decode()
    assert text.count('<svg class="chart"') == 2
    assert "Share of the blocks" in text
    assert "0.000 to 0.050" in text
    assert "90 % of the blocks chose the label" in text


def test_code_comes_back_to_the_form(scientist, budget, page):
    trial = coded.trial(budget)
    answer = coded.answer(trial)
    for address in (f"{page}?again={trial.pk}&blocks=113", f"{page}?answer={answer.pk}"):
        form = scientist.get(address).context["form"]
        assert form["code"].value() == BOX.code
        assert [output.name for output in form.outputs] == ["spread", "middle"]
        assert form["share"].value() == "40"
    assert scientist.get(f"{page}?again={trial.pk}&blocks=113").context["form"]["blocks"].value() == "113"
    assert scientist.get(f"{page}?again=odd").status_code == 200


def test_what_cannot_be_filled_in_is_said(as_, scientist, budget, page):
    odd = replace(BOX, where=In("region", ("nowhere",)))
    for question, says in (
        (odd, "SQL cannot say this condition"),
        (replace(BOX, table="gone"), "no table “gone”"),
    ):
        text = scientist.get(f"{page}?again={coded.found(budget, question).pk}").content.decode()
        assert says in text
        assert "quantile(0.9)" in text
    few = make.dataset()
    small = shares.budget(shares.promise(few), budget.scientist)
    make.grant(few, budget.scientist)
    assert "30 people make 1" in scientist.get(at("code", small)).content.decode()


def test_pages_lead_to_each_other_and_are_closed_to_others(as_, scientist, budget, page):
    for name in ("ask", "budget"):
        assert f'href="{page}' in scientist.get(at(name, budget)).content.decode()
    owner = as_(budget.promise.dataset.owner)
    assert owner.get(page).status_code == 403
    services.close_budget(budget, by=budget.promise.dataset.owner, reason="Done.")
    assert "closed" in scientist.get(page).content.decode()
    assert scientist.post(page, {}).status_code == 403


@pytest.mark.parametrize(
    ("returned", "asked"),
    [
        ("float(t['wage'].mean())", ["AVG(wage)"]),
        ("[x.median(), y.mean()]", ["QUANTILE(wage, 0.5)"]),
        (
            "[t.wage.quantile(0.9), t['wage'].dropna().sum(), len(t)]",
            ["QUANTILE(wage, 0.9)", "SUM(wage)", "COUNT(*)"],
        ),
        ("t['wage'].quantile(0.9) - t['wage'].quantile(0.1)", []),
        ("t['region'].count()", []),
        ("(", []),
    ],
)
def test_what_a_question_could_ask_is_named(table, returned, asked):
    sets = "x = t['wage'].dropna()\n    y = t['wage']\n    y = y + 1"
    found = code_hints.declarative(f"def main(t):\n    {sets}\n    return {returned}\n", table)
    assert [hint.sql.removeprefix("SELECT ").removesuffix(" FROM wages") for hint in found] == asked
    assert code_hints.declarative("x = 1", table) == []
    assert code_hints.declarative(f"def main(t):\n    return t{'.dropna()' * 400}.mean()", table) == []


def test_there_is_an_example_for_every_kind_of_table(table):
    columns = dict(table.columns)
    for left in (["region"], []):
        small = type(table)(
            name="wages", subject="person", max_rows=4, columns={name: columns[name] for name in left}
        )
        check_code(example(small))
        assert isinstance(example(small).shape, Box)
    assert isinstance(VOTES.shape, Votes)
