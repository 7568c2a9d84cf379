"""Unpack wheels into one folder of packages and compile their Python files. Nothing of them is imported or run.

Arguments are name=value: `wheels` and `packages` (folders), `bytes` and `files` (how much the wheels may contain).
Left out is what would run by itself: programs, and what an interpreter loads at its start (.pth, sitecustomize).
"""

from __future__ import annotations

import compileall
import os
import py_compile
import re
import resource
import stat
import sys
import zipfile
import zlib
from pathlib import Path
from typing import IO

MEMORY = 2 * 2**30
PIECE = 2**20
LONGEST_NAME, LONGEST_PATH, DEEPEST = 255, 1000, 40
STORED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 1
CONTROL = re.compile("[\x00-\x1f\x7f\\\\]")
PACKAGES, ELSEWHERE = ("purelib", "platlib"), ("scripts", "data", "headers")
AT_THE_START = ("sitecustomize", "usercustomize")
SHOWN_AT = "/environment"


class Bad(Exception):
    """The wheel is not acceptable; the message says why."""


class Room:
    """How much all wheels together may still contain."""

    def __init__(self, size: int, files: int) -> None:
        self.size, self.files = size, files

    def take_file(self) -> None:
        self.files -= 1
        if self.files < 0:
            raise Bad("these packages contain more files than an environment may have")

    def take(self, size: int) -> None:
        self.size -= size
        if self.size < 0:
            raise Bad("these packages unpack to more than an environment may have or the disk has room for")


def parts_of(name: str) -> list[str]:
    """Return the parts of a member's path. Raises Bad if it could lead out of the folder or is not printable."""
    parts = name.split("/")
    if CONTROL.search(name) or len(name) > LONGEST_PATH or len(parts) > DEEPEST:
        raise Bad(f"it contains an invalid file name: {name[:100]!r}")
    if any(part in ("", ".", "..") or len(os.fsencode(part)) > LONGEST_NAME for part in parts):
        raise Bad(f"it contains a file outside its own folder: {name[:100]!r}")
    return parts


def place_of(parts: list[str]) -> list[str]:
    """Return where a member belongs in the folder of packages; empty if it is left out. Raises Bad."""
    if parts[0].endswith(".data"):
        kind = parts[1] if len(parts) > 2 else ""
        if kind in ELSEWHERE:
            return []
        if kind not in PACKAGES:
            raise Bad(f"its folder {parts[0]!r} contains something that no wheel has: {kind!r}")
        parts = parts[2:]
    acts = parts[0].split(".")[0] in AT_THE_START or (len(parts) == 1 and parts[0].endswith(".pth"))
    return [] if acts or "__pycache__" in parts else parts


def _check(member: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise Bad(f"{member.filename[:100]!r} is a link or a device, not a file")
    if member.flag_bits & ENCRYPTED or member.compress_type not in STORED:
        raise Bad(f"{member.filename[:100]!r} is packed in a way that wheels may not use")


def _write(source: IO[bytes], path: Path, room: Room) -> None:
    """Write one file, replacing that of an earlier wheel, as pip does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(target, "wb") as file:
        while piece := source.read(PIECE):
            room.take(len(piece))
            file.write(piece)


def _check_information(wheel: Path, tops: set[str]) -> None:
    """Check that a wheel has one .dist-info folder, for the package in its file name. Raises Bad."""
    found = [top for top in tops if top.endswith(".dist-info")]
    if len(found) != 1 or _name(found[0]) != _name(wheel.name):
        raise Bad("its metadata is not that of the package in its file name")


def _name(file: str) -> str:
    """Return the normalised package name in the name of a wheel or a .dist-info folder."""
    return re.sub(r"[-_.]+", "-", file.split("-", maxsplit=1)[0]).lower()


def unpack(wheel: Path, packages: Path, room: Room) -> None:
    with zipfile.ZipFile(wheel) as archive:
        members = [member for member in archive.infolist() if not member.filename.endswith("/")]
        paths = [parts_of(member.filename) for member in members]
        _check_information(wheel, {parts[0] for parts in paths if len(parts) > 1})
        for member, parts in zip(members, paths, strict=True):
            room.take_file()
            _check(member)
            place = place_of(parts)
            if place:
                with archive.open(member) as source:
                    _write(source, packages.joinpath(*place), room)


def main() -> int:
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    room = Room(int(given["bytes"]), int(given["files"]))
    os.umask(0o022)
    for wheel in sorted(Path(given["wheels"]).iterdir()):
        try:
            unpack(wheel, Path(given["packages"]), room)
        except (Bad, OSError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error) as bad:
            sys.stderr.write(f"{wheel.name} cannot be unpacked: {bad}.\n")
            return 1
    # Files that cannot be compiled, such as templates or tests for another Python, stay as they are.
    compileall.compile_dir(
        given["packages"],
        ddir=SHOWN_AT,
        quiet=2,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
