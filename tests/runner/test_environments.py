"""Environments on disk: described by their manifest, built once."""

from pathlib import Path

import pytest

from runner import environments
from runner.build import CannotBuild


def test_environment_is_described_by_its_manifest(tmp_path: Path) -> None:
    assert environments.describe(tmp_path, "small") is None
    with pytest.raises(CannotBuild, match="not a valid"):
        environments.describe(tmp_path, "../x")
    with pytest.raises(CannotBuild, match="cannot be read"):
        environments.build("small", tmp_path / "nothing.txt", tmp_path)


def test_empty_environment_is_built_once(tmp_path: Path) -> None:
    listed = tmp_path / "small.txt"
    listed.write_text("")
    built = environments.build("small", listed, tmp_path / "root")
    assert (built.name, built.packages) == ("small", {})
    changed = (built.path / environments.MANIFEST).stat().st_mtime_ns
    environments.build("small", listed, tmp_path / "root")
    assert (built.path / environments.MANIFEST).stat().st_mtime_ns == changed
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == [".lock", "small"]
