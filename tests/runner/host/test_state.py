"""The folder in which runs are prepared: ours alone, and swept of what killed runs left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.contract import SandboxUnavailable
from runner.host import state
from runner.host.linux import process_start


def test_state_folder_belongs_to_us_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    monkeypatch.setenv("WEIR_SANDBOX_STATE", str(folder))
    with pytest.raises(SandboxUnavailable, match="only this user can write"):
        state.base()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.setenv("WEIR_SANDBOX_STATE", str(tmp_path / "link"))
    with pytest.raises(SandboxUnavailable, match="only this user can write"):
        state.base()


def test_only_what_the_dead_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_SANDBOX_STATE", str(tmp_path / "state"))
    ours = state.base() / state.new_name()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        started = process_start(other.pid)
        theirs = state.base() / f"weir-{other.pid}-{started}-0011223344556677"
        ours.mkdir()
        theirs.mkdir()
        (theirs / "copy").write_text("x")
        state.sweep_stages()
        assert theirs.exists()
    state.sweep_stages()
    assert not theirs.exists()
    assert ours.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="Without root, runs have the user of the worker.")
def test_a_state_folder_that_runs_cannot_reach_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("WEIR_SANDBOX_STATE", str(closed / "state"))
    with pytest.raises(SandboxUnavailable, match="they may not enter"), state.own_uid():
        pass
