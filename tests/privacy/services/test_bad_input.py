"""Whatever rows hold and whatever is typed has one clear outcome, through the real services."""

import json
import math
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from django.test import Client
from django.urls import reverse

from common.errors import Refused
from privacy import services
from privacy.execution import lifecycle
from privacy.models import Answer, LedgerLine
from privacy.services import questions
from tests import make
from tests.makers.datasets import PEOPLE

pytestmark = pytest.mark.django_db

ROWS = 1_000_000
ALL_KINDS = [
    "SELECT COUNT(*) FROM wages",
    "SELECT COUNT(DISTINCT person) FROM wages",
    "SELECT region, SUM(wage) FROM wages GROUP BY region",
    "SELECT region, AVG(wage) FROM wages GROUP BY region",
    "SELECT VAR_POP(wage) FROM wages",
    "SELECT QUANTILE(wage, 0.9) FROM wages",
    "SELECT CORR(wage, year) FROM wages",
    "SELECT AVG(EXP(wage / 50000) / (wage + 1)) FROM wages WHERE NOT (wage BETWEEN 5 AND 1)",
]


def rows(**columns):
    """A table as declared for tests, with other content."""
    count = len(next(iter(columns.values())))
    given = {
        "person": pa.array(range(count), pa.int64()),
        "year": pa.array([1990] * count, pa.int64()),
        "region": pa.array(["east"] * count, pa.string()),
        "wage": pa.array([1.0] * count, pa.float64()),
    }
    return pa.table(given | columns)


def budget():
    """A generous budget for a small dataset."""
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=[], scientists=1)
    return services.give_budget(made, scientist, by=data.owner, epsilon=49)


def signed_in(person):
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


CONTENTS = {
    "no rows": lambda: rows(person=pa.array([], pa.int64())),
    "one person": lambda: rows(person=pa.array([7], pa.int64())),
    "a person with a million rows": lambda: rows(
        person=pa.array(np.full(ROWS, 7), pa.int64()), wage=pa.array(np.full(ROWS, 50_000.0))
    ),
    "nobody known": lambda: rows(person=pa.array([None, None], pa.int64())),
    "all that is no number": lambda: rows(
        wage=pa.array([math.nan, math.inf, -math.inf, None, 1e300, -1e300, 5e-324, -0.0], pa.float64())
    ),
    "whole numbers at their ends": lambda: rows(
        year=pa.array([2**63 - 1, -(2**63), 0, None], pa.int64()),
        person=pa.array([2**63 - 1, -(2**63), 0, 1], pa.int64()),
    ),
    "values that nobody declared": lambda: rows(region=pa.array(["mars", "", None, "east"], pa.string())),
}  # fmt: skip


def asked_of(content):
    data, scientist = make.dataset(rows=content), make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=1
    )
    share = services.give_budget(made, scientist, by=data.owner, epsilon=49)
    told = []
    for text in ALL_KINDS:
        quoted = questions.quote(share, questions.read_sql(share, text).query, by=scientist, epsilon=6.0)
        answer = questions.ask(share, quoted, key=uuid4(), by=scientist, text=text)
        lifecycle.compute(str(answer.pk))
        answer.refresh_from_db()
        told.append((quoted.offer.units, answer))
        share.refresh_from_db()
    return told


@pytest.fixture(autouse=True)
def quick_ticks(settings):
    settings.ANSWER_SECONDS = 0.001


@pytest.mark.parametrize("content", CONTENTS)
def test_every_kind_of_question_is_answered_whatever_the_rows_hold(content):
    """The same prices, states and shapes as for any other rows; figures that are numbers, or lost in noise."""
    told = asked_of(CONTENTS[content]())
    usual = asked_of(None)
    assert [units for units, _ in told] == [units for units, _ in usual]
    assert {answer.state for _, answer in told} == {Answer.State.RELEASED}
    for (_, answer), (_, other) in zip(told, usual, strict=True):
        lines, others = answer.result["lines"], other.result["lines"]
        assert [line["key"] for line in lines] == [line["key"] for line in others]
        for line in lines:
            for figure in line["figures"]:
                assert figure["value"] is None or math.isfinite(figure["value"])
        json.dumps(answer.result, allow_nan=False)


def test_a_million_rows_of_one_person_count_as_few_as_declared():
    told = asked_of(CONTENTS["a person with a million rows"]())
    (count,) = told[0][1].result["lines"][0]["figures"]
    assert count["value"] < 4 + 5 * count["half_width"]


TYPED = {
    "ten megabytes": ("SELECT " + "1 + " * 2_500_000 + "1 FROM wages", "longer than 10,000 characters"),
    "ten thousand brackets": ("SELECT SUM(" + "(" * 4_900 + "1" + ")" * 4_900 + ") FROM wages", "nested"),
    "ten thousand nots": ("SELECT COUNT(*) FROM wages WHERE " + "NOT " * 2_400 + "year > 1", "nested too deeply"),
    "a number past all numbers": ("SELECT SUM(wage * 1" + "0" * 400 + ") FROM wages", "inf is not a finite number"),
    "whole numbers past 2^63": ("SELECT SUM(wage * 9223372036854775808) FROM wages", None),
    "a null byte": ("SELECT COUNT(*) FROM wages -- \0", "contains an invalid character"),
    "half of a pair of surrogates": ("SELECT COUNT(*) FROM wages -- \ud800", "contains an invalid character"),
    "nothing": ("", "Write exactly one SELECT"),
    "division by what holds zero": ("SELECT SUM(wage / (year - 1995)) FROM wages", "divisor can be 0"),
    "an unknown column": ("SELECT SUM(salary) FROM wages", "no column “salary”"),
    "a logarithm of what may be zero": ("SELECT SUM(LN(wage)) FROM wages", "must be above 0 but can be 0"),
    "an overflow": ("SELECT SUM(EXP(wage)) FROM wages", "can be as large as"),
}  # fmt: skip


@pytest.mark.parametrize("typed", TYPED)
def test_what_is_typed_is_refused_in_words_or_priced_and_costs_nothing(typed):
    text, why = TYPED[typed]
    share = budget()
    scientist = share.scientist
    if why is None:
        quoted = questions.quote(share, questions.read_sql(share, text).query, by=scientist, epsilon=1.0)
        assert math.isfinite(quoted.half_width)
    else:
        with pytest.raises(Refused, match=why) as refused:
            questions.quote(share, questions.read_sql(share, text).query, by=scientist, epsilon=1.0)
        assert len(str(refused.value)) < 400
    assert not LedgerLine.objects.exists()


def test_ten_megabytes_are_turned_away_at_the_door():
    share = budget()
    client = signed_in(share.scientist)
    text = TYPED["ten megabytes"][0]
    by_form = client.post(reverse("privacy:price", args=[share.pk]), {"source": "sql", "sql": text})
    by_json = client.post(
        reverse("api:budget_answers", args=[share.pk]),
        {"sql": text, "epsilon": 1},
        content_type="application/json",
    )
    assert by_form.status_code in {400, 413}
    assert by_json.status_code in {400, 413}
    assert not LedgerLine.objects.exists()


WAGE = {"kind": "column", "name": "wage"}
SENT = {
    "a name that no database keeps": ({"features": [WAGE], "names": ["a\0"]}, "not_json"),
    "fewer names than features": ({"features": [WAGE, WAGE], "names": ["wage"]}, "refused"),
    "a name twice": ({"features": [WAGE, WAGE], "names": ["wage", "wage"]}, "refused"),
}


@pytest.mark.parametrize("sent", SENT)
def test_what_a_program_sends_is_refused_before_anything_is_spent(sent):
    share = budget()
    client = signed_in(share.scientist)
    fields, code = SENT[sent]
    query = {"table": "wages", "measure": {"kind": "regression", "target": WAGE, **fields}}
    answer = client.post(
        reverse("api:budget_answers", args=[share.pk]),
        {"query": query, "epsilon": 1},
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not LedgerLine.objects.exists()
