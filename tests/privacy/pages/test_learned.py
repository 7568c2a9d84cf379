"""Pages of models and synthetic tables, from answers made by hand."""

import csv
import io
import json
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from privacy.engine.language.expressions import Column
from privacy.engine.language.learning import Amount, Choice, NumberFeature
from privacy.engine.language.wire import decode, encode
from privacy.models import Answer
from privacy.presentation import exports
from tests import make
from tests.makers import learned

pytestmark = pytest.mark.django_db


def text_of(client, answer, name="answer", *args, **query):
    found = client.get(reverse(f"privacy:{name}", args=[answer.pk, *args], query=query))
    return unescape(b"".join(found).decode())


def test_a_model_shows_its_measures_its_calibration_and_what_each_column_adds(scientist, budget):
    answer = learned.model(budget)
    text = text_of(scientist, answer)
    assert "Model of whether wage > 20,000, from year and region" in text
    assert "on about 203 people kept for the test" in text
    for said in (
        "0.853",
        "0.8470 to 0.8590",
        "AUC",
        "about 812, a noisy number",
        "nearly as good as without noise",
    ):
        assert said in text
    assert (
        text.count('class="chart-dot"') == 2 * 9
    )  # a wide and a narrow chart, without the point lost in noise
    assert text.count('<figure class="effect">') == 2
    assert "its weights have no intervals" in text
    assert f"portal.answers['{answer.pk}']" in text
    assert "    'year': [1994],\n    'region': ['east'],\n}\nanswer.predict(rows)" in text


def test_the_files_of_a_model_have_its_weights_without_intervals_and_everything(scientist, budget):
    answer = learned.model(budget)
    rows = list(csv.reader(io.StringIO(text_of(scientist, answer, "download", "csv"))))
    assert rows[:2] == [["feature", "value", "weight"], ["intercept", "", "-1.2"]]
    assert json.loads(text_of(scientist, answer, "download", "json"))["result"] == answer.result


def test_a_model_of_several_values_shows_one_of_them_at_a_time(scientist, budget):
    answer = learned.model(budget, Choice("region"))
    for chosen, shown in (("", "east"), ("north", "north"), ("nowhere", "east")):
        text = text_of(scientist, answer, **({"class": chosen} if chosen else {}))
        assert f'<option value="{shown}" selected>' in text
        assert "Model of which region, from year" in text
        assert "how often the most frequent value is the right one" in text
        assert (
            text.count('<th scope="row" class="wrap">') == 3 + 5
        )  # what was predicted, and the weights of one value


def test_a_model_of_an_amount_has_effects_in_its_unit_and_may_be_untested(scientist, budget):
    text = text_of(scientist, learned.model(budget, Amount(Column("wage"))))
    assert "R²" in text
    assert "in EUR" in text
    assert "Errors larger than 40,000 count as 40,000." in text
    assert "What happened over what was predicted" not in text
    assert "It was not tested" in text_of(scientist, learned.model(budget, held_out=None))


def test_a_slope_is_a_line_and_a_figure_lost_in_noise_is_said(scientist, budget):
    slope = {"name": "wage", "kind": "slope", "middle": 1995.0, "half": 4.5, "effect": -0.25, "missing": 0.3}
    lost = {
        "people": learned.figure("people", None),
        "measures": [learned.figure("auc", None)],
        "calibration": [],
    }
    text = text_of(scientist, learned.model(budget, features=[slope], held_out=lost))
    assert "−0.25 for each 1 more" in text
    assert ">missing</text>" in text
    assert "lost in noise" in text
    assert "'wage': [1995]" in text


def test_no_weight_for_missing_is_drawn_where_no_value_can_be_missing(scientist, budget):
    year = {"name": "year", "kind": "slope", "middle": 1995.0, "half": 4.5, "effect": -0.25, "missing": None}
    assert ">missing</text>" not in text_of(scientist, learned.model(budget, features=[year]))


def test_with_hidden_layers_there_are_measures_alone(scientist, budget):
    answer = learned.model(budget, hidden=(16,))
    text = text_of(scientist, answer)
    assert "with 16 hidden units in 1 layer" in text
    assert "no column has an effect of its own" in text
    assert '<figure class="effect">' not in text
    assert reverse("privacy:download", args=[answer.pk, "csv"]) not in text


def test_a_synthetic_table_says_what_it_keeps_and_what_not(scientist, budget):
    text = text_of(scientist, learned.table(budget))
    assert "Synthetic table of year, region and wage" in text
    assert "How these columns go together: year and region; region and wage." in text
    assert "weaker in the table than they were measured: year and wage." in text
    assert text.count("is-framed") == 2 * 2 * 2  # two pairs, measured and kept, wide and narrow
    assert text.count('<figure class="effect">') == 3
    assert "wage (EUR)" in text
    assert "answer.table(rows=1000)" in text


def test_rows_of_a_synthetic_table_are_drawn_anew_and_always_the_same(scientist, budget):
    answer = learned.table(budget)
    first, again = (text_of(scientist, answer, "table_rows", rows=5_000) for _ in range(2))
    rows = list(csv.DictReader(io.StringIO(first)))
    assert first == again
    assert len(rows) == 5_000
    assert {row["region"] for row in rows} == {*learned.REGIONS, ""}
    assert all(1990 <= int(row["year"]) < 2000 and 0 <= float(row["wage"]) <= 50_000 for row in rows)


@pytest.mark.parametrize("rows", ["", "0", "1000001", "many"])
def test_a_wrong_number_of_rows_is_refused(scientist, budget, rows):
    found = scientist.get(
        reverse("privacy:table_rows", args=[learned.table(budget).pk], query={"rows": rows})
    )
    assert found.status_code == 400
    assert "Enter a whole number of rows from 1 to 1,000,000." in found.content.decode()


def test_only_a_released_table_has_rows(scientist, budget, as_):
    model, table, waiting = learned.model(budget), learned.table(budget), learned.table(budget)
    stranger = as_(make.scientist())
    Answer.objects.filter(pk=waiting.pk).update(visible_at=timezone.now() + timedelta(minutes=1))
    for answer, client, code in (
        (model, scientist, 400),
        (waiting, scientist, 400),
        (table, stranger, 404),
    ):
        found = client.get(reverse("privacy:table_rows", args=[answer.pk], query={"rows": "5"}))
        assert found.status_code == code
        assert ("Only the answer to a question for a synthetic table has rows" in found.content.decode()) == (
            code == 400
        )


@pytest.mark.parametrize(
    ("made", "running"), [(learned.model, "Being trained"), (learned.table, "Being measured")]
)
def test_what_is_not_out_yet_counts_down_to_its_deadline(scientist, budget, made, running):
    answer = made(budget)
    found = Answer.objects.filter(pk=answer.pk)
    now = timezone.now()
    found.update(state="pending", result=None, visible_at=None)
    assert "Waiting for its turn" in text_of(scientist, answer)
    found.update(begun_at=now, deadline=now + timedelta(minutes=1))
    text = text_of(scientist, answer)
    assert running in text
    assert "data-until=" in text
    found.update(begun_at=now - timedelta(minutes=2), deadline=now - timedelta(minutes=1))
    assert "or it is lost" in text_of(scientist, answer)
    found.update(state="lost")
    assert "This answer is lost" in text_of(scientist, answer)
    found.update(state="voided")
    assert "nothing was charged" in text_of(scientist, answer)


def test_lists_say_which_kind_of_answer_it_is(scientist, budget):
    learned.model(budget)
    learned.table(budget)
    text = unescape(scientist.get(reverse("privacy:index")).content.decode())
    assert '<span class="badge-plain">Model</span>' in text
    assert '<span class="badge-plain">Synthetic table</span>' in text


# Asking

TABLE = {
    "source": "form", "measure": "table_of", "columns": ["year", "region", "wage"], "focus": "region",
    "table_bins": "4", "goal": "epsilon", "epsilon": "10",
}  # fmt: skip
MODEL = {
    "source": "form", "measure": "model", "outcome": "amount:wage", "predictors": ["year", "region"], "goal": "epsilon",
    "epsilon": "10",
}  # fmt: skip


def test_a_synthetic_table_is_priced_and_asked_in_the_form(scientist, budget, page):
    form = {**TABLE, "key": str(uuid4())}
    shown = scientist.post(page, {**form, "then": "price"})
    text = unescape(shown.content.decode())
    assert "Synthetic table of year, region and wage, with a focus on region" in text
    assert "The error of each share is shown with the answer" in text
    assert "5 s after its turn begins" in text
    assert "This question cannot be written in SQL" in text
    asked = scientist.post(page, {**form, "agreed": shown.context["priced"]["agreed"], "then": "ask"})
    (answer,) = budget.answers.all()
    assert asked.url == reverse("privacy:answer", args=[answer.pk])
    assert answer.kind == Answer.Kind.TABLE
    again = scientist.get(f"{page}?again={answer.pk}").context["form"]
    assert {name: again[name].value() for name in ("measure", "columns", "focus", "table_bins")} == {
        name: TABLE[name] if name != "table_bins" else 4
        for name in ("measure", "columns", "focus", "table_bins")
    }


def test_a_model_is_priced_with_its_training_and_asked_again_as_it_was_written_out(scientist, budget, page):
    shown = scientist.post(page, {**MODEL, "key": str(uuid4()), "then": "price"})
    text = unescape(shown.content.decode())
    assert shown.context["refusal"] == ""
    assert "How well it predicts is measured on 20 % of the people" in text
    assert "steps," in text
    form = {**MODEL, "key": str(uuid4())}
    scientist.post(page, {**form, "agreed": shown.context["priced"]["agreed"], "then": "ask"})
    (answer,) = budget.answers.all()
    again = scientist.get(f"{page}?again={answer.pk}")
    assert again.context["asked"].query == decode(answer.query)


def test_an_error_cannot_be_chosen_for_a_model_but_a_share_can(scientist, page):
    error = scientist.post(page, {**MODEL, "goal": "error", "error": "5", "then": "price"})
    assert error.context["asked"].quote.asked == {"epsilon": 10.0}
    assert "is not known in advance" in error.content.decode()
    share = scientist.post(page, {**MODEL, "goal": "share", "share": "2", "then": "price"})
    assert share.context["asked"].quote.asked == {"share": 0.02}
    assert share.context["form"]["share"].value() == "2"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"outcome": ""}, "Choose what is predicted."),
        ({"outcome": "is:region"}, "Enter the value of “region” that is predicted."),
        (
            {"outcome": "is:region", "value": "south"},
            "“south” is not a value of “region”: east, north, west.",
        ),
        ({"predictors": []}, "Choose the columns from which it is predicted."),
        (
            {"hidden": "16, 0"},
            "Enter one or two numbers of hidden units from 1 to 64, such as 16 or 16, 8, not “16, 0”.",
        ),
        ({"steps": "5"}, "Steps of the training: Enter a whole number from 20 to 200."),
        ({"measure": "table_of"}, "Choose the columns of the table."),
    ],
)
def test_what_is_missing_or_wrong_is_said(scientist, page, fields, told):
    shown = scientist.post(page, {**MODEL, **fields, "then": "price"})
    assert told in shown.context["refusal"]


@pytest.mark.parametrize(
    "text", ["FIT wage ON year FROM wages", "SELECT FIT(wage) FROM wages", "SELECT predict (wage) FROM wages"]
)
def test_sql_says_where_models_are_asked_for(scientist, page, text):
    shown = scientist.post(
        page, {"source": "sql", "sql": text, "goal": "epsilon", "epsilon": "1", "then": "price"}
    )
    assert (
        "Choose “Model that predicts a column” or “Synthetic table” in the form" in shown.context["refusal"]
    )
    assert shown.context["refusal"].startswith("Line 1, column ")


def test_a_model_that_the_form_has_no_fields_for_is_said_so(scientist, budget, page):
    edges = NumberFeature("year", Column("year"), None, (1990.0, 1991.0, 1999.0))
    answer = learned.model(budget)
    query = {**answer.query, "measure": {**answer.query["measure"], "features": [encode(edges)]}}
    Answer.objects.filter(pk=answer.pk).update(query=query)
    text = unescape(scientist.get(f"{page}?again={answer.pk}").content.decode())
    assert "The form has no fields for this question" in text


def test_a_choice_shows_what_was_predicted_for_whom(scientist, budget):
    page = scientist.get(reverse("privacy:answer", args=[learned.model(budget, Choice("region")).pk]))
    assert "What was predicted for whom" in page.content.decode()
    assert page.context["confusion"][0] == ("east", ["80", "12", "0"])
    other = scientist.get(reverse("privacy:answer", args=[learned.model(budget).pk])).content.decode()
    assert "What was predicted for whom" not in other


def test_a_file_of_rows_has_a_limit(scientist, budget, monkeypatch):
    monkeypatch.setattr(exports, "MOST_CELLS", 30)
    address = reverse("privacy:table_rows", args=[learned.table(budget).pk])
    assert scientist.get(f"{address}?rows=10").status_code == 200
    refused = scientist.get(f"{address}?rows=11")
    assert refused.status_code == 400
    assert "10 rows of this table" in refused.content.decode()


def test_the_files_of_a_table_have_its_shares(scientist, budget):
    answer = learned.table(budget)
    rows = list(csv.reader(io.StringIO(text_of(scientist, answer, "download", "csv"))))
    assert rows[0][:3] == ["column", "value", "share"]
    assert json.loads(text_of(scientist, answer, "download", "json"))["result"] == answer.result
