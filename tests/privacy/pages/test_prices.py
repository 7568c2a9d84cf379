"""The page that asks: prices in one unit, and no error message where nobody made a mistake."""

import re

import pytest

from privacy import services
from tests.privacy.pages.test_questions import COUNT, agreed, typed

pytestmark = pytest.mark.django_db


def test_what_stands_on_the_other_side_does_not_hold_up_the_one_that_is_written(scientist, page):
    much = scientist.post(page, typed(source="sql", sql=COUNT + " LIMIT 5000 BY person", then="price"))
    assert much.context["refusal"].startswith(
        "Line 1, column 48: The number of rows that count per person must be between 1 and 4,096"
    )
    assert much.context["form"]["rows"].value() is None
    left = {"rows": "5000", "bins": "999", "column": "nothing", "by": ["nobody"], "error": "x"}
    mended = scientist.post(page, typed(source="sql", sql="SELECT COUNT(*) FROM wages", then="price", **left))
    assert (mended.context["refusal"], mended.context["priced"]["what"]) == ("", "Number of rows")
    assert "errorlist" not in mended.content.decode()
    # Back in the form, its own fields count again: those that the question has.
    back = typed(measure="count", sql="x" * 10_001, then="price", **{**left, "by": []})
    assert scientist.post(page, {**back, "rows": ""}).context["priced"]["what"] == "Number of rows"
    assert "from 1 to 4,096" in scientist.post(page, back).context["refusal"]


def test_the_error_of_a_quantile_is_typed_in_percentage_points(scientist, budget, page):
    services.publish_rows(budget.promise, {"wages": 1200}, by=budget.promise.dataset.owner)
    rank = {"measure": "quantiles", "column": "year", "goal": "error"}
    shown = scientist.post(page, {**typed(**rank, error="20"), "then": "price"})
    assert shown.context["unit"] == "percentage points of rank"
    assert shown.context["priced"]["error"].endswith("± 20 percentage points of rank, apart from ties")
    assert shown.context["asked"].quote.asked == {"error": 0.2}
    epsilon = shown.context["form"]["epsilon"].value()
    back = scientist.post(page, {**typed(**{**rank, "goal": "epsilon"}, epsilon=epsilon), "then": "price"})
    assert float(back.context["form"]["error"].value()) == pytest.approx(20, rel=0.02)
    assert scientist.post(page, {**typed(**rank, error="50"), "then": "price"}).context["refusal"] == (
        "50 percentage points of rank or more would say nothing. Enter a smaller error, such as 2."
    )


@pytest.mark.parametrize("shares", ["50 %, 99.9%", "0.5; 0.999", "50\xa0%; 0.999"])
def test_quantiles_are_typed_as_shares_or_in_per_cent(scientist, page, shares):
    asked = scientist.post(
        page, {**typed(measure="quantiles", column="year", shares=shares), "then": "price"}
    )
    assert asked.context["asked"].query.measure.at == (0.5, 0.999)


def test_a_price_is_a_share_of_the_budget_wherever_it_stands(scientist, budget, page):
    scientist.post(page, agreed(scientist, page, epsilon="10"))
    text = scientist.post(page, {**typed(measure="count", epsilon="4"), "then": "price"}).content.decode()
    (costs,) = re.findall(r"<dt>Costs</dt><dd><strong>(.*?) of your budget</strong></dd>", text)
    (leaves,) = re.findall(r"<dt>Leaves</dt><dd>(.*?) of it</dd>", text)
    assert f"Ask: spend {costs}<" in text
    assert f"This spends {costs} of your budget" in text
    assert f", and leaves {leaves} of it." in text
    assert "of what is left" not in text


def test_what_was_answered_before_has_no_other_price(scientist, budget, page):
    scientist.post(page, agreed(scientist, page))
    text = scientist.post(page, {**typed(), "then": "price"}).content.decode()
    assert "Costs nothing: this was answered before" in text
    assert "<dt>Costs</dt>" not in text
    assert "can be asked</dd>" not in text


def test_prices_that_nobody_notices_are_told_in_words(scientist, page):
    asked = scientist.post(page, {**typed(epsilon="0.001"), "then": "price"})
    assert asked.context["priced"]["share"] == "less than 0.01 %"
    assert asked.context["priced"]["more"] == "more than 1,000"
