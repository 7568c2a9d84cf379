"""weir verify, weir log pin and weir log check: what they print, their exit codes, and what they keep."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crypto import notes
from tests.client.portal_double import Asked, Double, Reply, double, problem
from tests.crypto import making
from tests.crypto.making import ORIGIN, Log
from weir import notes as client_notes
from weir import pins
from weir.command.shell import main
from weir.publiclog import address_of
from weir.strict import Malformed

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command: its exit code, and what it printed to both streams."""

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Receipts of an answer and a release, a released file, another one, and pins."""
    for kind in ("answer", "release"):
        (tmp_path / f"{kind}.json").write_text(json.dumps(making.receipt(kind)))
    (tmp_path / "wages.csv").write_bytes(making.FILE)
    (tmp_path / "other.csv").write_bytes(b"other")
    (tmp_path / "pins.json").write_text(json.dumps(making.pins()))
    return tmp_path


def test_receipts_and_files_are_verified_together(said: Run, folder: Path):
    names = ("answer.json", "wages.csv", "release.json")
    code, out, err = said("verify", *(folder / name for name in names), "--pins", folder / "pins.json")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == f"{folder / 'answer.json'}:"
    assert lines[1] == "✓ The receipt has the form weir-receipt/1, of kind “answer”."
    assert [line[0] for line in lines[1:9]] == list("✓✓·✓✓✓✓✓")
    assert lines[-3:] == [
        "Files:",
        "✓ wages.csv is the file that was released as wages.csv, byte for byte.",
        "All checks hold.",
    ]


def test_one_check_that_fails_fails_the_command(said: Run, folder: Path):
    trusted = ("--pins", folder / "pins.json")
    code, out, _ = said("verify", folder / "release.json", folder / "other.csv", *trusted)
    assert (code, out.splitlines()[-1]) == (1, "DOES NOT HOLD: 1 check fails.")
    code, out, _ = said("verify", folder / "wages.csv", *trusted)
    assert (code, out) == (1, "Files:\n✗ None of these files is a receipt.\nDOES NOT HOLD: 1 check fails.\n")
    broken = folder / "broken.json"
    broken.write_text((folder / "answer.json").read_text()[:-30])
    code, out, _ = said("verify", broken, folder / "answer.json", *trusted)
    assert code == 1
    assert "✗ The receipt is not JSON" in out
    code, out, _ = said("verify", broken, folder / "answer.json", *trusted, "--json")
    found = json.loads(out)
    assert (code, found["holds"], [each["holds"] for each in found["receipts"]]) == (1, False, [False, True])
    assert found["receipts"][1]["document"] == making.DOCUMENTS["answer"]
    assert found["receipts"][1]["checks"][2] == {
        "ok": None,
        "sentence": found["receipts"][1]["checks"][2]["sentence"],
    }


def test_files_that_are_not_there_and_pins_that_are_none_are_refused(said: Run, folder: Path):
    for words in (
        ("verify", folder / "nothing.json", "--pins", folder / "pins.json"),
        ("verify", folder / "answer.json", "--pins", folder / "nothing.json"),
        ("verify", folder, "--pins", folder / "pins.json"),
        ("log", "check", "--pins", folder / "nothing.json"),
    ):
        code, _, err = said(*words)
        assert code == 1
        assert "cannot be read: " in err
    code, _, err = said("verify", folder / "answer.json", "--pins", folder / "wages.csv")
    assert code == 1
    assert "is not JSON" in err
    with pytest.raises(SystemExit) as wrong:
        said("verify", folder / "answer.json")  # pins beside the receipt would be those of whoever sent it
    assert wrong.value.code == 2


# Online


class Site:
    """A portal that publishes a log."""

    def __init__(self, server: Double) -> None:
        self.server, self.log, self.size = server, making.example(256), 64
        self.origin = f"{server.address.removeprefix('http://')}/log/1"
        self.changes: dict[str, Reply] = {}
        server.asked.clear()
        server.routed = self.answer

    @property
    def key(self) -> notes.Key:
        return notes.public_key(self.origin, making.private(ORIGIN))

    def note(self, log: Log | None = None, size: int | None = None) -> str:
        size = self.size if size is None else size
        text = notes.Checkpoint(self.origin, size, (log or self.log).root(size)).text
        return f"{text}\n{notes.sign(text, self.origin, making.private(ORIGIN))}"

    def answer(self, asked: Asked) -> Reply:
        assert "authorization" not in asked.headers
        path = asked.path.removeprefix("/log/1/")
        if path in self.changes:
            return self.changes[path]
        if path == "key":
            return Reply(200, f"{self.key.text}\n".encode(), {"Content-Type": "text/plain; charset=utf-8"})
        if path == "checkpoint":
            return Reply(200, self.note().encode(), {"Content-Type": "text/plain; charset=utf-8"})
        old, new = map(int, path.removeprefix("consistency/").split("/"))
        assert max(old, new) <= self.size
        return Reply(200, {"proof": [making.base64_of(step) for step in self.log.consistency(old, new)]})


@pytest.fixture(scope="module")
def server() -> Iterator[Double]:
    with double() as found:
        yield found


@pytest.fixture
def site(server: Double) -> Site:
    return Site(server)


@pytest.fixture
def kept(site: Site, tmp_path: Path, said: Run) -> Path:
    """The file of a log that was pinned at 64 leaves."""
    path = tmp_path / "kept.json"
    assert said("log", "pin", site.server.address, "-o", path)[0] == 0
    return path


def seen(path: Path) -> int:
    return int(json.loads(path.read_text())["seen"]["size"])


def test_a_log_is_pinned_once(site: Site, said: Run, tmp_path: Path):
    path = tmp_path / "kept.json"
    code, out, _ = said("log", "pin", site.server.address, "-o", path)
    assert code == 0
    assert f"Fingerprint of its key: {site.key.fingerprint}" in out
    found = pins.read(path)
    assert (found.log.text, found.witnesses, found.seen.size) == (site.key.text, (), 64)
    before = path.read_text()
    code, _, err = said("log", "pin", site.server.address, "-o", path)
    assert code == 1
    assert "is already there" in err
    assert path.read_text() == before
    code, _, err = said("log", "pin", site.server.address, "-o", tmp_path / "no" / "folder.json")
    assert code == 1
    assert "cannot be written" in err


def test_a_log_that_has_signed_nothing_yet_can_be_pinned(site: Site, said: Run, tmp_path: Path):
    site.changes["checkpoint"] = problem(404, "not_found")
    code, out, _ = said("log", "pin", site.server.address, "-o", tmp_path / "kept.json", "--json")
    assert code == 0
    assert json.loads(out)["checks"][0]["sentence"].startswith("The log has no public checkpoint yet")
    assert pins.read(tmp_path / "kept.json").seen is None
    site.changes.clear()
    assert said("log", "check", "--pins", tmp_path / "kept.json")[0] == 0
    assert seen(tmp_path / "kept.json") == 64


@pytest.mark.parametrize(
    ("path", "reply", "sentence"),
    [
        ("key", Reply(200, b"key"), "not the text of a key"),
        ("key", Reply(200, b"\xff"), "is not text in UTF-8"),
        ("key", Reply(200, b"x" * 2_000), "is longer than 1,000 bytes"),
        ("key", problem(404, "not_found", "There is no log."), "There is no log."),
        (
            "key",
            Reply(302, b"", {"Location": "https://elsewhere.example"}),
            "sends calls on to another address",
        ),
    ],
)
def test_a_log_without_a_key_is_not_pinned(
    site: Site, said: Run, tmp_path: Path, path: str, reply: Reply, sentence: str
):
    site.changes[path] = reply
    code, _, err = said("log", "pin", site.server.address, "-o", tmp_path / "kept.json")
    assert code == 1
    assert sentence in err
    assert list(tmp_path.iterdir()) == []


def test_a_log_whose_checkpoint_its_key_has_not_signed_is_not_pinned(site: Site, said: Run, tmp_path: Path):
    site.changes["checkpoint"] = Reply(200, making.signed(site.log).encode())
    code, out, _ = said("log", "pin", site.server.address, "-o", tmp_path / "kept.json")
    assert code == 1
    assert out.endswith("Nothing is pinned.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_grows_is_followed(site: Site, said: Run, kept: Path):
    for size in (64, 128, 256):
        site.size = size
        code, out, _ = said("log", "check", "--pins", kept)
        assert (code, out.splitlines()[-1]) == (0, f"The log holds. Seen up to {size} leaves.")
        assert seen(kept) == size
    asked = [each.path for each in site.server.asked if "consistency" in each.path]
    assert asked == ["/log/1/consistency/64/128", "/log/1/consistency/128/256"]


def test_a_log_that_was_rewritten_cut_or_splits_is_found(site: Site, said: Run, kept: Path):
    good, before = site.log, kept.read_text()
    rewritten = Log([making.digest(f"other {at}") for at in range(256)])

    def refused(sentence: str) -> None:
        code, out, _ = said("log", "check", "--pins", kept)
        assert code == 1
        assert sentence in out
        assert out.splitlines()[-1].startswith("THE LOG DOES NOT HOLD.")
        assert kept.read_text() == before

    site.log, site.size = rewritten, 128
    refused("The log of 128 leaves does not show that it begins with what you have seen, 64 leaves")
    site.size = 64
    refused("The log has signed two histories of 64 leaves")
    site.log, site.size = good, 63
    refused("The log shows 63 leaves, fewer than the 64 that you have seen")
    site.size = 0
    refused("The log shows 0 leaves, fewer than the 64")
    site.size = 128
    site.changes["checkpoint"] = Reply(200, making.signed(good).encode())
    refused("not signed by the pinned key")
    site.changes["checkpoint"] = Reply(200, b"x" * 600_000)
    code, _, err = said("log", "check", "--pins", kept)
    assert code == 1
    assert "is longer than" in err


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "The proof has no “proof”"),
        ({"proof": 7}, "The proof is not a list"),
        ({"proof": ["x"]}, "A step of the proof is not a hash"),
        (b'{"proof": [], "proof": []}', "“proof” occurs twice"),
        (b"[" * 90_000, "The proof is nested too deeply"),
        (b"[" * 200_000, "is longer than 100,000 bytes"),
        (b"<html>", "The proof is not JSON"),
    ],
)
def test_odd_proofs_end_in_a_sentence(site: Site, said: Run, kept: Path, body: Any, sentence: str):
    site.size = 128
    site.changes["consistency/64/128"] = Reply(200, body)
    code, _, err = said("log", "check", "--pins", kept)
    assert code == 1
    assert sentence in err
    assert seen(kept) == 64


def test_checkpoints_of_receipts_are_checked_too(site: Site, said: Run, kept: Path, tmp_path: Path):
    site.size = 192

    def checked(note: str) -> tuple[int, str]:
        path = tmp_path / "r.json"
        path.write_text(json.dumps({**making.receipt("charge"), "checkpoint": note}))
        code, out, _ = said("log", "check", path, "--pins", kept)
        return code, out

    for size in (128, 192):
        code, out = checked(site.note(size=size))
        assert code == 0
        assert "begins with the checkpoint of receipt 1: nothing was changed." in out
    code, out = checked(site.note(size=256))
    assert code == 0
    assert "The log has not published the checkpoint of receipt 1 yet" in out
    other = Log([making.digest(f"other {at}") for at in range(256)])
    code, out = checked(site.note(other, 128))
    assert code == 1
    assert "does not show that it begins with the checkpoint of receipt 1" in out
    code, out = checked(making.signed(site.log, 128))
    assert code == 1
    assert "not signed by the pinned key" in out


def test_a_portal_that_moved_is_named(site: Site, said: Run, kept: Path):
    """The origin stays the name of the log."""
    site.size = 128
    found = json.loads(kept.read_text())
    site.origin = ORIGIN
    kept.write_text(json.dumps({**found, "log": site.key.text}))
    assert said("log", "check", "--pins", kept, "--portal", site.server.address)[0] == 0
    assert seen(kept) == 128


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        ("weir.example/log/1", "https://weir.example"),
        ("weir.example:8443/log/1", "https://weir.example:8443"),
        ("localhost:8000/log/1", "http://localhost:8000"),
        ("[::1]:8000/log/1", "http://[::1]:8000"),
        ("weir.example/log/2", ""),
        ("weir.example", ""),
        ("/log/1", ""),
        ("[/log/1", ""),
    ],
)
def test_the_origin_says_where_the_log_is(origin: str, address: str):
    found = pins.Pins(client_notes.Key(origin, client_notes.SIGNATURE, b"\x00" * 32))
    if address:
        assert address_of(found) == address
        return
    with pytest.raises(Malformed, match=r"is not the address of a log\. Name the portal: --portal"):
        address_of(found)
