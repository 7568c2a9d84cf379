"""Private content reaches nobody but its owner. What could leak is there: a wage that nobody declared."""

import json
import re

import pyarrow as pa
import pytest
from django.core import mail
from django.urls import reverse

from accounts.models import Notification
from audit.models import Entry
from common.errors import Conflict, Denied
from datasets import services, storage
from datasets.services import inspection
from tests import make
from tests.makers.datasets import PEOPLE, SECRET_WAGE, YEARS, wage_rows

pytestmark = pytest.mark.django_db
ROWS = str(PEOPLE * YEARS)


@pytest.fixture
def dataset():
    dataset = make.dataset(published=False, terms="Be kind.")
    table = make.draft(dataset).tables.get()
    profile = {"wage": {"lowest": 1007.0, "highest": float(SECRET_WAGE), "distinct": 120, "values": []}}
    type(table).objects.filter(pk=table.pk).update(
        profile=profile, findings=["Column “wage”: a secret finding."]
    )
    services.publish(dataset, by=dataset.owner)
    dataset.refresh_from_db()
    return dataset


def secrets_of(dataset) -> list[str]:
    table = make.current(dataset).tables.get()
    return [
        str(SECRET_WAGE),
        "1007",
        "secret finding",
        table.source_name,
        table.stored_name,
        table.stored_sha256,
        make.current(dataset).sha256,
        f"{table.stored_bytes} bytes",
        f"{ROWS} rows",
        f">{ROWS}<",
    ]


def held(dataset, page: str) -> list[str]:
    """Return the secrets on a page, but not where their digits occur in a random token or id."""
    return [
        secret
        for secret in secrets_of(dataset)
        if re.search(rf"(?<![0-9A-Za-z-]){re.escape(secret)}(?![0-9A-Za-z-])", page)
    ]


def test_the_secret_is_there(client, dataset):
    client.force_login(dataset.owner)
    page = client.get(reverse("datasets:content", args=[dataset.pk])).content.decode()
    assert make.current(dataset).sha256 in page
    assert f"{ROWS} rows" in page
    rows = client.get(reverse("datasets:rows", args=[make.current(dataset).tables.get().pk])).content.decode()
    assert str(SECRET_WAGE) in rows


@pytest.mark.parametrize("who", ["scientist", "granted", "reviewer", "admin", "auditor", "asking"])
@pytest.mark.parametrize("name", ["list", "detail", "ask"])
def test_no_page_for_others_holds_it(client, dataset, who, name):
    people = {
        "granted": lambda: make.grant(dataset).user,
        "reviewer": lambda: make.reviewer(dataset).user,
        "asking": lambda: make.access_request(dataset).scientist,
    }
    client.force_login(people[who]() if who in people else getattr(make, who)())
    answer = client.get(reverse(f"datasets:{name}", args=[] if name == "list" else [dataset.pk]))
    assert answer.status_code == 200
    assert held(dataset, answer.content.decode()) == []


def test_what_an_owner_previews_does_not_hold_it_either(client, dataset):
    client.force_login(dataset.owner)
    page = client.get(reverse("datasets:preview", args=[dataset.pk])).content.decode()
    assert held(dataset, page) == []


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_mock_does_not_hold_it(client, dataset, form):
    client.force_login(make.scientist())
    content = client.get(reverse("datasets:mock", args=[dataset.pk, "wages", form])).content
    assert str(SECRET_WAGE).encode() not in content


def test_the_public_schema_does_not_hold_it(dataset):
    text = json.dumps(make.current(dataset).schema)
    assert [secret for secret in secrets_of(dataset) if secret in text] == []


def test_no_notification_no_mail_and_no_audit_entry_holds_it(dataset):
    make.next_revision(dataset)
    services.freeze(dataset, by=dataset.owner, reason="A pause.")
    told = json.dumps(list(Notification.objects.values_list("text", "url")))
    sent = json.dumps([message.body for message in mail.outbox])
    logged = json.dumps(list(Entry.objects.values_list("object_label", "changes", "detail")))
    private = [str(SECRET_WAGE), "private_file", "secret finding"]
    assert [secret for secret in private if secret in told + sent + logged] == []


def test_how_many_cells_do_not_fit_is_for_the_owner_alone(client):
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    services.declare(table, by=dataset.owner, columns={"wage": {"upper": 2_000.0, "confirmed": True}})
    table.refresh_from_db()
    assert inspection.check_fit(table, by=dataset.owner) == {"wage": {"outside": 1}}
    services.publish(dataset, by=dataset.owner)
    client.force_login(make.scientist())
    page = client.get(reverse("datasets:detail", args=[dataset.pk])).content.decode()
    assert "outside" not in page


@pytest.mark.parametrize("who", ["scientist", "owner", "admin", "auditor"])
def test_private_files_open_for_the_owner_alone(dataset, who):
    table = make.current(dataset).tables.get()
    other = getattr(make, who)()
    for act in (
        lambda: storage.open_for_owner(table, by=other),
        lambda: inspection.rows(table, by=other, first=0),
        lambda: inspection.check_fit(table, by=other),
    ):
        with pytest.raises(Denied):
            act()


def test_categories_and_dates_that_do_not_fit_are_counted():
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    columns: dict[str, dict[str, object]] = {
        "region": {"categories": ["east"], "confirmed": True},
        "year": {"lower": 1991.0, "upper": 1992.0, "confirmed": True},
    }
    services.declare(table, by=dataset.owner, columns=columns)
    table.refresh_from_db()
    assert inspection.check_fit(table, by=dataset.owner) == {
        "year": {"outside": 60},
        "region": {"outside": 80},
    }


def test_values_with_more_decimals_than_declared_are_counted_for_the_owner(client):
    """Rounding errors of floats do not count as decimals, and cells outside the bounds count only as outside."""
    rows = wage_rows(people=2, years=4)
    wages = pa.array([0.1 + 0.2, 1.005, 2.675, 19.99 * 3, 60_000.001, None, 5.0, 1_234.5])
    dataset = make.dataset(published=False, rows=rows.set_column(3, "wage", wages))
    table = make.draft(dataset).tables.get()
    found = {}
    for decimals in (0, 1, 2, 3, 6, None):
        services.declare(table, by=dataset.owner, columns={"wage": {"decimals": decimals}})
        table.refresh_from_db()
        found[decimals] = inspection.check_fit(table, by=dataset.owner)["wage"]
    assert [found[decimals].pop("outside") for decimals in found] == [1] * 6
    assert found == {0: {"rounded": 5}, 1: {"rounded": 3}, 2: {"rounded": 2}, 3: {}, 6: {}, None: {}}
    services.declare(table, by=dataset.owner, columns={"wage": {"decimals": 2, "confirmed": True}})
    table.refresh_from_db()
    inspection.check_fit(table, by=dataset.owner)
    client.force_login(dataset.owner)
    text = client.get(reverse("datasets:declare", args=[table.pk])).content.decode()
    assert (
        "2 of 8 rows hold a value with more decimals than you declare here. Only you see this number." in text
    )
    assert "1 of 8 rows hold a value outside what you declare here." in text
    services.publish(dataset, by=dataset.owner)
    client.force_login(make.scientist())
    page = client.get(reverse("datasets:detail", args=[dataset.pk])).content.decode()
    assert "at most 2 decimals" in page
    assert "rows hold" not in page


def test_nobody_can_try_out_content_by_the_hash_that_scientists_read():
    """The same rows under the same declarations have another hash each time they are sealed."""
    first, second = make.current(make.dataset()), make.current(make.dataset())
    assert (first.tables.get().stored_sha256, first.schema) == (
        second.tables.get().stored_sha256,
        second.schema,
    )
    assert first.sha256 != second.sha256


def test_who_has_more_rows_than_declared_is_counted_for_the_owner():
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    for declared, over in ((4, 0), (3, PEOPLE)):
        services.declare(table, by=dataset.owner, columns={}, rows_per_subject=declared)
        table.refresh_from_db()
        assert table.misfits == {}
        inspection.check_fit(table, by=dataset.owner)
        assert table.misfits["people"] == {
            "all": PEOPLE,
            "over": over,
            "most": YEARS,
            "declared": declared,
            "nobody": 0,
        }
        assert table.misfits["per_value"] == []


def test_what_was_not_counted_is_not_half_kept(monkeypatch):
    table = make.draft(make.dataset(published=False)).tables.get()

    def too_long(*given):
        raise Conflict("It took too long.")

    monkeypatch.setattr(inspection, "_people", too_long)
    with pytest.raises(Conflict):
        inspection.check_fit(table, by=table.revision.dataset.owner)
    table.refresh_from_db()
    assert table.misfits == {}


def test_who_has_more_rows_with_one_value_is_counted_for_the_owner():
    rows = wage_rows()
    dataset = make.dataset(published=False, rows=pa.concat_tables([rows, rows.slice(0, 2), rows.slice(0, 1)]))
    table = make.draft(dataset).tables.get()
    columns = {"year": {"rows_per_value": 1}, "region": {"rows_per_value": 6}}
    services.declare(table, by=dataset.owner, columns=columns)
    table.refresh_from_db()
    inspection.check_fit(table, by=dataset.owner)
    assert table.misfits["per_value"] == [
        {"column": "year", "all": PEOPLE, "over": 1, "most": 3, "nobody": 0, "declared": 1},
        {"column": "region", "all": PEOPLE, "over": 1, "most": YEARS + 3, "nobody": 0, "declared": 6},
    ]


def test_dates_without_end_lie_outside_of_all_bounds():
    """Postgres writes `infinity` into files: no scientist ever sees it, and the owner is shown that it is there."""
    rows = wage_rows(people=2, years=2)
    days = pa.array([0, 10, 2**31 - 1, -(2**31 - 1)], pa.int32()).cast(pa.date32())
    dataset = make.dataset(published=False, rows=rows.append_column("born", days), declared={"born": {}})
    table = make.draft(dataset).tables.get()
    services.declare(table, by=dataset.owner, columns={"born": {"lower": 0.0, "upper": 20_000.0}})
    table.refresh_from_db()
    assert inspection.check_fit(table, by=dataset.owner)["born"] == {"outside": 2}
