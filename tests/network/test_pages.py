"""Every page about other portals: what admins and auditors see, what they may press, and that nobody else finds it."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from audit.models import Entry
from network import identity
from network.models import Identity, Peer
from network.services import own, pins
from tests import make
from tests.makers import network as connected
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db
COMPARED = {"compared_with": "Bo Boss", "compared": "on"}


def text(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, answer.content.decode()
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


@pytest.fixture
def admin(client: Client) -> User:
    """An admin, who has signed in."""
    person = make.admin()
    client.force_login(person)
    return person


@pytest.fixture
def auditor() -> Client:
    reader = Client()
    reader.force_login(make.auditor())
    return reader


PAGES = ["", "set-up/", "identity/", "introduce/"]


@pytest.mark.parametrize("path", [*PAGES, "peers/0a1b2c3d-0000-4000-8000-000000000001/"])
def test_for_others_there_is_nothing(client: Client, path: str):
    connected.set_up()
    for person in (make.scientist(), make.owner(), make.user()):
        client.force_login(person)
        assert client.get(f"/network/{path}").status_code == 404
        menu = client.get("/datasets/").content.decode()
        assert ('href="/network/find/"' in menu, 'href="/network/"' in menu) == (True, False)


def test_the_empty_network_says_what_to_do(client: Client, admin: User, auditor: Client):
    shown = text(client.get("/network/"))
    assert "This portal is not part of a network" in shown
    assert "Set up this portal" in shown
    assert "Set up this portal" not in text(auditor.get("/network/"))
    assert client.get("/network/identity/").headers["Location"] == "/network/set-up/"
    connected.set_up()
    assert "Introduce one: type its address" in text(client.get("/network/"))
    assert "An admin introduces one" in text(auditor.get("/network/"))


def test_set_up_shows_the_recovery_key_once_and_wants_it_kept(client: Client, admin: User):
    assert "shows a recovery key, once" in text(client.get("/network/set-up/"))
    shown = client.post("/network/set-up/", {"name": "Hospital A"})
    key = re.search(r'id="recovery-key"[^>]*>([A-Z2-7 ]+)<', shown.content.decode())
    assert key is not None
    assert "shown only this once" in text(shown)
    assert "no-store" in shown["Cache-Control"]
    for path in PAGES:
        assert key[1] not in text(client.get(f"/network/{path}"))
    assert "Set-up is not finished" in text(client.get("/network/"))
    assert "Is the recovery key kept?" in text(client.get("/network/set-up/"))
    assert "Print the recovery key" in text(client.post("/network/set-up/kept/"), 422)
    assert client.post("/network/set-up/kept/", {"kept": "on"}).headers["Location"] == "/network/"
    assert "has been set up as Hospital A" in text(client.get("/network/set-up/"))
    own.recover(key[1], by=admin)


def test_set_up_refuses_what_is_no_name_and_what_was_done(client: Client, admin: User):
    assert "required" in text(client.post("/network/set-up/", {"name": " "}), 422)
    connected.set_up()
    assert "an identity already" in text(client.post("/network/set-up/", {"name": "Z"}), 409)


def test_the_identity_is_renamed_rotated_and_recovered(client: Client, admin: User):
    key = connected.set_up()
    before = identity.fingerprint()
    assert before in text(client.get("/network/identity/"))
    assert client.post("/network/identity/rename/", {"name": "Hospital Z"}).status_code == 302
    assert client.post("/network/identity/rotate/").status_code == 302
    shown = text(client.get("/network/identity/"))
    assert "Hospital Z" in shown
    assert identity.fingerprint() != before
    assert "not the recovery key" in text(
        client.post("/network/identity/recover/", {"recovery_key": "x"}), 422
    )
    assert "required" in text(client.post("/network/identity/rename/", {"name": ""}), 422)
    assert client.post("/network/identity/recover/", {"recovery_key": key.lower()}).status_code == 302
    assert Identity.objects.get().epoch == 2
    assert "Recovered 1 time" in text(client.get("/network/identity/"))


def test_an_introduction(client: Client, admin: User, other: Portal):
    own.keep_recovery_key(by=admin)
    shown = text(client.post("/network/introduce/", {"address": other.url}))
    seen = re.search(r"as this portal sees it Copy the fingerprint ((?:[0-9a-f]{4} ?){8})", shown)
    assert seen is not None
    assert identity.fingerprint() in shown
    data = {"address": other.url, "fingerprint": seen[1].strip()}
    assert "Compare the fingerprint first" in text(client.post("/network/introduce/confirm/", data), 422)
    assert Peer.objects.count() == 0
    answer = client.post("/network/introduce/confirm/", {**data, **COMPARED})
    peer = Peer.objects.get()
    assert answer.headers["Location"] == f"/network/peers/{peer.pk}/"
    shown = text(client.get(answer.headers["Location"]))
    assert "Hospital B" in shown
    assert "The introduction has not reached it yet" in shown
    assert "compared with Bo Boss" in shown


@pytest.mark.usefixtures("other")
def test_an_address_that_leads_nowhere_is_explained(client: Client, admin: User):
    own.keep_recovery_key(by=admin)
    assert "not the address of a portal" in text(client.post("/network/introduce/", {"address": "a b"}), 422)
    assert "could not be reached" in text(
        client.post("/network/introduce/", {"address": "http://127.0.0.1:9"}), 422
    )


def test_before_set_up_nothing_is_looked_up(client: Client, admin: User):
    assert "Set up this portal's identity first" in text(client.get("/network/introduce/")).replace(
        "&#x27;", "'"
    )
    assert client.post("/network/introduce/", {"address": "https://b.example.org"}).status_code == 403


def test_one_that_waits_is_looked_up_or_dismissed(client: Client, admin: User, auditor: Client):
    connected.set_up()
    peer = connected.peer("waiting")
    shown = text(client.get(f"/network/peers/{peer.pk}/"))
    assert "This portal introduces itself" in shown
    assert f'name="address" value="{peer.url}"' in client.get(f"/network/peers/{peer.pk}/").content.decode()
    assert "Only an admin can do this." in text(auditor.get(f"/network/peers/{peer.pk}/"))
    assert client.post(f"/network/peers/{peer.pk}/dismiss/").headers["Location"] == "/network/"
    assert Peer.objects.get().state == "removed"


STATES = {
    "waiting": "Waiting for an admin of this portal",
    "invited": "Its admin has to confirm this portal, too",
    "active": "Refuses its calls and makes none",
    "suspended": "Suspended, by this portal itself",
    "removed": "Removed",
}


@pytest.mark.parametrize("state", STATES)
def test_the_page_of_each_state_and_its_place_in_the_list(
    client: Client, admin: User, auditor: Client, state: str
):
    connected.set_up()
    reason = {"state_reason": "Because of this."} if state in {"suspended", "removed"} else {}
    peer = connected.peer(state, **reason)
    for reader in (client, auditor):
        shown = reader.get(f"/network/peers/{peer.pk}/").content.decode()
        assert STATES[state] in shown
        assert ("Because of this." in shown) == bool(reason)
        assert (str(peer.pk) in reader.get("/network/").content.decode()) == (state != "removed")


def test_an_auditor_sees_all_and_presses_nothing(auditor: Client):
    connected.set_up()
    peers = [connected.peer(state, url=f"https://{state}.example.org") for state in Peer.State.values]
    for path in [*PAGES, *(f"peers/{peer.pk}/" for peer in peers)]:
        page = auditor.get(f"/network/{path}").content.decode()
        buttons = re.findall(
            r'<button(?![^>]*disabled)[^>]*type="submit"[^>]*>([^<]*)',
            page.partition("<main")[2].partition("</main>")[0],
        )
        assert [each for each in buttons if each.strip()] == [], (path, buttons)


ACTIONS = {
    "suspend": ("active", {"reason": "Because."}, "suspended"),
    "resume": ("suspended", {"reason": "Because."}, "active"),
    "remove": ("active", {"reason": "Because."}, "removed"),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_steps_with_a_reason(client: Client, admin: User, auditor: Client, action: str):
    state, data, becomes = ACTIONS[action]
    peer = connected.peer(state, suspended_by=admin if state == "suspended" else None)
    path = f"/network/peers/{peer.pk}/{action}/"
    assert "required" in text(client.post(path, {}), 422)
    assert auditor.post(path, data).status_code == 403
    assert Peer.objects.get().state == state
    assert client.post(path, data).status_code == 302
    assert Peer.objects.get().state == becomes
    assert "“Because.”" in text(client.get(f"/network/peers/{peer.pk}/"))


def test_suspension_asks_before_it_acts(client: Client, admin: User):
    peer = connected.peer()
    page = client.get(f"/network/peers/{peer.pk}/").content.decode()
    questions = re.findall(r'name="confirm-text" value="([^"]*)"', page)
    assert [each.partition("?")[0] for each in questions] == ["Suspend Hospital B", "Remove Hospital B"]
    asked = client.post(
        f"/network/peers/{peer.pk}/suspend/", {"reason": "Because.", "confirm-text": questions[0]}
    )
    assert "Nothing has been changed yet" in text(asked)
    assert Peer.objects.get().state == "active"


def test_after_a_recovery_the_page_compares_again(client: Client, admin: User, auditor: Client):
    connected.set_up()
    peer = connected.peer(recovered_at=timezone.now())
    path = f"/network/peers/{peer.pk}/"
    shown = text(client.get(path))
    assert "replaced its keys with its recovery key" in shown
    assert identity.fingerprint() in shown
    data = {"fingerprint": pins.fingerprint(peer), **COMPARED}
    assert "Compare the fingerprint first" in text(
        client.post(f"{path}compare/", data | {"compared": ""}), 422
    )
    assert auditor.post(f"{path}compare/", data).status_code == 422
    assert Peer.objects.get().recovered_at is not None
    assert client.post(f"{path}compare/", data).status_code == 302
    assert Peer.objects.get().recovered_at is None


@pytest.mark.parametrize(("verdict", "name"), [("accept", "Hospital C"), ("refuse", "Hospital B")])
def test_another_name_is_decided(client: Client, admin: User, verdict: str, name: str):
    peer = connected.peer(wished={"name": "Hospital C"})
    path = f"/network/peers/{peer.pk}/"
    assert "Hospital B → Hospital C" in text(client.get(path))
    assert client.post(f"{path}change/", {"verdict": "?"}).status_code == 422
    assert client.post(f"{path}change/", {"verdict": verdict, "name": "Hospital X"}).status_code == 409
    assert client.post(f"{path}change/", {"verdict": verdict, "name": "Hospital C"}).status_code == 302
    peer = Peer.objects.get()
    assert (peer.name, peer.wished) == (name, {})


def test_trouble_is_told_in_words(client: Client, admin: User):
    connected.set_up()
    peer = connected.peer(
        trouble="b.example.org did not answer in time.",
        card_trouble="The card of Hospital B is older.",
        clock_offset=-75.0,
    )
    for path in ("/network/", f"/network/peers/{peer.pk}/"):
        shown = text(client.get(path))
        assert "did not answer in time" in shown
        assert "is older" in shown
        assert "75 s behind" in shown


def test_a_call_and_another_introduction_are_asked_for(client: Client, admin: User):
    connected.set_up()
    peer = connected.peer("invited")
    path = f"/network/peers/{peer.pk}/"
    assert client.post(f"{path}call/").status_code == 302
    assert client.post(f"{path}ask-again/").status_code == 302
    assert Peer.objects.get().asked_at is None


def test_what_strangers_write_is_only_text(client: Client, admin: User):
    connected.set_up()
    peer = connected.peer(name="<script>alert(1)</script>", trouble="<b>odd</b>")
    for path in ("/network/", f"/network/peers/{peer.pk}/"):
        page = client.get(path).content.decode()
        assert "<script>alert" not in page
        assert "<b>odd" not in page


def test_the_list_is_refreshed_as_a_part(client: Client, admin: User):
    connected.set_up()
    connected.peer()
    headers = {"HX-Request": "true", "HX-Target": "network-live"}
    page = client.get("/network/", headers=headers).content.decode()
    assert "Hospital B" in page
    assert "<html" not in page


def test_the_inbox_of_admins_shows_what_waits(client: Client, admin: User, auditor: Client):
    connected.peer("waiting", url="https://w.example.org")
    connected.peer(url="https://r.example.org", name="Hospital R", recovered_at=timezone.now())
    connected.peer(url="https://n.example.org", name="Hospital N", wished={"name": "Hospital M"})
    connected.peer(url="https://f.example.org", name="Hospital F")
    connected.peer("removed", url="https://g.example.org", name="Hospital G", wished={"name": "H"})
    shown = text(client.get("/inbox/"))
    assert "https://w.example.org introduces itself" in shown
    assert "Hospital R replaced its keys: compare the fingerprint again" in shown
    assert "Hospital N asks for another name or address" in shown
    assert "Hospital F" not in shown
    assert "Hospital G" not in shown
    assert "introduces itself" not in text(auditor.get("/inbox/"))


def test_entries_lead_to_the_page(client: Client, admin: User):
    connected.set_up(by=admin)
    peer = connected.peer("waiting")
    client.post(f"/network/peers/{peer.pk}/dismiss/")
    entry = Entry.objects.get(action="network.peer.remove")
    assert f"/network/peers/{peer.pk}/" in client.get(f"/audit/{entry.key}/").content.decode()
    entry = Entry.objects.get(action="network.identity.keep")
    assert 'href="/network/"' in client.get(f"/audit/{entry.key}/").content.decode()
