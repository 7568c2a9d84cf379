"""Founding a study out of a dataset's columns, inviting other portals, and ending it."""

from typing import Any
from uuid import uuid4

import pytest
from django.http import Http404

from accounts.models import Notification
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from datasets import services as datasets
from datasets.models import Dataset
from network.models import Identity, Peer
from studies import documents, queries
from studies.models import Member, Study
from studies.services import consents, studies
from tests import make
from tests.makers import privacy
from tests.makers import studies as makers

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset() -> Dataset:
    return makers.offered()


def entry(action: str) -> Entry:
    return Entry.objects.filter(action=action).latest("id")


def test_a_study_is_founded_with_a_dataset_that_takes_part(peer: Peer, dataset: Dataset, settings: Any):
    study = makers.study(peer, dataset=dataset, joined=False, relies_on=[peer.url])
    document = documents.read_study(study.document)
    assert (study.pk, str(study), study.name, study.sha256) == (
        document.id, document.title, document.name, document.sha256,
    )  # fmt: skip
    assert document.founder == settings.BASE_URL
    assert document.portals == tuple(sorted([settings.BASE_URL, peer.url]))
    states = dict(study.members.values_list("url", "state"))
    assert states == {settings.BASE_URL: Member.State.JOINED, peer.url: Member.State.INVITED}
    assert study.members.get(url=peer.url).peer == peer
    mine = queries.own_member(study)
    assert (mine.dataset, mine.dataset_title, mine.public_size) == (dataset.pk, dataset.title, 30)
    made = study.participation
    assert (made.agreed_by, made.relies_on) == (dataset.owner, [peer.url])
    assert made.consent == consents.consent_text(study, dataset, [peer.url])
    found = entry("study.found")
    assert (found.actor_id, found.dataset_id) == (str(dataset.owner_id), str(dataset.pk))


def test_its_table_has_the_chosen_columns_and_no_constants(peer: Peer, dataset: Dataset):
    study = makers.study(peer, dataset=dataset, columns=["wage", "year", "region"])
    table = documents.read_study(study.document).table
    assert list(table.columns) == ["year", "region", "wage"]
    assert (table.name, table.subject, table.max_rows) == ("wages", "person", 4)
    assert not any(column.constant for column in table.columns.values())
    assert table.columns["wage"].upper == 50_000
    assert table.columns["region"].labels == ("east", "north", "west")


def refused(
    *peers: Peer, dataset: Dataset, by: Any = None, kind: type[Refused] = Refused, **changes: Any
) -> str:
    """Why a study cannot be founded so."""
    parts: dict[str, Any] = {
        **makers.WORDS,
        "relies_on": [],
        "agreed_text": "",
        "columns": makers.COLUMNS,
        **changes,
    }
    columns = parts.pop("columns")
    with pytest.raises(kind) as raised:
        studies.found(
            dataset, parts.pop("table", "wages"), columns, by=by or dataset.owner, portals=peers, **parts
        )
    assert not Study.objects.exists()
    return str(raised.value)


def test_what_cannot_be_founded_is_refused_in_words(peer: Peer, dataset: Dataset):
    assert "between 2 and 10 parts" in refused(dataset=dataset)
    assert "between 1 and 40 parts" in refused(peer, dataset=dataset, columns=[])
    assert "no column “person”" in refused(peer, dataset=dataset, columns=["person"])
    assert "no table “pay”" in refused(peer, dataset=dataset, table="pay", kind=Conflict)
    assert "small letters" in refused(peer, dataset=dataset, name="Wages of the North")
    assert "only" in refused(peer, dataset=dataset, relies_on=["https://c.example.org"])
    assert "have changed" in refused(peer, dataset=dataset, agreed_text="something else", kind=Conflict)
    Peer.objects.update(state=Peer.State.SUSPENDED, state_reason="x")
    peer.refresh_from_db()
    assert "not connected" in refused(peer, dataset=dataset)


def test_who_cannot_found(peer: Peer, dataset: Dataset):
    assert "Only the owner" in refused(peer, dataset=dataset, by=make.owner(), kind=Denied)
    without = make.dataset(owner=dataset.owner)
    assert "Make its promise first" in refused(peer, dataset=without, kind=Denied)
    datasets.freeze(dataset, by=dataset.owner, reason="Look.")
    dataset.refresh_from_db()
    assert "frozen" in refused(peer, dataset=dataset, kind=Denied)


def test_without_an_identity_nothing_is_founded(peer: Peer):
    Identity.objects.update(kept_at=None)
    made = make.dataset()
    privacy.promise(made)
    assert "identity" in refused(peer, dataset=Dataset.objects.get(pk=made.pk), kind=Denied)


def test_a_name_is_given_once(peer: Peer, dataset: Dataset):
    makers.study(peer, dataset=dataset)
    with pytest.raises(Conflict, match="already a study with the name “wages-north”"):
        makers.study(peer, dataset=dataset)


def test_the_founder_ends_a_study(peer: Peer, dataset: Dataset):
    study = makers.study(peer, dataset=dataset)
    with pytest.raises(Denied, match="Only the owner"):
        studies.end(study, by=make.owner(), reason="Done.")
    studies.end(study, by=dataset.owner, reason="Done.")
    study.refresh_from_db()
    assert (study.ended_at is not None, study.end_reason) == (True, "Done.")
    assert queries.own_member(study).number == 2
    assert entry("study.end").detail["reason"] == "Done."
    with pytest.raises(Denied, match=r"This study has ended\. Done\."):
        studies.end(study, by=dataset.owner, reason="Again.")


def test_an_invitation_is_stored_once_and_waits_for_owners(peer: Peer, settings: Any):
    owner, scientist = make.owner(), make.scientist()
    given = makers.document(peer, "https://c.example.org")
    study = studies.take_invitation(peer, given.id, given.text)
    assert studies.take_invitation(peer, given.id, given.text) == study
    assert (study.founder, study.founded_by, study.sha256) == (peer, None, given.sha256)
    assert sorted(study.members.values_list("url", "state", "peer")) == sorted([
        (settings.BASE_URL, "invited", None),
        (peer.url, "invited", peer.pk),
        ("https://c.example.org", "invited", None),
    ])  # fmt: skip
    assert entry("study.arrive").detail == {"portal": peer.url, "sha256": given.sha256}
    assert list(Notification.objects.values_list("user", flat=True)) == [owner.pk]
    assert Study.objects.visible_to(owner).get() == study
    assert Study.objects.visible_to(make.admin()).get() == study
    assert not Study.objects.visible_to(scientist).exists()


def test_what_no_invitation_is_is_refused(peer: Peer, settings: Any):
    given = makers.document(peer)
    with pytest.raises(Refused, match="cannot be read"):
        studies.take_invitation(peer, given.id, "{}")
    with pytest.raises(Refused, match="founded itself"):
        studies.take_invitation(peer, uuid4(), given.text)
    other = Peer(url="https://c.example.org")
    foreign = makers.document(other, peer.url)
    with pytest.raises(Refused, match="founded itself"):
        studies.take_invitation(peer, foreign.id, foreign.text)
    settings.BASE_URL = "https://z.example.org"
    with pytest.raises(Refused, match="not one of the study's portals"):
        studies.take_invitation(peer, given.id, given.text)
    assert not Study.objects.exists()


def test_what_a_study_has_agreed_on_does_not_change(peer: Peer):
    study = makers.invited(peer)
    changed = makers.document(peer, id=study.pk, title="Wages in the south")
    with pytest.raises(Conflict, match="does not change"):
        studies.take_invitation(peer, study.pk, changed.text)
    namesake = makers.document(peer, title="Wages in the south")
    with pytest.raises(Conflict, match="already a study with the name"):
        studies.take_invitation(peer, namesake.id, namesake.text)


def test_nobody_takes_over_a_study_that_was_founded_here(peer: Peer):
    study = makers.study(peer)
    same = makers.document(peer, id=study.pk)
    with pytest.raises(Conflict, match="does not change"):
        studies.take_invitation(peer, study.pk, same.text)


def test_a_portal_has_a_limited_number_of_open_invitations(peer: Peer, monkeypatch: Any):
    monkeypatch.setattr(studies, "MOST_OPEN", 2)
    makers.invited(peer, name="one")
    second = makers.invited(peer, name="two")
    with pytest.raises(Refused, match="2 invitations of your portal wait"):
        makers.invited(peer, name="three")
    studies.end_told(peer, second.pk, "Done.")
    assert makers.invited(peer, name="three").name == "three"


def test_only_the_founder_tells_that_a_study_has_ended(peer: Peer, dataset: Dataset):
    study = makers.invited(peer)
    made = makers.take_part(study, dataset)
    other = Peer(url="https://c.example.org")
    with pytest.raises(Http404):
        studies.end_told(other, study.pk, "Done.")
    studies.end_told(peer, study.pk, "Done.")
    studies.end_told(peer, study.pk, "Done again.")
    study.refresh_from_db()
    assert study.end_reason == "Done."
    assert list(Notification.objects.filter(text__contains="has ended").values_list("user", flat=True)) == [
        made.dataset.owner_id
    ]
    with pytest.raises(Denied, match="Only the portal that founded"):
        studies.end(Study.objects.create(
            pk=uuid4(), founder=peer, name="x", title="x", document=study.document, sha256="0" * 64,
        ), by=dataset.owner, reason="Mine.")  # fmt: skip
