"""What a run wrote, as Python objects: JSON, tables as Arrow, arrays, text, and pictures."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weir import cards
from weir.declarations import listed, nearest
from weir.errors import NotOffered, WeirError
from weir.transport import Transport

MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif"}


class Picture(bytes):
    """The bytes of a picture. A notebook shows it."""

    name: str

    def __new__(cls, content: bytes, name: str) -> Picture:
        made = super().__new__(cls, content)
        made.name = name
        return made

    def _repr_html_(self) -> str:
        kind = MEDIA_TYPES.get(suffix_of(self.name), "image/png")
        return cards.picture(base64.b64encode(self).decode(), self.name, kind)

    def __repr__(self) -> str:
        return f"Picture: {self.name}, {len(self):,} bytes"


class Results(Mapping[str, Any]):
    """Files by name. Each is downloaded when it is taken, and comes as what it holds.

    run.results["answer.json"], run.results.save("results")
    """

    def __init__(self, transport: Transport, files: Sequence[Mapping[str, Any]]) -> None:
        self._transport = transport
        self._files = {str(each["name"]): dict(each) for each in files}

    def __getitem__(self, name: str) -> Any:
        self._check(name)
        with tempfile.TemporaryDirectory(prefix="weir-") as folder:
            return read(self._download(name, Path(folder) / "file"), name)

    def save(self, folder: Path | str) -> list[Path]:
        """Download all files into a folder, which is made if need be. Files of the same name are replaced."""
        to = Path(folder)
        to.mkdir(parents=True, exist_ok=True)
        return [self._download(name, to / plain_name(name)) for name in self]

    def _download(self, name: str, to: Path) -> Path:
        return self._transport.download(f"outputs/{self._files[name]['id']}/file/", to)

    def _check(self, name: str) -> None:
        if name not in self._files:
            there = f"The files are {listed(self._files)}." if self._files else "There are no files."
            raise NotOffered(f"There is no file “{name}”.{nearest(name, self._files)} {there}")

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"Results: {listed(self._files) if self._files else 'no files'}"

    def _repr_html_(self) -> str:
        pairs = [(name, f"{int(each.get('bytes') or 0):,} bytes") for name, each in self._files.items()]
        return cards.facts("Results", pairs)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._files)


def read(path: Path, name: str) -> Any:
    """Return what a downloaded file holds, by the end of its name. Nothing is unpickled."""
    try:
        return _read(path, name)
    except ValueError as bad:
        raise WeirError(
            f"“{name}” cannot be read as a .{suffix_of(name)} file. Download it as it is: results.save(folder)."
        ) from bad


def _read(path: Path, name: str) -> Any:
    kind = suffix_of(name)
    if kind == "json":
        return json.loads(path.read_text(encoding="utf-8"))
    if kind in {"txt", "md"}:
        return path.read_text(encoding="utf-8")
    if kind in {"csv", "parquet"}:
        return _table(path, kind)
    if kind == "npy":
        import numpy as np  # noqa: PLC0415 -- only for arrays

        return np.load(path, allow_pickle=False)
    content = path.read_bytes()
    return Picture(content, name) if kind in MEDIA_TYPES else content


def _table(path: Path, kind: str) -> Any:
    if kind == "csv":
        from pyarrow import csv  # noqa: PLC0415 -- it takes a tenth of a second

        return csv.read_csv(path)
    import pyarrow.parquet as pq  # noqa: PLC0415

    return pq.read_table(path)


def suffix_of(name: str) -> str:
    return name.rpartition(".")[2].lower()


def plain_name(name: str) -> str:
    """Return a name that stays in its folder. Raises WeirError for one that would not."""
    if name != Path(name).name or "\\" in name or ":" in name or name in {"", ".", ".."}:
        raise WeirError(f"The portal names a file {name!r}, which is not a plain name. Ask its admin.")
    return name
