"""The cap on rows per person, on pages and for programs; and proposals that one click applies."""

from uuid import uuid4

import pyarrow as pa
import pytest
from django.urls import reverse

from datasets import services as datasets
from datasets.services import inspection
from privacy import services
from privacy.models import LedgerLine
from privacy.presentation import words
from tests import make
from tests.makers.datasets import wage_rows

pytestmark = pytest.mark.django_db

ROWS = "SELECT COUNT(*) FROM wages"
HTMX = {"HX-Request": "true", "HX-Target": "price"}


def typed(**fields):
    return {"source": "form", "goal": "error", "error": "12", "key": str(uuid4()), **fields}


def priced(client, budget, **fields):
    return client.post(reverse("privacy:price", args=[budget.pk]), typed(**fields), headers=HTMX)


def test_the_price_says_how_much_of_a_person_counts(scientist, budget):
    text = priced(scientist, budget, measure="count").content.decode()
    assert "Counting at most 4 per person. Anyone with more counts as 4." in text
    assert "4 per person, as declared" in text
    assert "twice as many cost 4 times as much for the same error" in text
    people = priced(scientist, budget, measure="people").content.decode()
    assert "per person" not in people


@pytest.mark.parametrize("rows", ["1", "8", "4096"])
def test_the_form_takes_any_cap_and_writes_it_in_sql(scientist, budget, rows):
    answer = priced(scientist, budget, measure="sum", column="wage", rows=rows, goal="epsilon", epsilon="1")
    assert answer.context["refusal"] == ""
    assert answer.context["form"]["sql"].value().endswith(f"LIMIT {rows} BY person")
    back = priced(scientist, budget, source="sql", sql=f"{ROWS} LIMIT {rows} BY person")
    assert back.context["form"]["rows"].value() == int(rows)


def test_a_cap_that_is_none_is_refused_in_words(scientist, budget):
    assert (
        "between 1 and 4,096"
        in priced(scientist, budget, source="sql", sql=f"{ROWS} LIMIT 0 BY person").context["refusal"]
    )
    assert "1 to 4,096" in priced(scientist, budget, measure="count", rows="4097").context["refusal"]


def test_a_proposal_is_applied_by_one_click_on_both_sides(scientist, budget):
    """A sixteenth of the price for the same error, as it said; and nothing is spent before the other button."""
    before = priced(scientist, budget, measure="count").context
    (proposal,) = before["proposals"]
    assert (proposal["name"], proposal["words"]) == ("people", "Count people instead of rows")
    assert proposal["price"].startswith("1/16 of the price")
    answer = priced(scientist, budget, measure="count", apply="people")
    after, text = answer.context, answer.content.decode()
    assert after["form"]["measure"].value() == "people"
    assert "COUNT(DISTINCT person)" in after["form"]["sql"].value()
    for side in ("sql-side", "form-side", "ask-source"):
        assert f'id="{side}"' in text
    units = [each["asked"].quote.offer.units for each in (before, after)]
    assert units[0] / units[1] == pytest.approx(16, rel=1e-3)
    assert before["priced"]["agreed"] != after["priced"]["agreed"]
    assert not LedgerLine.objects.exists()


def test_a_proposal_is_a_button_without_scripts_too(scientist, budget):
    page = reverse("privacy:ask", args=[budget.pk])
    shown = scientist.post(page, typed(measure="sum", column="wage", goal="epsilon", epsilon="1"))
    assert (
        '<button class="btn btn-secondary btn-sm" type="submit" name="apply" value="rows"'
        in shown.content.decode()
    )
    applied = scientist.post(
        page, typed(measure="sum", column="wage", goal="epsilon", epsilon="1", apply="rows")
    )
    assert applied.context["form"]["rows"].value() == 1
    assert applied.context["form"]["sql"].value().endswith("LIMIT 1 BY person")
    half = [each.context["asked"].quote.half_width for each in (shown, applied)]
    assert half[0] / half[1] == pytest.approx(4)


def test_what_only_sql_can_say_becomes_sql(scientist, budget):
    answer = priced(scientist, budget, measure="sum", column="wage", apply="limit")
    assert answer.context["asked"].source == "sql"
    assert "SUM(LEAST(wage, 25000))" in answer.context["form"]["sql"].value()
    assert words.say(answer.context["asked"].query) == "Sum of wage (at most 25,000)"
    assert answer.context["unit"] == "EUR"
    assert answer.context["only_sql"]
    assert '<input type="hidden" id="ask-source" name="source" value="sql"' in answer.content.decode()


def test_what_no_budget_affords_is_told_what_would_be_cheaper(scientist, budget):
    asked = {"measure": "sum", "column": "wage", "error": "100"}
    answer = priced(scientist, budget, **asked)
    assert "No budget can pay for" in answer.context["refusal"]
    prices = {each["name"]: each["price"] for each in answer.context["proposals"]}
    assert prices == {"rows": "1/16 of the price.", "limit": "1/4 of the price."}
    assert priced(scientist, budget, **asked, apply="rows").context["form"]["rows"].value() == 1


def test_an_unknown_proposal_changes_nothing(scientist, budget):
    asked = priced(scientist, budget, measure="count", apply="<script>").context["asked"]
    assert asked.query == priced(scientist, budget, measure="count").context["asked"].query


@pytest.mark.parametrize("text", [ROWS, "SELECT region, SUM(wage) FROM wages GROUP BY region"])
def test_an_answer_says_it_wherever_its_figure_stands(budget, scientist, ask, compute, text):
    answer = compute(ask(budget, text))
    page, said = reverse("privacy:answer", args=[answer.pk]), answer.record["counting"]
    assert said.startswith("counting at most")
    assert said[1:] in scientist.get(page).content.decode()
    assert scientist.get(reverse("api:answer", args=[answer.pk])).json()["counting"] == said
    # An answer of before does not say it in its record; its page does.
    for name in ("rows_per_person", "counting", "beyond"):
        del answer.record[name]
    answer.save(update_fields=["record"])
    assert said[1:] in scientist.get(page).content.decode()
    csv = scientist.get(reverse("privacy:download", args=[answer.pk, "csv"])).content.decode()
    assert "rows_per_person" not in csv


def test_a_program_reads_it_in_the_price(scientist, budget):
    path = reverse("api:budget_price", args=[budget.pk])
    told = scientist.post(
        path, {"sql": f"{ROWS} LIMIT 9 BY person", "error": 5}, content_type="application/json"
    )
    assert told.json()["rows_per_person"] == 9
    assert told.json()["counting"] == "counting at most 9 per person"


# Who has more rows than were declared: for the owner alone


def told(as_, extra):
    """All that a scientist reads before anything is spent, and what the owner was shown; `extra` rows of one person."""
    rows = wage_rows()
    data = make.dataset(published=False, rows=pa.concat_tables([rows, *[rows.slice(5, 1)] * extra]))
    table = make.draft(data).tables.get()
    inspection.check_fit(table, by=data.owner)
    owner = as_(data.owner)
    owners = [owner.get(reverse("datasets:content", args=[data.pk])).content.decode()]
    datasets.publish(data, by=data.owner)
    data.refresh_from_db()
    owners.append(owner.get(reverse("privacy:protect", args=[data.pk])).content.decode())
    scientist = make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=30, constants=["region"], scientists=1
    )
    share = services.give_budget(made, scientist, by=data.owner, epsilon=40)
    client = as_(scientist)
    owners.append(owner.get(reverse("privacy:dataset", args=[data.pk])).content.decode())
    pages = [
        as_(make.auditor()).get(reverse("privacy:dataset", args=[data.pk])).content.count(b"<dt>"),
        client.get(reverse("api:budget", args=[share.pk])).json()["tables"],
        *(
            client.post(reverse(name, args=[share.pk]), body, **how).content
            for name, body, how in (
                ("privacy:price", typed(source="sql", sql=ROWS), {"headers": HTMX}),
                ("api:budget_price", {"sql": ROWS, "error": 5}, {"content_type": "application/json"}),
            )
        ),
        *(
            client.get(reverse(f"datasets:{name}", args=[data.pk])).status_code
            for name in ("content", "detail")
        ),
    ]
    pages[2] = pages[2].replace(str(share.pk).encode(), b"")
    pages[2] = b"".join(line for line in pages[2].splitlines() if b"csrf" not in line)
    return owners, pages


def test_how_many_people_have_more_rows_is_for_the_owner_alone(as_):
    owners, pages = told(as_, 27)
    for page, said in zip(
        owners,
        (
            "1 of 30 people have more than 4 rows",
            "1 of 30 people have more rows than the 4 declared",
            "1 of 30 people in <code>wages</code> have more than the 4 declared (only you see this)",
        ),
        strict=True,
    ):
        assert said in page
    fewer, same = told(as_, 0)
    assert not any("30 people in" in page or "people have more" in page for page in fewer)
    assert pages == same
