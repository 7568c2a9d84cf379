"""Which bubblewrap is used."""

from pathlib import Path

import pytest

from runner.contract import SandboxUnavailable
from runner.host import bwrap_options


def test_setuid_bubblewrap_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bwrap"
    path.write_text("")
    path.chmod(0o4755)
    monkeypatch.setenv("WEIR_BWRAP", str(path))
    with pytest.raises(SandboxUnavailable, match="setuid"):
        bwrap_options.find()
    monkeypatch.setenv("WEIR_BWRAP", str(tmp_path / "nothing"))
    with pytest.raises(SandboxUnavailable, match="cannot be read"):
        bwrap_options.find()
