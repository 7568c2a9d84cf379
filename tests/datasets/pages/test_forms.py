"""What is done on the pages of datasets: each post does one thing, keeps what was typed on error, and tells why not."""

import html
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from datasets import services
from datasets.models import AccessRequest, Dataset, Grant, Revision
from tests import make

pytestmark = pytest.mark.django_db


def post(client, user, page, /, *args, **data):
    client.force_login(user)
    return client.post(reverse(f"datasets:{page}", args=args), data)


def test_a_dataset_is_begun(client):
    owner = make.owner()
    answer = post(client, owner, "create", title="Wage panel", name="wage_panel", discoverable="on")
    dataset = Dataset.objects.get()
    assert answer["Location"] == reverse("datasets:content", args=[dataset.pk])
    assert (dataset.owner, dataset.state, dataset.draft is not None) == (owner, Dataset.State.DRAFT, True)


def test_what_was_typed_stays_when_a_name_is_taken(client):
    make.dataset(name="wage_panel")
    answer = post(
        client, make.owner(), "create", title="My own title", name="wage_panel", summary="Kept text"
    )
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "already exists" in page
    assert "My own title" in page
    assert "Kept text" in page


def test_a_scientist_is_told_who_publishes(client):
    client.force_login(make.scientist())
    assert "Only data owners can publish datasets" in client.get(reverse("datasets:create")).content.decode()
    assert post(client, make.scientist(), "create", title="T", name="t").status_code == 400
    assert not Dataset.objects.exists()


def test_the_policy_says_when_reviewers_are_missing(client):
    dataset = make.dataset()
    policy = {
        "reviewers_needed": 2, "max_runs": 7, "approval_days": 30, "wall_seconds": 60, "memory_mb": 512,
        "threshold": 10, "run_isolation": "ordinary", "end_step_seconds": 10,
    }  # fmt: skip
    answer = post(client, dataset.owner, "policy", dataset.pk, **policy)
    assert answer.status_code == 400
    assert "there is only 1, counting you" in answer.content.decode()
    make.reviewer(dataset)
    assert post(client, dataset.owner, "policy", dataset.pk, **policy).status_code == 302
    dataset.refresh_from_db()
    assert (dataset.reviewers_needed, dataset.max_runs, dataset.memory_mb) == (2, 7, 512)


def test_terms_are_written_and_accepted(client):
    dataset, scientist = make.dataset(), make.scientist()
    post(client, dataset.owner, "policy", dataset.pk, text="Be kind.")
    asked = {"purpose": "To learn.", "outputs": "Means.", "terms": str(dataset.terms.pk)}
    answer = post(client, scientist, "ask", dataset.pk, **asked)
    assert answer.status_code == 400
    assert "To learn." in answer.content.decode()
    assert "accept them, or do not ask" in answer.content.decode()
    assert post(client, scientist, "ask", dataset.pk, accepted="on", **asked).status_code == 302
    assert AccessRequest.objects.get().terms == dataset.terms


@pytest.mark.parametrize("terms", ["", "nonsense", "7f0c0000-0000-4000-8000-000000000000"])
def test_terms_that_are_not_the_present_ones_are_not_accepted(client, terms):
    dataset = make.dataset(terms="Be kind.")
    data = {"purpose": "To learn.", "outputs": "Means.", "accepted": "on", "terms": terms}
    assert post(client, make.scientist(), "ask", dataset.pk, **data).status_code == 400
    assert not AccessRequest.objects.exists()


def test_access_is_declined_with_a_reason_and_granted_by_post_alone(client):
    dataset = make.dataset()
    item = make.access_request(dataset)
    client.force_login(dataset.owner)
    assert client.get(reverse("datasets:decide", args=[item.pk])).status_code == 405
    answer = post(client, dataset.owner, "decide", item.pk, verdict="deny", days="30")
    assert answer.status_code == 400
    assert "Write a note that says why you decline the request." in answer.content.decode()
    assert post(client, dataset.owner, "decide", item.pk, verdict="grant", days="30").status_code == 302
    assert Grant.objects.get().user == item.scientist


@pytest.mark.parametrize("who", ["scientist", "owner", "admin", "auditor", "reviewer"])
@pytest.mark.parametrize("name", ["access", "decide", "withdraw"])
def test_requests_for_access_do_not_exist_for_others(client, who, name):
    dataset = make.dataset()
    item = make.access_request(dataset)
    other = make.reviewer(dataset).user if who == "reviewer" else getattr(make, who)()
    client.force_login(other)
    url = reverse(f"datasets:{name}", args=[item.pk])
    answer = client.get(url) if name == "access" else client.post(url, {"verdict": "grant"})
    assert answer.status_code == 404
    item.refresh_from_db()
    assert item.state == AccessRequest.State.PENDING


def test_nobody_decides_on_their_own_request(client):
    item = make.access_request(make.dataset())
    assert post(client, item.scientist, "decide", item.pk, verdict="grant").status_code == 403
    assert not Grant.objects.exists()


def test_one_takes_ones_request_back(client):
    item = make.access_request(make.dataset())
    assert post(client, item.scientist, "withdraw", item.pk).status_code == 302
    item.refresh_from_db()
    assert item.state == AccessRequest.State.WITHDRAWN


@pytest.mark.parametrize("who", ["owner", "admin"])
def test_access_is_taken_away_by_the_owner_or_an_admin(client, who):
    dataset = make.dataset()
    grant = make.grant(dataset)
    by = dataset.owner if who == "owner" else make.admin()
    assert post(client, by, "revoke", grant.pk, reason="").status_code == 400
    assert post(client, by, "revoke", grant.pk, reason="They left.").status_code == 302
    grant.refresh_from_db()
    assert grant.revoked_by == by


@pytest.mark.parametrize(
    ("who", "status"), [("scientist", 404), ("auditor", 404), ("owner", 404), ("self", 403)]
)
def test_nobody_else_takes_access_away(client, who, status):
    grant = make.grant(make.dataset())
    other = grant.user if who == "self" else getattr(make, who)()
    assert post(client, other, "revoke", grant.pk, reason="No.").status_code == status
    grant.refresh_from_db()
    assert grant.revoked_at is None


@pytest.mark.parametrize("name", ["freeze", "retire"])
@pytest.mark.parametrize(
    ("who", "frozen"), [("owner", True), ("admin", True), ("scientist", False), ("auditor", False)]
)
def test_who_takes_a_dataset_out_of_use(client, name, who, frozen):
    """The owner can do both, an admin can only freeze, others can do neither."""
    dataset = make.dataset()
    by = dataset.owner if who == "owner" else getattr(make, who)()
    answer = post(client, by, name, dataset.pk, reason="An incident.")
    dataset.refresh_from_db()
    done = frozen and (name == "freeze" or who == "owner")
    assert answer.status_code == (302 if done else 400)
    assert (dataset.state != Dataset.State.PUBLISHED) == done


def test_a_new_revision_is_begun_and_discarded(client):
    dataset = make.dataset()
    post(client, dataset.owner, "begin_revision", dataset.pk, note="More years.")
    draft = make.draft(dataset)
    assert (draft.number, draft.note) == (2, "More years.")
    post(client, dataset.owner, "discard", draft.pk)
    draft.refresh_from_db()
    assert draft.state == Revision.State.DISCARDED


@pytest.mark.parametrize("name", ["discard", "retire_revision"])
def test_revisions_do_not_exist_for_others(client, name):
    revision = make.current(make.dataset())
    for other in (make.owner(), make.admin(), make.scientist()):
        assert post(client, other, name, revision.pk, reason="No.").status_code == 404


def test_reviewers_are_added_by_their_address(client):
    dataset, colleague = make.dataset(), make.user(name="Rea")
    answer = post(client, dataset.owner, "add_reviewer", dataset.pk, email="nobody@weir.example")
    assert answer.status_code == 400
    assert "Nobody with this address" in answer.content.decode()
    answer = post(client, dataset.owner, "add_reviewer", dataset.pk, email=colleague.email.upper())
    assert answer.status_code == 302
    seat = dataset.reviewers.get()
    assert (seat.user, seat.decides_access) == (colleague, False)
    assert post(client, make.owner(), "remove_reviewer", seat.pk).status_code == 404
    assert post(client, dataset.owner, "remove_reviewer", seat.pk).status_code == 302
    assert dataset.reviewers.count() == 0


def test_a_dataset_is_handed_over(client):
    dataset, heir = make.dataset(), make.owner()
    former = dataset.owner
    assert post(client, former, "transfer", dataset.pk, email=heir.email, reason="").status_code == 400
    assert (
        post(client, former, "transfer", dataset.pk, email=heir.email, reason="I retire.").status_code == 302
    )
    client.force_login(former)
    assert client.get(reverse("datasets:content", args=[dataset.pk])).status_code == 404


def test_values_read_off_the_data_are_filled_in_but_not_confirmed(client):
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    profile = {"wage": {"lowest": 12.0, "highest": 31_337.0, "distinct": 99, "values": []}}
    type(table).objects.filter(pk=table.pk).update(profile=profile)
    columns = {column.name: column for column in table.columns.all()}
    data = {
        "name": "wages",
        "subject": str(columns["person"].pk),
        "mock_rows": "400",
        "rows_per_subject": "4",
    }
    for column in columns.values():
        data[f"c{column.position}-type"] = column.type
    data |= {
        "c1-lower": "1990",
        "c1-upper": "1999",
        "c1-rows_per_value": "1",
        "c1-confirmed": "on",
        "c3-rows_per_value": "2",
        "c2-categories": "east\nnorth\nwest",
    }
    answer = post(client, dataset.owner, "declare", table.pk, fill=columns["wage"].pk.hex, **data)
    assert answer.status_code == 302
    wage, year, region = (table.columns.get(name=name) for name in ("wage", "year", "region"))
    assert (wage.lower, wage.upper, wage.confirmed) == (12.0, 31_337.0, False)
    assert (year.rows_per_value, wage.rows_per_value) == (1, None)
    assert (year.upper, year.confirmed, region.categories) == (1999.0, True, ["east", "north", "west"])
    assert "31337" not in client.get(reverse("datasets:activity", args=[dataset.pk])).content.decode()


def test_publishing_by_page(client):
    dataset = make.dataset(published=False)
    assert post(client, make.owner(), "publish", dataset.pk).status_code == 404
    assert post(client, dataset.owner, "publish", dataset.pk)["Location"] == reverse(
        "datasets:detail", args=[dataset.pk]
    )
    assert make.current(dataset).number == 1


def test_a_codebook_is_shown_before_it_is_taken(client):
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    file = SimpleUploadedFile("book.csv", "name;label;max\nwage;Größe;20000\n".encode("cp1252"))
    page = post(client, dataset.owner, "codebook", table.pk, file=file, then="look").content.decode()
    assert "<del>50000</del> → <ins>20000</ins>" in page
    assert 'name="public"' not in page
    assert table.columns.get(name="wage").upper == 50_000
    [text] = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    answer = post(client, dataset.owner, "codebook", table.pk, text=html.unescape(text), then="take")
    assert answer["Location"] == reverse("datasets:declare", args=[table.pk])
    wage = table.columns.get(name="wage")
    assert (wage.upper, wage.description, wage.confirmed) == (20_000, "Größe", False)
    content = client.get(reverse("datasets:content", args=[dataset.pk])).content.decode()
    place = f"{reverse('datasets:declare', args=[table.pk])}?page=1#column-{wage.pk.hex}"
    assert content.count(f'<a href="{place}">wage</a>: 1 of 120 rows outside') == 1
    assert f'<a href="{place}">wages.wage</a>: confirm that its bounds' in content


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "Paste a codebook, or choose its file."),
        ({"text": "hello"}, "No line of this text names the columns"),
        ({"text": "name,label\n", "file": SimpleUploadedFile("a.csv", b"x")}, "not both"),
        ({"file": SimpleUploadedFile("a.xlsx", b"PK\x03\x04")}, "This is a workbook."),
        ({"text": "x" * 1_100_000}, "at most 1 MB"),
    ],
    ids=range(5),
)
def test_what_was_pasted_stays_if_it_is_no_codebook(client, data, words):
    dataset = make.dataset(published=False)
    answer = post(client, dataset.owner, "codebook", make.draft(dataset).tables.get().pk, then="look", **data)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert data.get("text", "") in answer.content.decode()


def test_a_codebook_of_public_values_confirms_at_once(client):
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    services.declare(table, by=dataset.owner, columns={"region": {"type": "text", "categories": []}})
    text = "name,min,max,may be empty\nwage,0,20000,no\nregion,,,no\n"
    page = post(client, dataset.owner, "codebook", table.pk, text=text, then="look").content.decode()
    assert "This confirms 1 of 2 named columns; of the others the codebook does not state everything" in page
    post(client, dataset.owner, "codebook", table.pk, text=text, then="take", public="on")
    wage = table.columns.get(name="wage")
    assert (wage.upper, wage.nullable, wage.confirmed) == (20_000, False, True)
    region = table.columns.get(name="region")
    assert (region.nullable, region.confirmed) == (False, False)


def test_who_downloads_a_codebook(client):
    dataset = make.dataset()
    table = make.current(dataset).tables.get()
    client.force_login(make.scientist())
    public = client.get(reverse("datasets:published_codebook", args=[dataset.pk, "wages"]))
    assert public["Content-Disposition"] == f'attachment; filename="{dataset.name}-wages-codebook.csv"'
    assert client.get(reverse("datasets:published_codebook", args=[dataset.pk, "other"])).status_code == 404
    assert client.get(reverse("datasets:codebook_csv", args=[table.pk])).status_code == 404
    assert client.get(reverse("datasets:codebook", args=[table.pk])).status_code == 404
    client.force_login(dataset.owner)
    assert client.get(reverse("datasets:codebook_csv", args=[table.pk])).content == public.content
    answer = client.get(reverse("datasets:codebook", args=[table.pk]))
    assert answer["Location"] == reverse("datasets:content", args=[dataset.pk])


def test_errors_of_declarations_name_the_column(client):
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    data = {f"c{column.position}-type": column.type for column in table.columns.all()}
    sent = {**data, "name": "wages", "c1-lower": "soon", "c3-decimals": "-1", "mock_rows": "400"}
    answer = post(client, dataset.owner, "declare", table.pk, **sent)
    page = " ".join(answer.content.decode().split())
    assert '<a href="#id_c1-lower">year, lowest possible: Enter a whole number.</a>' in page
    assert '<a href="#id_rows_per_subject">Rows per person, at most: This field is required.</a>' in page
    assert page.count('<details class="declared-wide" open>') == 1


def test_what_is_constant_is_asked_only_where_people_have_several_rows(client):
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    box, hidden = '<input type="checkbox" name="c2-constant"', '<input type="hidden" name="c2-constant"'

    def page() -> str:
        return client.get(reverse("datasets:declare", args=[table.pk])).content.decode()

    data = {f"c{column.position}-type": column.type for column in table.columns.all()} | {
        "name": "wages", "mock_rows": "400", "subject": str(table.subject.pk), "c1-lower": "1990", "c1-upper": "1999",
        "c2-categories": "east\nnorth\nwest", "c3-lower": "0", "c3-upper": "9", "c2-constant": "on",
    }  # fmt: skip
    sent = post(client, dataset.owner, "declare", table.pk, **data, rows_per_subject="4")
    assert sent.status_code == 302
    assert table.columns.get(name="region").constant
    assert (box in page(), hidden in page(), "c0-constant" in page()) == (True, False, True)
    post(client, dataset.owner, "declare", table.pk, **data, rows_per_subject="1")
    assert (box in page(), f'{hidden} value="True"' in page()) == (False, True)
    post(client, dataset.owner, "declare", table.pk, **{**data, "c2-constant": "True"}, rows_per_subject="4")
    assert table.columns.get(name="region").constant
    assert "same in all of a person’s rows" in client.get(reverse("datasets:preview", args=[dataset.pk])).text
