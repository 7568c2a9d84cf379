"""The owner's pages: a promise in words, budgets, top-ups, the ledger; and what overseers see of them."""

import csv
import io
import re

import pytest
from django.urls import reverse

from audit.models import Entry
from datasets import services as datasets
from portal.inbox import inbox
from privacy import queries, services
from privacy.models import Budget, Promise, TopUp
from tests import make

pytestmark = pytest.mark.django_db

CHOICES = {
    "level": "1",
    "public_size": "30",
    "scientists": "2",
    "constants": ["region"],
    "extended_allowed": "no",
}
GUESS = "is right in at most 54.8 of 100 cases (50 = coin toss)."


def at(name, pk):
    return reverse(f"privacy:{name}", args=[pk])


@pytest.fixture
def owner(as_, budget):
    return as_(budget.promise.dataset.owner)


@pytest.fixture
def spent(budget, ask, compute):
    compute(ask(budget, epsilon=29))
    return Budget.objects.get(pk=budget.pk)


def test_a_promise_is_read_in_words_and_made_with_a_second_click(as_):
    data = make.dataset()
    client, path = as_(data.owner), at("protect", data.pk)
    assert client.get(path).status_code == 200
    seen = client.post(at("promise", data.pk), CHOICES).content.decode()
    for sentence in (
        GUESS,
        "at most 2.72-fold. The chance of an exception is at most 1 in 49,751.",
        "recognises at most 1.84 in 100 of those who are",
        "Even if all 2 scientists pool everything they got",
        "one scientist alone, in at most 53.4.",
    ):
        assert sentence in seen
    review = client.post(path, {**CHOICES, "then": "review"})
    assert review.context["confirming"]
    assert not Promise.objects.exists()
    assert client.post(path, {**CHOICES, "then": "make"})["Location"] == at("dataset", data.pk)
    made = Promise.objects.get()
    assert (made.epsilon, made.scientists, made.constants, made.public_size) == (1.0, 2, ["region"], 30)
    assert client.post(path, {**CHOICES, "level": "8", "then": "make"})["Location"] == at("dataset", data.pk)
    assert Promise.objects.get().epsilon == 1.0
    assert GUESS in client.get(at("dataset", data.pk)).content.decode()


def test_what_is_declared_constant_is_proposed_and_the_owner_decides(as_):
    declared = {"region": {"constant": True}, "wage": {"constant": True}}
    data = make.dataset(declared=declared)
    client, path = as_(data.owner), at("protect", data.pk)
    page = client.get(path)
    assert page.context["form"]["constants"].value() == ["region", "wage"]
    assert re.search(r'value="region"[^>]*checked', page.text)
    client.post(path, {**CHOICES, "constants": [], "then": "make"})
    assert Promise.objects.get().constants == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"public_size": ""}, "public_size"),
        ({"scientists": "0"}, "scientists"),
        ({"level": "own", "epsilon": ""}, "epsilon"),
        ({"level": "own", "epsilon": "nan"}, "epsilon"),
        ({"constants": ["wage"]}, "constants"),
    ],
)
def test_a_promise_with_something_missing_keeps_what_was_typed(as_, changed, field):
    data = make.dataset()
    answer = as_(data.owner).post(
        at("protect", data.pk), {**CHOICES, "scientists": "7", **changed, "then": "make"}
    )
    assert answer.status_code == 400
    assert field in answer.context["form"].errors
    assert answer.context["form"]["scientists"].value() == changed.get("scientists", "7")
    assert not Promise.objects.exists()


def test_a_budget_is_given_to_somebody_with_access(as_, owner, budget):
    data = budget.promise.dataset
    other = make.scientist(name="Otto Other")
    path = at("give", data.pk)
    refused = owner.post(path, {"scientist": str(other.pk)})
    assert refused.status_code == 400
    make.grant(data, other)
    too_much = owner.post(path, {"scientist": str(other.pk), "epsilon": "49"})
    assert "The budgets would exceed the promise" in too_much.content.decode()
    assert owner.post(path, {"scientist": str(other.pk), "epsilon": "2"}).status_code == 302
    assert Budget.objects.filter(scientist=other).exists()
    assert "Otto Other" in owner.get(at("dataset", data.pk)).content.decode()


def test_a_budget_is_changed_and_closed(owner, budget):
    page = at("budget", budget.pk)
    assert owner.post(at("change", budget.pk), {"epsilon": "60"}).status_code == 400
    assert owner.post(at("change", budget.pk), {"epsilon": "35"})["Location"] == page
    assert owner.post(at("close", budget.pk), {"reason": ""}).status_code == 400
    assert owner.post(at("close", budget.pk), {"reason": "Has left."})["Location"] == page
    assert "Closed" in owner.get(page).content.decode()


def test_a_top_up_goes_from_the_scientist_to_the_owners_inbox_and_back(as_, owner, budget):
    scientist, data = as_(budget.scientist), budget.promise.dataset
    path = at("ask_top_up", budget.pk)
    kept = scientist.post(path, {"epsilon": "1", "reason": "One more table."})
    assert kept.status_code == 400
    assert "One more table." in kept.content.decode()
    scientist.post(path, {"epsilon": "40", "reason": "One more table."})
    item = TopUp.objects.get()
    (waits,) = inbox(data.owner)
    assert (waits.kind, waits.url) == ("top_up", at("top_up", item.pk))
    assert "is waiting for the owner" in scientist.get(path, follow=True).content.decode()
    again = scientist.post(path, {"epsilon": "41", "reason": "And another."})
    assert (again.status_code, TopUp.objects.count()) == (400, 1)
    assert scientist.post(at("decide", item.pk), {"verdict": "grant"}).status_code == 400
    assert "Give a reason." in owner.post(at("decide", item.pk), {"verdict": "deny"}).content.decode()
    owner.post(at("decide", item.pk), {"verdict": "grant", "note": "Go on."})
    item.refresh_from_db()
    assert (item.state, item.decision_note) == ("granted", "Go on.")
    assert len(inbox(data.owner)) == 0
    assert "Go on." in scientist.get(at("top_up", item.pk)).content.decode()


def test_four_fifths_used_is_said_to_both(as_, owner, spent):
    assert spent.share_used > 0.8
    for client in (owner, as_(spent.scientist)):
        assert "is-low" in client.get(at("budget", spent.pk)).content.decode()
    assert "is used." in owner.get(at("dataset", spent.promise.dataset_id)).content.decode()


def test_what_is_left_is_drawn_from_the_ledger(spent, ask, compute):
    points = queries.burn_down(spent)
    assert [round(point.left, 9) for point in points] == [1.0, round(1 - spent.share_used, 9)]
    services.change_budget(spent, by=spent.promise.dataset.owner, epsilon=40)
    grown = Budget.objects.get(pk=spent.pk)
    compute(ask(grown, "SELECT COUNT(*) FROM wages", epsilon=3))
    grown.refresh_from_db()
    assert queries.burn_down(grown)[-1].left == 1 - grown.share_used
    whole = queries.burn_down_of_all(grown.promise, [grown])
    assert whole[0].left == 1.0
    assert whole[-1].left < 1 - 0.5 * float(grown.mu_squared / grown.promise.mu_squared)


def test_the_ledger_says_who_what_when_and_what_it_cost(owner, spent):
    data = spent.promise.dataset
    path = at("ledger", data.pk)
    (row,) = owner.get(path).context["rows"]
    assert (row["what"], row["state"]) == ("Number of people", "Spent")
    assert owner.get(path, {"scientist": str(data.owner_id), "since": "nonsense"}).status_code == 200
    assert owner.get(path, {"until": "2020-01-01"}).context["rows"] == []
    assert not Entry.objects.filter(action="ledger.exported").exists()
    file = b"".join(owner.post(at("export", data.pk), {"scientist": str(spent.scientist_id)})).decode()
    (line,) = csv.DictReader(io.StringIO(file))
    assert (line["scientist"], line["state"]) == ("Sam Scientist", "commit")
    assert float(line["share_of_budget"]) == spent.share_used
    assert Entry.objects.get(action="ledger.exported").detail["wanted"] == {
        "scientist": str(spent.scientist_id)
    }


def test_a_name_in_the_exported_ledger_is_no_formula(owner, spent):
    spent.scientist.name = "=HYPERLINK(1)"
    spent.scientist.save()
    file = b"".join(owner.post(at("export", spent.promise.dataset_id))).decode()
    assert "'=HYPERLINK(1)" in file


def test_aggregates_of_people_are_for_the_owner_alone(as_, owner, spent):
    """Every one of the thirty was charged: the aggregate is there to leak."""
    data = spent.promise.dataset
    bins = queries.used_by_people(spent.promise, [spent])
    assert sum(each.people for each in bins) == 30
    path, words = at("dataset", data.pk), "How much each person has been charged"
    assert words in as_(data.owner).get(path).content.decode()
    for person in (make.auditor(), make.admin()):
        assert words not in as_(person).get(path).content.decode()
    assert "What is left of the promise" in as_(make.auditor()).get(path).content.decode()
    assert as_(spent.scientist).get(path).status_code == 404


def test_an_admin_sees_budgets_and_nothing_of_what_was_asked(as_, spent):
    admin, data = as_(make.admin()), spent.promise.dataset
    page = admin.get(at("budget", spent.pk)).content.decode()
    assert "Sam Scientist" in page
    assert "Number of people" not in page
    assert admin.get(at("ledger", data.pk)).status_code == 404
    assert admin.post(at("export", data.pk)).status_code == 404
    assert "Number of people" not in admin.get(at("dataset", data.pk)).content.decode()


def test_overseers_change_nothing(as_, budget):
    for person in (make.admin(), make.auditor(), budget.scientist):
        client = as_(person)
        for name, pk in (
            ("change", budget.pk),
            ("close", budget.pk),
            ("give", budget.promise.dataset_id),
            ("protect", budget.promise.dataset_id),
        ):
            assert client.post(at(name, pk), {"epsilon": "1", "reason": "x"}).status_code == 404


def test_the_datasets_page_leads_there(as_, budget):
    data = budget.promise.dataset
    path = reverse("datasets:detail", args=[data.pk])
    assert at("ask", budget.pk) in as_(budget.scientist).get(path).content.decode()
    assert at("dataset", data.pk) in as_(data.owner).get(path).content.decode()
    bare = make.dataset(owner=data.owner)
    assert (
        at("dataset", bare.pk)
        in as_(data.owner).get(reverse("datasets:detail", args=[bare.pk])).content.decode()
    )
    assert "does not answer automatically" in as_(data.owner).get(at("dataset", bare.pk)).content.decode()


def test_how_many_rows_there_are_is_told_with_the_promise_or_later(as_):
    data = make.dataset()
    client, path = as_(data.owner), at("protect", data.pk)
    assert "This number becomes public" in client.get(path).content.decode()
    review = client.post(path, {**CHOICES, "rows_of_wages": "1200", "then": "review"})
    assert "about 1,200 in <code>wages</code>" in review.content.decode()
    client.post(path, {**CHOICES, "rows_of_wages": "1200", "then": "make"})
    assert Promise.objects.get().public_rows == {"wages": 1200}
    page, rows = at("dataset", data.pk), at("rows", data.pk)
    assert "about 1,200 in <code>wages</code>" in client.get(page).content.decode()
    bad = client.post(rows, {"rows_of_wages": "-3"})
    assert (bad.status_code, Promise.objects.get().public_rows) == (400, {"wages": 1200})
    saved = client.post(rows, {"rows_of_wages": "5800"}, follow=True)
    assert "Saved. Scientists now see “about 5,800 rows”." in saved.content.decode()
    assert client.post(rows, {"rows_of_wages": ""})["Location"] == page
    assert Promise.objects.get().public_rows == {}
    assert "not public" in client.get(page).content.decode()


def test_the_page_stays_where_no_revision_is_current(owner, budget):
    """The promise, the ledger and the budgets outlive the data."""
    data = budget.promise.dataset
    datasets.retire_revision(data.current, by=data.owner, reason="Wrong file.")
    assert owner.get(at("dataset", data.pk)).status_code == 200


def test_where_nobody_is_left_to_give_a_budget_the_page_says_why(as_, owner, budget):
    everybody = owner.get(at("dataset", budget.promise.dataset_id)).content.decode()
    assert "Everybody who has access to this dataset has a budget." in everybody
    data = make.dataset()
    services.protect(data, by=data.owner, epsilon=1, public_size=30, constants=[])
    assert (
        "Nobody has access to this dataset yet."
        in as_(data.owner).get(at("dataset", data.pk)).content.decode()
    )


def test_rows_are_never_counted_for_the_owner(owner, budget):
    """The form knows nothing that nobody has typed."""
    text = owner.get(at("dataset", budget.promise.dataset_id)).content.decode()
    assert 'name="rows_of_wages"' in text
    assert "120" not in text.partition('name="rows_of_wages"')[2].partition(">")[0]


def test_only_its_owner_publishes_rows(as_, budget):
    path = at("rows", budget.promise.dataset_id)
    assert as_(budget.scientist).post(path, {"rows_of_wages": "9"}).status_code == 404
    assert as_(make.admin()).post(path, {"rows_of_wages": "9"}).status_code == 404
    assert Promise.objects.get().public_rows == {}
