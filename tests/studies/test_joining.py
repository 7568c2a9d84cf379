"""Joining a study with a dataset, declining, leaving, and on whom an owner counts."""

from collections.abc import Callable
from typing import Any

import pytest

from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from datasets.models import Dataset
from network.models import Peer
from network.services import own as identity
from studies import mapping, queries, rules
from studies.models import Member, Participation, Study
from studies.services import consents, participations, studies
from tests import make
from tests.makers import studies as makers
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db
Portals = Callable[..., Portal]


@pytest.fixture
def dataset() -> Dataset:
    return makers.offered()


@pytest.fixture
def study(peer: Peer) -> Study:
    return makers.invited(peer)


def entry(action: str) -> Entry:
    return Entry.objects.filter(action=action).latest("id")


def test_an_owner_joins_with_a_dataset(peer: Peer, study: Study, dataset: Dataset):
    assert list(queries.invitations()) == [study]
    assert list(queries.could_join(dataset.owner)) == [dataset]
    made = makers.take_part(study, dataset, relies_on=[peer.url])
    assert (made.dataset, made.table, made.mapping, made.relies_on) == (
        dataset, "wages", makers.MAPPING, [peer.url],
    )  # fmt: skip
    assert (made.consent, made.agreed_by) == (
        consents.consent_text(study, dataset, [peer.url]), dataset.owner,
    )  # fmt: skip
    mine = queries.own_member(study)
    assert (mine.state, mine.number, mine.dataset) == (Member.State.JOINED, 1, dataset.pk)
    assert queries.participation_of(study) == made
    assert not queries.invitations().exists()
    found = entry("study.join")
    assert (found.dataset_id, found.detail["relies_on"]) == (str(dataset.pk), [peer.url])


def joining(study: Study, dataset: Dataset, *, kind: type[Refused] = Refused, **changes: Any) -> str:
    """Why a dataset cannot join so."""
    parts: dict[str, Any] = {
        "table": "wages", "mapping": makers.MAPPING, "relies_on": [], "by": dataset.owner,
        "agreed_text": "", **changes,
    }  # fmt: skip
    with pytest.raises(kind) as raised:
        participations.join(study, dataset, **parts)
    assert not Participation.objects.exists()
    return str(raised.value)


def test_what_cannot_join_is_refused(study: Study, dataset: Dataset):
    assert "Only the owner" in joining(study, dataset, by=make.owner(), kind=Denied)
    without = make.dataset(owner=dataset.owner)
    assert "Make its promise first" in joining(study, without, kind=Denied)
    assert "no table “pay”" in joining(study, dataset, table="pay", kind=Conflict)
    assert "Choose a column for “pay”" in joining(study, dataset, mapping={}, kind=mapping.DoesNotFit)
    assert "other portals of this study only" in joining(study, dataset, relies_on=["https://z.example.org"])
    assert "have changed" in joining(study, dataset, agreed_text="something", kind=Conflict)
    studies.end_told(study.founder, study.pk, "Done.")  # type: ignore[arg-type]
    assert "has ended" in joining(study, dataset, kind=Denied)


def test_a_portal_takes_part_once(study: Study, dataset: Dataset):
    makers.take_part(study, dataset)
    with pytest.raises(Denied, match="already takes part"):
        makers.take_part(study)
    participations.leave(study, by=dataset.owner, reason="Moved.")
    with pytest.raises(Denied, match="has left this study"):
        makers.take_part(study, dataset)


def test_line_ends_of_forms_do_not_change_the_text(study: Study, dataset: Dataset):
    text = consents.consent_text(study, dataset, []).replace("\n", "\r\n") + "\r\n"
    made = participations.join(
        study, dataset, "wages", makers.MAPPING, [], by=dataset.owner, agreed_text=text
    )
    assert "\r" not in made.consent


def test_an_owner_declines_and_another_joins_after_all(study: Study, dataset: Dataset):
    for nobody in (make.scientist(), make.admin(), make.auditor()):
        with pytest.raises(Denied):
            participations.decline(study, by=nobody, reason="Not for us.")
    with pytest.raises(Refused, match="Give a reason"):
        participations.decline(study, by=make.owner(), reason=" ")
    participations.decline(study, by=make.owner(), reason="Not for us.")
    assert queries.own_member(study).state == Member.State.DECLINED
    assert entry("study.decline").detail["reason"] == "Not for us."
    with pytest.raises(Denied, match="already been decided"):
        participations.decline(study, by=make.owner(), reason="Not for us.")
    makers.take_part(study, dataset)
    assert queries.own_member(study).number == 2


def test_only_its_owner_leaves(study: Study, dataset: Dataset):
    with pytest.raises(Denied, match="does not take part"):
        participations.leave(study, by=dataset.owner, reason="Moved.")
    makers.take_part(study, dataset)
    with pytest.raises(Denied, match="Only the owner"):
        participations.leave(study, by=make.owner(), reason="Moved.")
    left = participations.leave(study, by=dataset.owner, reason="Moved.")
    assert (left.leave_reason, left.left_at is not None) == ("Moved.", True)
    mine = queries.own_member(study)
    assert (mine.state, mine.dataset, mine.dataset_title, mine.public_size) == (
        Member.State.LEFT,
        None,
        "",
        None,
    )
    assert queries.participation_of(study) is None
    assert entry("study.leave").dataset_id == str(dataset.pk)


def test_an_owner_counts_on_others_later(peer: Peer, study: Study, dataset: Dataset):
    makers.take_part(study, dataset)
    text = consents.consent_text(study, dataset, [peer.url])
    with pytest.raises(Conflict, match="have changed"):
        participations.change_reliance(study, [peer.url], by=dataset.owner, agreed_text="x")
    with pytest.raises(Denied, match="Only the owner"):
        participations.change_reliance(study, [peer.url], by=make.owner(), agreed_text=text)
    participations.change_reliance(study, [peer.url], by=dataset.owner, agreed_text=text)
    made = participations.change_reliance(study, [peer.url], by=dataset.owner, agreed_text=text)
    assert (made.relies_on, made.consent) == ([peer.url], text)
    (found,) = Entry.objects.filter(action="study.rely")
    assert found.changes == {"relies_on": [[], [peer.url]]}


def three(portals: Portals, **fields: Any) -> list[Peer]:
    """Three other portals with names of their own, or with these."""
    names = fields.pop("names", ("Hospital B", "Hospital C", "Hospital D"))
    return [portals(name).peer() for name in names]


def test_the_text_says_what_fewer_portals_would_mean(portals: Portals, dataset: Dataset):
    peers = three(portals)
    urls = [peer.url for peer in peers]
    study = makers.study(*peers, dataset=dataset, joined=False)
    alone = consents.consent_text(study, dataset, [])
    assert "You count on no other portal." in alone
    assert "of 100 cases" not in alone
    text = consents.consent_text(study, dataset, urls[:2])
    assert "You count on Hospital B and Hospital C" in text
    assert "Up to 3 portals, with yours" in text
    chances = [line.split(" of 100")[0].rpartition(" ")[2] for line in text.splitlines() if "of 100" in line]
    assert len(chances) == 3
    assert chances == sorted(chances)
    assert "Up to 3 portals" in consents.consent_text(study, dataset, urls)  # one of four is never counted on
    assert all(f"({url})" in text for url in urls)
    assert "all mu are simply added" in text


def test_with_two_portals_nobody_is_counted_on(peer: Peer, dataset: Dataset):
    study = makers.study(peer, dataset=dataset, joined=False)
    text = consents.consent_text(study, dataset, [peer.url])
    assert "You count on Hospital B, which changes nothing" in text


HOME = "http://127.0.0.1:1"


def test_how_many_portals_a_promise_counts_on(portals: Portals, settings: Any):
    peers = three(portals)
    urls = [peer.url for peer in peers]
    roster = [settings.BASE_URL, *urls]
    here = settings.BASE_URL
    assert queries.h_of([], roster, home=here) == 1
    assert queries.h_of(urls[:1], roster, home=here) == 2
    assert queries.h_of(urls[:2], roster, home=here) == 3
    assert queries.h_of(urls, roster, home=here) == 3  # one other is never counted on
    assert queries.h_of(urls, roster, home=urls[0]) == 3
    assert queries.h_of(urls[:1], roster, home=urls[0]) == 1
    assert queries.h_of(urls, roster[:3], home=here) == 2
    assert queries.h_of(urls, roster[:2], home=here) == 1
    assert queries.h_of([HOME, here], roster, home=here) == 1


@pytest.mark.parametrize("state", [Peer.State.SUSPENDED, Peer.State.REMOVED])
def test_only_active_portals_count(portals: Portals, settings: Any, state: str):
    peers = three(portals)
    roster = [settings.BASE_URL, *(peer.url for peer in peers)]
    Peer.objects.filter(pk=peers[0].pk).update(state=state)
    assert queries.h_of(roster[1:3], roster, home=settings.BASE_URL) == 2


def test_who_replaced_its_keys_counts_once_it_was_compared_again(portals: Portals, settings: Any):
    peers = three(portals)
    roster = [settings.BASE_URL, *(peer.url for peer in peers)]
    Peer.objects.filter(pk=peers[0].pk).update(recovered_at=peers[0].confirmed_at)
    assert queries.h_of(roster[1:3], roster, home=settings.BASE_URL) == 2


def test_an_institution_counts_once_and_ones_own_does_not(portals: Portals, settings: Any):
    peers = three(portals, names=("Clinic", "clinic", "HOSPITAL  A"))
    roster = [settings.BASE_URL, *(peer.url for peer in peers)]
    identity.keep_recovery_key(by=make.admin())
    assert queries.h_of(roster[1:3], roster, home=settings.BASE_URL) == 2
    assert queries.h_of([roster[1], roster[3]], roster, home=settings.BASE_URL) == 2
    assert queries.h_of([roster[2]], roster, home=roster[1]) == 1  # the home's institution


def test_owners_alone_decide(study: Study, dataset: Dataset):
    assert rules.may_decide(dataset.owner, study) is None
    assert "Only data owners" in str(rules.may_decide(make.scientist(), study))
    assert "cannot hold a duty" in str(rules.may_decide(make.admin(), study))
