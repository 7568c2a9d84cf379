"""Somebody here, another portal, and what they ask it for, for tests."""

import json
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import User
from network.models import AskedElsewhere, Peer
from network.services import elsewhere
from network.services.elsewhere import Wish
from tests import make
from tests.network.portals import Portal

DATASET = uuid4()
WISH = Wish(purpose="How wages grow.", outputs="Means.", terms=None, agreed=True)


@pytest.fixture
def mei() -> User:
    return make.scientist(name="Mei Lin", affiliation="University of A")


@pytest.fixture
def peer(other: Portal) -> Peer:
    other.answers["GET", f"/net/1/guests/datasets/{DATASET}"] = lambda _: {
        "title": "Wages of B",
        "terms": None,
        "terms_text": "",
    }
    says(other, "waiting")
    return other.peer()


def says(other: Portal, state: str, reason: str = "") -> None:
    """What the other portal answers from now on."""
    for path in ("/net/1/guests", "/net/1/guests/state"):
        other.answers["POST", path] = lambda _: {"state": state, "reason": reason}


def sent(other: Portal, path: str) -> list[dict[str, Any]]:
    return [json.loads(call.body) for call in other.received if call.url.endswith(path)]


@pytest.fixture
def asked(peer: Peer, mei: User) -> AskedElsewhere:
    return elsewhere.ask(peer, DATASET, WISH, by=mei)
