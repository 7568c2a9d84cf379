"""The tables that a run is given: their names and kinds."""

from pathlib import Path

import pytest

from runner.host.job import TABLE_NAME, kind_of


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "x\0", "a\nb", "-x", "x" * 200])
def test_names_of_tables(name: str) -> None:
    assert TABLE_NAME.fullmatch(name) is None


def test_kind_is_told_by_content(tmp_path: Path) -> None:
    for content, kind in ((b"PAR1xx", ".parquet"), (b"ARROW1", ".arrow"), (b"a,b\n", ".csv"), (b"", ".csv")):
        (tmp_path / "file").write_bytes(content)
        assert kind_of(tmp_path / "file") == kind
