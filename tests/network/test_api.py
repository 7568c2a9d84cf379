"""Other portals in the REST API: the active ones for everybody, all of them for those who oversee."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from common.rest import rates
from tests import make
from tests.makers import network as connected
from tests.rest import bearer

pytestmark = pytest.mark.django_db
PATH = "/api/v1/network/portals/"


@pytest.fixture(autouse=True)
def _no_calls_yet() -> None:
    rates.counts.clear()


def read(client: Client, person: User, path: str = PATH) -> Any:
    return client.get(path, headers=bearer(person))


def test_scientists_see_active_portals_and_nothing_of_how_they_are(client: Client):
    peer = connected.peer(trouble="It is away.")
    hidden = [connected.peer(state, url=f"https://{state}.example.org") for state in ("waiting", "suspended")]
    scientist = make.scientist()
    assert read(client, scientist).json()["items"] == [
        {
            "id": str(peer.pk),
            "name": "Hospital B",
            "url": connected.URL,
            "state": "active",
            "turn": "",
            "seen_at": None,
            "trouble": "",
        }
    ]
    assert read(client, scientist, f"{PATH}{peer.pk}/").json()["name"] == "Hospital B"
    assert {read(client, scientist, f"{PATH}{each.pk}/").status_code for each in hidden} == {404}


@pytest.mark.parametrize("person", [make.admin, make.auditor])
def test_those_who_oversee_see_every_state(client: Client, person: Any):
    for state in ("waiting", "invited", "active", "suspended", "removed"):
        connected.peer(
            state, url=f"https://{state}.example.org", **({"trouble": "Odd."} if state == "active" else {})
        )
    items = {item["state"]: item for item in read(client, person()).json()["items"]}
    assert set(items) == {"waiting", "invited", "active", "suspended", "removed"}
    assert items["waiting"]["turn"] == "an admin of this portal"
    assert items["active"]["trouble"] == "Odd."


def test_nobody_reads_without_signing_in(client: Client):
    assert client.get(PATH).status_code == 401
