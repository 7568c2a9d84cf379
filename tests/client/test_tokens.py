"""Kept tokens: who can read them, and for which portal they are used."""

import json
import sys
import threading

import pytest

from weir import NotSignedIn, WeirError, tokens
from weir.tokens import Store, token_for

ORIGIN, OTHER = "https://portal.example", "https://other.example"


class Ring:
    """A keyring in memory."""

    def __init__(self):
        self.kept = {}

    def set_password(self, service, name, value):
        self.kept[service, name] = value

    def get_password(self, service, name):
        return self.kept.get((service, name))

    def delete_password(self, service, name):
        del self.kept[service, name]


class Broken(Ring):
    def set_password(self, *_):
        raise RuntimeError("no desktop")


class Forgetful(Ring):
    def get_password(self, *_):
        return None


class Hanging(Ring):
    def __init__(self):
        super().__init__()
        self.never = threading.Event()

    def set_password(self, *_):
        self.never.wait()


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("WEIR_TOKEN", raising=False)
    monkeypatch.delenv("WEIR_PORTAL", raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)
    return tmp_path / "weir" / "tokens.json"


def test_without_a_keyring_tokens_are_in_a_file_that_only_the_owner_can_read(path):
    where = Store().write(ORIGIN, "weir_a")
    Store().write(OTHER, "weir_b")
    assert where == f"{path}, which only you can read"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (token_for(ORIGIN), token_for(OTHER), token_for("https://third.example")) == (
        "weir_a",
        "weir_b",
        None,
    )
    assert Store().remove(ORIGIN)
    assert not Store().remove(ORIGIN)
    assert (token_for(ORIGIN), token_for(OTHER)) == (None, "weir_b")
    assert [each.name for each in path.parent.iterdir()] == ["tokens.json"]


def test_a_file_that_others_can_read_is_refused(path):
    Store().write(ORIGIN, "weir_a")
    path.chmod(0o640)
    with pytest.raises(WeirError, match="chmod 600"):
        token_for(ORIGIN)
    with pytest.raises(WeirError, match="chmod 600"):
        Store().write(ORIGIN, "weir_b")


def test_a_damaged_file_says_what_to_do(path):
    Store().write(ORIGIN, "weir_a")
    path.write_text("{")
    with pytest.raises(WeirError, match="Delete it and sign in again"):
        token_for(ORIGIN)
    path.write_text("[]")
    assert token_for(ORIGIN) is None
    path.write_text(json.dumps({ORIGIN: 5}))
    assert token_for(ORIGIN) is None


def test_a_keyring_that_works_holds_the_token_and_the_file_does_not(path):
    ring = Ring()
    assert Store(keyring=ring).write(ORIGIN, "weir_a") == "the keyring of this system"
    assert "weir_a" not in path.read_text()
    assert Store(keyring=ring).read(ORIGIN) == "weir_a"
    assert ring.kept == {("weir", ORIGIN): "weir_a"}
    assert Store(keyring=ring).remove(ORIGIN)
    assert ring.kept == {}


@pytest.mark.parametrize("ring", [Broken, Forgetful, Hanging])
def test_a_keyring_that_fails_forgets_or_hangs_is_not_used(path, ring, monkeypatch):
    monkeypatch.setattr(tokens, "PROBE_SECONDS", 0.1)
    assert Store(keyring=ring()).write(ORIGIN, "weir_a").startswith(str(path))
    assert token_for(ORIGIN) == "weir_a"


def test_a_keyring_that_is_locked_later_is_said(path):
    Store(keyring=Ring()).write(ORIGIN, "weir_a")
    with pytest.raises(NotSignedIn, match="Unlock it"):
        Store(keyring=Ring()).read(ORIGIN)
    with pytest.raises(NotSignedIn, match="Unlock it"):
        token_for(ORIGIN)


def test_the_environment_comes_first_and_is_for_one_portal_alone(path, monkeypatch):
    Store().write(ORIGIN, "weir_kept")
    monkeypatch.setenv("WEIR_TOKEN", "weir_given")
    assert token_for(ORIGIN) == "weir_kept"
    monkeypatch.setenv("WEIR_PORTAL", "https://portal.example/")
    assert token_for(ORIGIN) == "weir_given"
    assert token_for(OTHER) is None
    path.chmod(0o644)
    assert token_for(ORIGIN) == "weir_given"
