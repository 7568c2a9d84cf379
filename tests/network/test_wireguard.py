"""Who is in the tunnel, as the page, the file and the command say."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from common.errors import Refused
from network import cards, identity, tunnels, wireguard
from network.models import Peer
from tests import make
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db
OWN, OTHER, THIRD = (bytes([n]) * 32 for n in (1, 2, 3))


@pytest.fixture(autouse=True)
def _own_key(settings: Any) -> None:
    settings.WIREGUARD_PUBLIC_KEY = tunnels.encoded(OWN)
    settings.WIREGUARD_ENDPOINT = "vpn.example.org:51821"


def member(portal: Portal, public: bytes | None, endpoint: str = "", **fields: Any) -> Peer:
    return portal.peer(card=portal.card_text(wireguard_public=public, wireguard_endpoint=endpoint), **fields)


def test_the_card_of_this_portal_tells_its_key(own: str, settings: Any):
    card = identity.own_card()
    assert (card.wireguard_public, card.wireguard_endpoint) == (OWN, "vpn.example.org:51821")
    settings.WIREGUARD_PUBLIC_KEY = ""
    assert identity.own_card().wireguard_public is None


def test_active_peers_with_a_key_of_their_own_are_in_the_tunnel(portals: Callable[..., Portal]):
    b, c, d, e, f = (portals(f"Hospital {letter}") for letter in "BCDEF")
    first = member(b, OTHER, "[2001:db8::1]:1")
    member(c, None)
    member(d, THIRD, state=Peer.State.SUSPENDED)
    twice = [member(e, THIRD), member(f, THIRD)]
    found = wireguard.tunnel()
    assert [peer for peer, _ in found.members] == [first]
    assert list(found.left_out) == twice
    assert (found.own.public, found.port) == (OWN, 51821)
    text = found.quick_file()
    assert "ListenPort = 51821" in text
    assert text.count("[Peer]") == 1
    assert "Endpoint = [2001:db8::1]:1" in text
    assert "Hospital" not in text


def test_a_card_that_cannot_be_read_is_passed_over(other: Portal):
    other.peer(card="{")
    assert wireguard.tunnel().members == ()


@pytest.mark.parametrize(
    ("name", "value"), [("WIREGUARD_PUBLIC_KEY", "AAAA"), ("WIREGUARD_ENDPOINT", "vpn.example.org")]
)
def test_wrong_settings_say_so(settings: Any, name: str, value: str):
    setattr(settings, name, value)
    with pytest.raises(Refused, match="WEIR_WIREGUARD"):
        wireguard.tunnel()


def test_the_page_and_the_file_are_for_those_who_oversee(other: Portal, client: Client, settings: Any):
    member(other, OTHER)
    for person, status in ((make.scientist(), 404), (make.auditor(), 200), (make.admin(), 200)):
        client.force_login(person)
        for path in ("/network/wireguard/", "/network/wireguard/weir.conf"):
            assert client.get(path).status_code == status
    assert str(tunnels.address(OTHER)) in client.get("/network/wireguard/").content.decode()
    sent = client.get("/network/wireguard/weir.conf")
    assert sent.content.decode() == wireguard.tunnel().quick_file()
    assert "weir.conf" in sent["Content-Disposition"]
    settings.WIREGUARD_PUBLIC_KEY = "wrong"
    assert "WEIR_WIREGUARD_PUBLIC_KEY" in client.get("/network/wireguard/").content.decode()
    settings.WIREGUARD_PUBLIC_KEY = ""
    assert "No tunnel" in client.get("/network/wireguard/").content.decode()


def test_the_command_writes_only_what_changed(other: Portal, tmp_path: Path, settings: Any):
    member(other, OTHER)
    said, file = StringIO(), tmp_path / "peers.conf"
    call_command("network_wireguard", "--peers", "--output", str(file), stderr=said)
    assert file.read_text() == wireguard.tunnel().peers_file
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.stat().st_ino
    call_command("network_wireguard", "--peers", "--output", str(file), stderr=said)
    assert file.stat().st_ino == before
    assert "is up to date: 1 portals" in said.getvalue()
    printed = StringIO()
    call_command("network_wireguard", stdout=printed)
    assert printed.getvalue() == wireguard.tunnel().quick_file()
    with pytest.raises(CommandError, match="path of the key file"):
        call_command("network_wireguard", "--key-file", "/a b")
    settings.WIREGUARD_PUBLIC_KEY = ""
    with pytest.raises(CommandError, match="no key of WireGuard"):
        call_command("network_wireguard")


def test_the_command_names_who_is_left_out(portals: Callable[..., Portal]):
    one, two = portals("Hospital B"), portals("Hospital C")
    member(one, OTHER)
    member(two, OTHER)
    said = StringIO()
    call_command("network_wireguard", "--peers", stdout=StringIO(), stderr=said)
    assert said.getvalue().count("is left out") == 2
    assert cards.read(Peer.objects.get(url=one.url).card).wireguard_public == OTHER
