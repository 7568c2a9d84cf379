"""Receipts from a portal: waited for until its log is signed, with the client and with the command."""

import copy
import pickle
from typing import Any

import pytest

import weir
from tests.client.portal_double import Reply
from tests.client.site import TOKEN, Site, paths, portal, server, site
from tests.crypto.making import vectors
from weir import demo
from weir.command.shell import main
from weir.receipts import Receipt

__all__ = ["portal", "server", "site"]
RECEIPT = vectors("receipts")["cases"][0]["receipt"]
READY = {"ready": True, "receipt": RECEIPT, "due": None}
LATER = {"ready": False, "receipt": None, "due": "2026-03-01T10:01:10Z"}
RELEASE: dict[str, Any] = {"id": "00000000-0000-4000-8000-000000000002", "state": "released"}
RUN: dict[str, Any] = {"id": "00000000-0000-4000-8000-000000000003", "state": "succeeded", "release": RELEASE}
NOTHING: dict[str, Any] = {**RUN, "id": "00000000-0000-4000-8000-000000000004", "release": None}


class Signed(Site):
    """A portal whose log is signed after some looks."""

    looks = 0

    def __call__(self, asked):
        path = asked.path.removeprefix("/api/v1/")
        known = {f"releases/{RELEASE['id']}/": RELEASE} | {
            f"runs/{each['id']}/": each for each in (RUN, NOTHING)
        }
        if path in known:
            return Reply(200, known[path])
        if path in {"answers/a1/receipt/", f"releases/{RELEASE['id']}/receipt/"}:
            self.looks -= 1
            return Reply(200, READY if self.looks < 0 else LATER)
        return super().__call__(asked)


@pytest.fixture
def signed(server, site, portal, monkeypatch):
    server.routed = Signed()
    monkeypatch.setattr(portal.transport, "sleep", lambda _: None)
    return server.routed


def test_an_answer_waits_for_its_receipt(signed, server, portal, tmp_path):
    signed.looks = 3
    answer = portal.answers["a1"]
    server.asked.clear()
    receipt = answer.receipt()
    assert paths(server) == ["GET answers/a1/receipt/"] * 4
    assert Receipt.read(receipt.save(tmp_path / "receipt.json")).details == RECEIPT
    signed.looks = 99
    with pytest.raises(weir.NotOffered, match=r"due at 2026-03-01T10:01:10Z"):
        answer.receipt(wait=20)
    with pytest.raises(weir.NotOffered, match="Wait between"):
        answer.receipt(wait=-1)


def test_what_does_not_come_from_a_portal_has_no_receipt(signed, portal):
    answer = portal.answers["a1"]
    for each in (demo.table().wage.mean().mock(), copy.deepcopy(answer), pickle.loads(pickle.dumps(answer))):  # noqa: S301
        with pytest.raises(weir.NotOffered, match=r"portal\.answers\.receipt"):
            each.receipt()
    assert answer.receipt().details == RECEIPT


def test_the_command_saves_receipts_of_what_has_one(signed, server, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("WEIR_TOKEN", TOKEN)
    monkeypatch.setenv("WEIR_PORTAL", server.address)
    monkeypatch.chdir(tmp_path)
    for number, each in enumerate((RELEASE, RUN)):
        file = tmp_path / f"{number}.json"
        assert main(["receipt", each["id"], "-o", str(file)]) == 0
        assert Receipt.read(file).details == RECEIPT
        assert f"weir verify {file}" in capsys.readouterr().out
    assert main(["receipt", NOTHING["id"]]) == 1
    assert "Nothing of this run has been released" in capsys.readouterr().err
