"""Every page of datasets opens for those it is meant for, and does not exist for others."""

import csv
import io

import pytest
from django.urls import reverse

from datasets import services
from datasets.models import Dataset
from datasets.services import uploads
from tests import make
from tests.makers import datasets

pytestmark = pytest.mark.django_db

OWNERS_PAGES = ["describe", "policy", "activity", "content", "people", "preview"]


def get(client, user, name, *args):
    client.force_login(user)
    return client.get(reverse(f"datasets:{name}", args=args))


def test_the_list_is_empty_and_says_what_to_do_next(client):
    answer = get(client, make.owner(), "list")
    assert answer.status_code == 200
    assert "Publish your first one" in answer.content.decode()


def test_a_scientist_finds_a_dataset_and_is_told_how_to_get_it(client):
    dataset = make.dataset(title="Wage panel")
    scientist = make.scientist()
    assert "Wage panel" in get(client, scientist, "list").content.decode()
    page = get(client, scientist, "detail", dataset.pk).content.decode()
    assert "Ask for access" in page
    assert "identifies a person" in page


@pytest.mark.parametrize(
    "query", ["?text=wage", "?show=granted", "?text=%00", "?show=nonsense&page=99999", "?page=x"]
)
def test_filters_of_the_list_hold_whatever_is_asked(client, query):
    make.dataset(title="Wage panel")
    client.force_login(make.scientist())
    assert client.get(reverse("datasets:list") + query).status_code == 200


@pytest.mark.parametrize("name", OWNERS_PAGES)
def test_the_owner_opens_every_page_of_their_dataset(client, name):
    dataset = make.dataset()
    make.grant(dataset)
    make.access_request(dataset)
    make.reviewer(dataset)
    assert get(client, dataset.owner, name, dataset.pk).status_code == 200


@pytest.mark.parametrize("name", OWNERS_PAGES)
@pytest.mark.parametrize("who", ["scientist", "admin", "auditor", "owner", "reviewer"])
def test_inner_pages_do_not_exist_for_others(client, name, who):
    dataset = make.dataset()
    other = make.reviewer(dataset).user if who == "reviewer" else getattr(make, who)()
    assert get(client, other, name, dataset.pk).status_code == 404


def test_the_wizard_opens_with_every_kind_of_column(client):
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    answer = get(client, dataset.owner, "declare", table.pk)
    assert answer.status_code == 200
    assert "A value copied from the data gives something away" in answer.content.decode()


def test_the_draft_is_previewed_as_a_scientist_will_see_it(client):
    dataset = make.dataset(published=False)
    page = get(client, dataset.owner, "preview", dataset.pk).content.decode()
    assert "once you have published" in page
    assert "Mock data" in page


def test_a_draft_does_not_exist_for_others(client):
    dataset = make.dataset(published=False)
    for person in (make.scientist(), make.admin(), make.auditor(), make.owner()):
        assert get(client, person, "detail", dataset.pk).status_code == 404


def test_a_dataset_that_is_not_listed_does_not_exist_for_strangers(client):
    dataset = make.dataset(discoverable=False)
    granted = make.scientist()
    assert get(client, make.scientist(), "detail", dataset.pk).status_code == 404
    Dataset.objects.filter(pk=dataset.pk).update(discoverable=True)
    make.grant(dataset, granted)
    Dataset.objects.filter(pk=dataset.pk).update(discoverable=False)
    assert get(client, granted, "detail", dataset.pk).status_code == 200


def test_the_owner_looks_at_private_rows_and_that_is_on_record(client):
    dataset = make.dataset()
    table = make.current(dataset).tables.get()
    page = get(client, dataset.owner, "rows", table.pk).content.decode()
    assert "31337.0" in page
    activity = get(client, dataset.owner, "activity", dataset.pk).content.decode()
    assert "Looked at private rows" in activity


@pytest.mark.parametrize("who", ["scientist", "admin", "auditor", "owner", "reviewer", "granted"])
@pytest.mark.parametrize("name", ["rows", "declare"])
def test_private_rows_do_not_exist_for_others(client, who, name):
    dataset = make.dataset()
    others = {"reviewer": lambda: make.reviewer(dataset).user, "granted": lambda: make.grant(dataset).user}
    person = others[who]() if who in others else getattr(make, who)()
    assert get(client, person, name, make.current(dataset).tables.get().pk).status_code == 404


@pytest.mark.parametrize("first", ["-1", "x", "99999999999", "10001", "1e3", ""])
def test_nonsense_for_the_first_row_is_refused(client, first):
    dataset = make.dataset()
    client.force_login(dataset.owner)
    url = reverse("datasets:rows", args=[make.current(dataset).tables.get().pk])
    assert client.get(url, {"first": first}).status_code == 400


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_mock_is_downloaded_by_whoever_may_know_of_the_dataset(client, form):
    dataset = make.dataset()
    answer = get(client, make.scientist(), "mock", dataset.pk, "wages", form)
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == f'attachment; filename="{dataset.name}-wages-mock.{form}"'


def test_declared_categories_are_no_formulas_in_the_mock(client):
    formula, fine = '=HYPERLINK("http://evil.example")', "-5 to 5"
    columns = {
        **datasets.WAGE_COLUMNS,
        "region": {"type": "category", "categories": [formula, "@x", fine], "confirmed": True},
    }
    dataset = make.dataset(published=False)
    services.declare(dataset.draft.tables.get(), by=dataset.owner, columns=columns, description="Wages.")
    services.publish(dataset, by=dataset.owner)
    dataset.refresh_from_db()
    text = get(client, dataset.owner, "mock", dataset.pk, "wages", "csv").content.decode()
    regions = {row["region"] for row in csv.DictReader(io.StringIO(text))}
    assert {f"'{formula}", "'@x", f"'{fine}"} <= regions <= {f"'{formula}", "'@x", f"'{fine}", ""}
    assert next(csv.reader(io.StringIO(text))) == ["person", "year", "region", "wage"]


@pytest.mark.parametrize(("table", "form"), [("wages", "xlsx"), ("others", "csv"), ("wages", "part")])
def test_other_mocks_do_not_exist(client, table, form):
    dataset = make.dataset()
    assert get(client, make.scientist(), "mock", dataset.pk, table, form).status_code == 404


def test_an_upload_is_found_on_the_content_page(client):
    dataset = make.dataset(published=False)
    uploads.begin(make.draft(dataset), by=dataset.owner, file_name="more.csv", size=1000)
    page = get(client, dataset.owner, "content", dataset.pk).content.decode()
    assert "more.csv" in page
    assert "choose the same file again" in page


@pytest.mark.parametrize("items", [1, 3])
def test_the_list_asks_the_database_the_same_however_long_it_is(client, items, django_assert_max_num_queries):
    owner = make.owner()
    for _ in range(items):
        make.dataset(owner=owner)
    client.force_login(make.scientist())
    with django_assert_max_num_queries(10):
        client.get(reverse("datasets:list"))
