"""Lists in environment variables."""

from pathlib import Path

import pytest

from portal import env


def test_a_list_of_secrets_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert env.texts("WEIR_SOME_KEYS") == []
    monkeypatch.setenv("WEIR_SOME_KEYS", "one, two,,")
    assert env.texts("WEIR_SOME_KEYS") == env.words("WEIR_SOME_KEYS", []) == ["one", "two"]
    (tmp_path / "keys").write_text("three,four\n")
    monkeypatch.setenv("WEIR_SOME_KEYS_FILE", str(tmp_path / "keys"))
    assert env.texts("WEIR_SOME_KEYS") == ["three", "four"]
