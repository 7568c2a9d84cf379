import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.contract import Limits, OutputFile, RefusedFile
from runner.gates import collect as gates
from runner.host.selftest import probe

ENVIRONMENT = Path(__file__).resolve().parents[3] / ".environments" / "default"


class Out:
    """An output folder as submitted code may leave it, and the result of the gates."""

    def __init__(self, folder: Path, dest: Path) -> None:
        self.folder, self.dest = folder, dest
        self.accepted: dict[str, OutputFile] = {}
        self.refused: dict[str, RefusedFile] = {}

    def write(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def collect(self, limits: Limits | None = None) -> "Out":
        dirfd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            accepted, refused = gates.collect(dirfd, self.dest, limits or Limits(), ENVIRONMENT)
        finally:
            os.close(dirfd)
        self.accepted = {file.name: file for file in accepted}
        self.refused = {file.name: file for file in refused}
        return self

    def text(self, name: str) -> str:
        return (self.dest / name).read_text(encoding="utf-8")

    def reason(self, name: str) -> str:
        return self.refused[name].reason


@pytest.fixture
def out(tmp_path: Path) -> Out:
    """An output folder with one harmless file, which must be accepted whatever else is there."""
    folder, dest = tmp_path / "out", tmp_path / "dest"
    folder.mkdir()
    dest.mkdir()
    made = Out(folder, dest)
    made.write("fine.json", '{"n": 120}')
    return made


@pytest.fixture
def environment() -> Path:
    return ENVIRONMENT


@pytest.fixture
def no_descriptor_is_lost() -> Iterator[Callable[[], int]]:
    """Check that as many descriptors are open after the test as before."""
    probe(ENVIRONMENT)  # starts this thread's spawner, which keeps a socket open

    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    yield count
    assert count() == before
