"""Take over what a build step has written, treating it as hostile."""

import os
import stat
from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path

from runner.build import CannotBuild
from runner.pins import Pin, package_of
from runner.plain_text import is_hidden
from runner.text import shown_name

DEEPEST = 48
FILE, FOLDER = 0o644, 0o755


def tree(top: Path, *, files: int) -> None:
    """Take ownership of a folder and its content: only regular files and folders, no links. Raises CannotBuild."""
    _take(top, None, FOLDER)
    for path, folders, names, number in os.fwalk(top, onerror=_unreadable, follow_symlinks=False):
        files -= len(names) + len(folders)
        if files < 0:
            raise CannotBuild("These packages contain more files than an environment may have.")
        if len(Path(path).relative_to(top).parts) > DEEPEST:
            raise CannotBuild(f"The folders of these packages are nested more than {DEEPEST} levels deep.")
        for name in (*folders, *names):
            _take(name, number, _rights(name, number))


def _unreadable(bad: OSError) -> None:
    raise CannotBuild(f"A folder of these packages cannot be read ({bad.strerror}).") from bad


def _rights(name: str, folder: int) -> int:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISDIR(found.st_mode):
        return FOLDER
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise CannotBuild(f"{shown_name(name)} is neither a file nor a folder.")
    return FILE


def _take(name: str | Path, folder: int | None, rights: int) -> None:
    """Take ownership of one entry. Nothing can replace it meanwhile: the processes that wrote it are dead."""
    if any(letter in "\t\n\r" or is_hidden(letter) for letter in str(name)):
        raise CannotBuild(f"{shown_name(str(name))} is not a valid name for a file in a package.")
    os.chown(name, os.geteuid(), os.getegid(), dir_fd=folder, follow_symlinks=False)
    os.chmod(name, rights, dir_fd=folder)


def wheels(folder: Path, pins: Mapping[str, Pin]) -> dict[str, str]:
    """Return file name -> SHA-256 of the wheels. Raises CannotBuild unless each is the only wheel of a listed package
    and matches the list's hashes."""
    tree(folder, files=len(pins))
    found: dict[str, str] = {}
    names = set[str]()
    for path in sorted(folder.iterdir()):
        name = package_of(path.name)
        if path.suffix != ".whl" or not path.is_file() or name not in pins or name in names:
            raise CannotBuild(f"{shown_name(path.name)} is not a wheel of a listed package.")
        with path.open("rb") as file:
            found[path.name] = file_digest(file, "sha256").hexdigest()
        if pins[name].hashes and found[path.name] not in pins[name].hashes:
            raise CannotBuild(f"{path.name} does not match the hashes in the list.")
        names.add(name)
    return found
