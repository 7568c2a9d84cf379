"""What the form offers follows from the declarations and the promise, and yes/no columns are said as yes and no."""

import pyarrow as pa
import pytest
from django.urls import reverse

from privacy import queries, services
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import wage_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def given():
    """Give a budget on a table that also has a text column, a yes/no column and a category of 1 and 2."""

    def budget(**terms):
        rows = wage_rows()
        size = len(rows)
        rows = rows.append_column("note", pa.array(["a"] * size))
        rows = rows.append_column("member", pa.array([k % 2 == 0 for k in range(size)]))
        rows = rows.append_column("sector", pa.array([1 + k % 2 for k in range(size)]))
        declared = {
            "member": {"type": "boolean", "confirmed": True},
            "sector": {"type": "category", "categories": ["1", "2"], "confirmed": True},
        }
        data, scientist = make.dataset(rows=rows, declared=declared), make.scientist()
        make.grant(data, scientist)
        promise = services.protect(
            data, by=data.owner, epsilon=9, public_size=30, constants=[], scientists=1, **terms
        )
        return services.give_budget(promise, scientist, by=data.owner, epsilon=4)

    return budget


def form_of(as_, budget):
    return as_(budget.scientist).get(reverse("privacy:ask", args=[budget.pk])).context["form"]


@pytest.mark.parametrize("told", [True, False])
def test_people_by_undeclared_values_are_offered_where_the_promise_tells_them(as_, given, told):
    form = form_of(as_, given(undeclared_values=told))
    assert ("keys" in dict(form.fields["measure"].choices)) == told
    assert ("note" in dict(form.fields["text"].choices)) == told


def test_years_can_be_grouped_by_and_computed_with(as_, given):
    form = form_of(as_, given())
    assert [name for name, _ in form.fields["by"].choices] == ["year", "region", "member", "sector"]
    assert "year" in dict(form.fields["column"].choices)
    assert "wage" not in dict(form.fields["by"].choices)


def test_a_yes_no_column_is_said_as_yes_or_no_and_a_category_as_it_is_declared(as_, given):
    budget = given()
    text = "SELECT AVG(CASE WHEN member THEN wage ELSE 0 END) FROM wages WHERE sector = 1 AND NOT member"
    answer = shares.answer(budget, text, epsilon=1.0)
    said = "Mean of wage if member is yes, else 0 where sector is 1 and member is not yes"
    assert queries.title_of(answer) == said
    client = as_(budget.scientist)
    for name, pk in (("index", None), ("budget", budget.pk), ("answer", answer.pk)):
        assert said in client.get(reverse(f"privacy:{name}", args=[pk] if pk else [])).content.decode()
    asked = client.post(
        reverse("privacy:ask", args=[budget.pk]),
        {"source": "sql", "sql": text, "goal": "epsilon", "epsilon": "1", "then": "price"},
    )
    assert asked.context["priced"]["what"] == said
