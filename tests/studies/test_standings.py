"""How a scientist stands at each portal of a study."""

from typing import Any
from uuid import UUID

import pytest

from common.errors import Denied
from network.models import Peer
from network.services.elsewhere import remote_id_of
from studies import words
from studies.models import Study
from studies.services import standings
from tests import make
from tests.makers import privacy
from tests.makers import studies as makers
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db
THERE = UUID(int=5)
STAND = words.Stand(
    takes_part=True,
    dataset=THERE,
    dataset_title="Wages of B",
    public_size=300,
    trouble="",
    budget=words.Allowance(mu=0.5, left=7, delta=1e-6, noise_delta=5e-7),
    relies_on=("https://c.example.org",),
)


def says(portal: Portal, study: Study, said: Any) -> list[dict[str, Any]]:
    """Have the other portal answer this; return the bodies of the calls that will come."""
    asked: list[dict[str, Any]] = []

    def answer(document: dict[str, Any]) -> Any:
        asked.append(document)
        return said

    portal.answers["POST", f"/net/1/studies/{study.pk}/standing"] = answer
    return asked


def there(study: Study, by: Any) -> standings.Standing:
    return next(each for each in standings.of(study, by=by) if not each.is_home)


def test_each_portal_says_how_a_scientist_stands_there(other: Portal, peer: Peer, settings: Any):
    study, scientist = makers.study(peer, relies_on=[peer.url]), make.scientist()
    asked = says(other, study, STAND.document)
    dataset = study.participation.dataset
    make.grant(dataset, scientist)
    budget = privacy.budget(dataset.promise, scientist)
    found = {each.url: each for each in standings.of(study, by=scientist)}
    assert asked == [{"person": remote_id_of(scientist, peer)}]
    assert found == {
        settings.BASE_URL: standings.Standing(
            url=settings.BASE_URL, name="Hospital A", is_home=True, trouble="", dataset=dataset.pk,
            dataset_title=dataset.title, public_size=30, mu=budget.mu, left=2**32 - 1, delta=1e-6, noise_delta=1e-6,
            relies_on=(peer.url,),
        ),
        peer.url: standings.Standing(
            url=peer.url, name="Hospital B", is_home=False, trouble="", dataset=THERE, dataset_title="Wages of B",
            public_size=300, mu=0.5, left=7, delta=1e-6, noise_delta=5e-7, relies_on=("https://c.example.org",),
        ),
    }  # fmt: skip


def test_at_home_too_something_may_be_missing(other: Portal, peer: Peer):
    study, scientist = makers.study(peer), make.scientist()
    says(other, study, STAND.document)
    home = next(each for each in standings.of(study, by=scientist) if each.is_home)
    assert ("do not have access" in home.trouble, home.mu) == (True, None)


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        ((404, {"detail": "There is nothing here."}), "Hospital B says: There is nothing here."),
        ({"more": 1}, "Hospital B answered in a way that this portal does not read."),
        ({**STAND.document, "budget": None}, "It reports no budget."),
        ({**STAND.document, "budget": None, "trouble": "Ask for access."}, "Ask for access."),
    ],
)
def test_what_a_portal_says_otherwise_is_the_trouble(other: Portal, peer: Peer, said: Any, trouble: str):
    study, scientist = makers.study(peer), make.scientist()
    says(other, study, said)
    found = there(study, scientist)
    assert (found.trouble, found.mu, found.name) == (trouble, None, "Hospital B")


def test_a_portal_that_cannot_be_called_has_that_trouble(other: Portal, peer: Peer):
    study, scientist = makers.study(peer), make.scientist()
    other.signs = False
    says(other, study, STAND.document)
    assert "cannot be reached" in there(study, scientist).trouble
    Peer.objects.update(state=Peer.State.SUSPENDED, state_reason="x")
    found = there(study, scientist)
    assert (found.trouble, found.dataset_title) == (standings.NOT_CONNECTED, f"Wages of {peer}")


@pytest.mark.django_db(transaction=True)
def test_several_portals_are_asked_at_once(portals: Any):
    others = [portals("Hospital B"), portals("Hospital C")]
    study, scientist = makers.study(*[each.peer() for each in others]), make.scientist()
    for each in others:
        says(each, study, STAND.document)
    found = standings.of(study, by=scientist)
    assert sorted(each.name for each in found) == ["Hospital A", "Hospital B", "Hospital C"]
    assert [each.left for each in found if not each.is_home] == [7, 7]


def test_who_cannot_ask(peer: Peer):
    study = makers.study(peer, joined=False)
    with pytest.raises(Denied, match="at least two portals"):
        standings.of(study, by=make.scientist())
    makers.join(study, peer)
    for nobody in (make.user(), make.admin(), make.guest()):
        with pytest.raises(Denied):
            standings.of(study, by=nobody)
    Study.objects.update(ended_at=peer.confirmed_at)
    with pytest.raises(Denied, match="has ended"):
        standings.of(Study.objects.get(), by=make.scientist())
