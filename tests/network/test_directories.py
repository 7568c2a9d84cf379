"""Directories: what a portal tells others of each other, and what it does with what it is told."""

import pytest
from django.conf import settings
from django.utils import timezone

from common.errors import Denied, Refused
from network import identity
from network.models import Identity, Peer, SuggestedPortal
from network.services import directories, own
from tests import make
from tests.makers import network as connected

pytestmark = pytest.mark.django_db
NEW = {"url": "https://new.example.org", "name": "New Hospital"}


@pytest.fixture
def directory(portals):
    """A directory that this portal works with; what it names can be replaced."""
    other = portals("Directory")
    other.named = [NEW]
    other.answers["GET", "/net/1/directory"] = lambda _: {"portals": other.named}
    other.known = other.peer(card=other.card_text(roles=("directory",)))
    return other


def urls() -> list[str]:
    return [each.url for each in directories.suggestions()]


def test_an_admin_makes_this_portal_a_directory_and_its_card_says_so():
    connected.set_up()
    own.be_directory(is_directory=True, by=make.admin())
    assert identity.own_card().roles == ("directory",)
    own.be_directory(is_directory=False, by=make.admin())
    assert identity.own_card().roles == ()
    with pytest.raises(Denied):
        own.be_directory(is_directory=True, by=make.auditor())


def test_a_directory_names_active_portals_but_for_the_one_that_asks(portals, client):
    connected.set_up()
    asking, active = portals("Hospital B"), portals("Hospital C")
    asking.peer(), active.peer()
    portals("Hospital D").peer(Peer.State.SUSPENDED)
    assert asking.calls(client, "GET", "/net/1/directory").status == 404
    Identity.objects.update(is_directory=True)
    heard = asking.calls(client, "GET", "/net/1/directory")
    assert (heard.status, heard.document) == (200, {"portals": [{"url": active.url, "name": "Hospital C"}]})


def test_what_a_directory_names_is_suggested_to_admins(directory, client):
    Identity.objects.update(kept_at=timezone.now())
    directories.refresh(Peer.objects.get(pk=directory.known.pk))
    assert [(each.url, each.name, each.by) for each in directories.suggestions()] == [
        (NEW["url"], NEW["name"], ("Directory",))
    ]
    client.force_login(make.admin())
    page = client.get("/network/").content.decode()
    assert "Named by directories" in page
    assert "New Hospital" in page
    link = "/network/introduce/?address=https%3A%2F%2Fnew.example.org"
    assert link in page
    assert 'value="https://new.example.org"' in client.get(link).content.decode()


def test_known_portals_and_this_one_are_not_suggested(directory, portals):
    known = portals("Hospital C")
    known.peer()
    directory.named = [{"url": url, "name": "X"} for url in (settings.BASE_URL, known.url, directory.url)]
    directories.refresh(Peer.objects.get(pk=directory.known.pk))
    assert SuggestedPortal.objects.count() == 3
    assert urls() == []


def test_what_it_names_no_more_is_forgotten(directory):
    directories.refresh(Peer.objects.get(pk=directory.known.pk))
    directory.named = []
    directories.refresh(Peer.objects.get(pk=directory.known.pk))
    assert SuggestedPortal.objects.count() == 0


def test_a_portal_that_is_no_directory_is_not_asked_and_its_words_are_forgotten(directory):
    directories.refresh(Peer.objects.get(pk=directory.known.pk))
    Peer.objects.filter(pk=directory.known.pk).update(card=directory.card_text())
    directory.received.clear()
    directories.refresh(Peer.objects.get(pk=directory.known.pk))
    assert SuggestedPortal.objects.count() == 0
    assert directory.received == []


def test_a_suspended_directory_suggests_nothing(directory):
    directories.refresh(Peer.objects.get(pk=directory.known.pk))
    Peer.objects.filter(pk=directory.known.pk).update(state=Peer.State.SUSPENDED)
    assert urls() == []


@pytest.mark.parametrize(
    "named",
    [
        "https://new.example.org",
        ["https://new.example.org"],
        [{"url": NEW["url"]}],
        [{**NEW, "fingerprint": "0000"}],
        [{**NEW, "name": ""}],
        [{**NEW, "name": "line\nbreak"}],
        [{**NEW, "url": "javascript:alert(1)"}],
        [{**NEW, "url": "https://new.example.org/path"}],
        [NEW] * 501,
    ],
)
def test_what_cannot_be_read_changes_nothing(directory, named):
    directories.refresh(Peer.objects.get(pk=directory.known.pk))
    directory.named = named
    with pytest.raises(Refused):
        directories.refresh(directory.known)
    assert urls() == [NEW["url"]]
