"""Calls of other portals: what is answered, and that everything else is answered like an address that does not exist."""

from django.conf import settings
from django.test import Client

from network import calls
from tests.network.portals import Portal


def test_two_portals_call_each_other(other: Portal, client: Client) -> None:
    peer = other.peer()
    heard = other.calls(client, "GET", "/net/1/state")
    assert heard.status == 200
    assert heard.document["version"] == settings.VERSION
    answer = calls.call(peer, "GET", "/net/1/state")
    assert answer.document["version"] == peer.version == "9.9.9"
    assert calls.fetch_card(other.url)[1].name == "Hospital B"
    calls.introduce(other.url)
    assert [call.method for call in other.received] == ["GET", "GET", "POST"]
