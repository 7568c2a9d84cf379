"""The signed log in public: what programs get, that it tells nothing of what happened, and what overseers see more."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import messages
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.base import SessionBase
from django.core.management import CommandError, call_command
from django.db import transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.utils import timezone

from accounts.models import Role
from audit import log, published, signing
from audit.models import Checkpoint, Entry, LogKey, Wish
from crypto import notes, tree
from tests import make
from tests.audit.test_pages import entry, signed_in
from tests.makers.audit import checkpoint

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(minute=30)
HASH = tree.HASH


def fill(count: int) -> None:
    user = make.user()
    with transaction.atomic():
        for _ in range(count):
            log.record("workers.pause", by=user, on=user)


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> tuple[Checkpoint, Checkpoint, Checkpoint]:
    """A public checkpoint, another one an hour later, and one for a receipt, which is not public."""
    monkeypatch.setattr("audit.signing.BLOCK", 320)
    fill(3)
    one, two = checkpoint(NOW), checkpoint(NOW + timedelta(hours=1))
    fill(3)
    three = checkpoint(NOW + timedelta(hours=1, minutes=1))
    assert [each.public for each in (one, two, three)] == [True, True, False]
    return one, two, three


def test_anybody_checks_the_log_by_what_is_public(client: Client, signed: Any) -> None:
    """As a program does that knows the address alone: key, checkpoint, leaves by tiles, growth."""
    one, two, _ = signed
    key = notes.key(client.get("/log/1/key").content.decode().strip())
    note = client.get("/log/1/checkpoint").content.decode()
    assert notes.signed_by(note, [key]) == {key: None}
    read = notes.checkpoint(notes.opened(note)[0])
    assert (read.size, read.origin) == (640, "127.0.0.1:8000/log/1")

    def fetched(level: int, number: int) -> bytes:
        width = min(256, (640 >> 8 * level) - 256 * number)
        part = "" if width == 256 else f".p/{width}"
        answer = client.get(f"/log/1/tile/{level}/{published.place_of(number)}{part}")
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/octet-stream")
        assert len(answer.content) == width * HASH
        return answer.content

    assert tree.root(fetched, 640) == read.root
    assert tree.root(fetched, 320) == bytes(one.root)
    proof = client.get(f"/log/1/consistency/{one.size}/{two.size}").json()["proof"]
    steps = [base64.b64decode(each) for each in proof]
    assert tree.verify_consistency(one.size, bytes(one.root), two.size, bytes(two.root), steps)


def test_a_message_for_one_person_is_not_kept_for_all(client: Client, signed: Any) -> None:
    asked = RequestFactory().get("/")
    asked.session, kept = SessionBase(), HttpResponse()
    store = FallbackStorage(asked)
    store.add(messages.INFO, "Only for Mei.")
    store.update(kept)
    client.cookies.update(kept.cookies)
    shown = client.get("/log/")
    assert ("Only for Mei." in shown.content.decode(), shown["Cache-Control"]) == (True, "no-store, private")


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/003", "tile/0/002", "tile/0/002.p/129", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/0256",
        "tile/1/000", "tile/1/000.p/3", "tile/2/000.p/1", "tile/8/000", "tile/99999999999999999999/000",
        "tile/0/0", "tile/0/x000/000", "tile/0/x001/000", "tile/0/1/000", "tile/0/000/", "tile/0/\u0660\u0660\u0660",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999", "tile/entries/000", "tile/-1/000",
        "consistency/0/640", "consistency/641/641", "consistency/640/320", "consistency/320/960",
        f"consistency/1/{'9' * 5000}",
    ],
)  # fmt: skip
def test_what_is_not_published_is_not_there(client: Client, signed: Any, path: str) -> None:
    """Nothing of the leaves under a checkpoint for receipts, and no address that is written in another way."""
    assert client.get(f"/log/1/{path}").status_code == 404


def test_numbers_of_tiles_are_written_in_groups() -> None:
    assert [published.place_of(n) for n in (0, 67, 1000, 1_234_067)] == [
        "000", "067", "x001/000", "x001/x234/067",
    ]  # fmt: skip


def test_before_the_first_signature_there_is_nothing_but_the_page(client: Client) -> None:
    for path in ("checkpoint", "key", "tile/0/000", "consistency/1/1"):
        assert client.get(f"/log/1/{path}").status_code == 404
    assert "Not signed yet" in client.get("/log/").content.decode()


def test_public_answers_set_no_cookie_and_may_be_kept(client: Client, signed: Any) -> None:
    kept = {
        "": "public, max-age=60",
        "1/checkpoint": "public, max-age=60",
        "1/key": "public, max-age=60",
        "1/tile/0/000": "public, max-age=31536000, immutable",
        "1/consistency/320/640": "public, max-age=31536000, immutable",
        "1/tile/0/009": "no-store, private",
    }
    answers = {path: client.get(f"/log/{path}") for path in kept}
    assert {path: answer["Cache-Control"] for path, answer in answers.items()} == kept
    assert {path: dict(answer.cookies) for path, answer in answers.items()} == {path: {} for path in kept}


def test_nothing_in_public_says_who_did_what(client: Client, signed: Any) -> None:
    people = {each.actor for each in Entry.objects.exclude(actor__endswith=".invalid")}
    assert people != set()
    paths = ("", "1/checkpoint", "1/key", "1/tile/0/000", "1/tile/1/000.p/2", "1/consistency/320/640")
    text = b"".join(client.get(f"/log/{path}").content for path in paths).decode("latin1")
    assert [each for each in (*people, "workers.", "960") if each in text] == []


@pytest.mark.parametrize("role", [*Role, None])
def test_those_who_oversee_see_every_checkpoint(role: Role | None, signed: Any) -> None:
    answer = signed_in(make.user(role) if role else make.user()).get("/log/")
    text = answer.content.decode()
    oversees = role in {Role.ADMIN, Role.AUDITOR}
    assert (">960<" in text, "Sign now" in text) == (oversees, oversees)
    assert ">640<" in text
    assert answer["Cache-Control"] == "no-store, private"


def test_the_page_says_when_the_log_is_not_signed_any_more(client: Client, signed: Any) -> None:
    auditor = signed_in(make.auditor())
    assert "for more than two hours" not in auditor.get("/log/").content.decode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audit.log_views.timezone.now", lambda: NOW + timedelta(hours=4))
        assert "for more than two hours" in auditor.get("/log/").content.decode()
        assert "for more than two hours" not in client.get("/log/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_an_overseer_has_it_signed_with_the_next_tick() -> None:
    signing.sign(NOW)
    assert signing.sign_if_due(NOW) is None
    assert signed_in(make.scientist()).post("/log/ask/").status_code == 403
    assert not Wish.objects.exists()
    assert signed_in(make.auditor()).post("/log/ask/").status_code == 302
    assert Entry.objects.filter(action="checkpoint.ask").count() == 1
    assert signing.sign_if_due(NOW).size == 128


# Receipts of entries


def test_an_overseer_downloads_the_receipt_of_an_entry(signed: Any) -> None:
    scientist = make.scientist()
    written = entry(scientist)
    path = f"/audit/{written.key}/receipt/"
    auditor = signed_in(make.auditor())
    early = auditor.get(path, follow=True)
    assert early.redirect_chain == [(f"/audit/{written.key}/", 302)]
    assert "takes up to a minute. Try again then." in early.content.decode()
    assert "Not yet" in early.content.decode()
    newest = checkpoint(NOW)
    assert newest.note.split("\n")[2] in auditor.get(f"/audit/{written.key}/").content.decode()
    answer = auditor.get(path)
    assert answer["Content-Disposition"] == f'attachment; filename="weir-receipt-{written.key}.json"'
    assert json.loads(answer.content)["entries"][0]["payload"] == written.payload
    assert signed_in(scientist).get(path).status_code == 404
    assert "Leaf" not in signed_in(scientist).get(f"/audit/{written.key}/").content.decode()


# Keys


def test_a_new_key_is_begun_by_a_command(client: Client, signed: Any, capsys: Any) -> None:
    old = LogKey.objects.get()
    with override_settings(SECRET_KEY="n" * 40):
        with pytest.raises(CommandError, match="WEIR_OLD_SECRET_KEYS"):
            call_command("new_log_key")
        call_command("new_log_key", lost=True)
    new = LogKey.objects.get(retired_at=None)
    assert new.key.fingerprint in capsys.readouterr().out
    assert client.get("/log/1/key").content.decode() == f"{new.key.text}\n"
    text = client.get("/log/").content.decode()
    assert text.index(new.key.fingerprint) < text.index(old.key.fingerprint)
