"""Code environments: named, pinned sets of packages that submitted code may use. Built here, known by their hash.

    python -m runner.environments build NAME [--requirements FILE] [--root DIR]
    python -m runner.environments describe NAME [--root DIR]

Needs the standard library, and a Python with pip (the one that runs this, or the one it was made from).
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = "weir-manifest.json"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", re.MULTILINE)
LAST_CHARACTERS = 2000
SECONDS = 1800
"""One command of a build may take so long."""


class CannotBuild(RuntimeError):
    """The environment was not made; the text says why. What was there before is still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One set of packages as it is installed: its manifest."""

    name: str
    path: Path
    sha256: str
    """Of the pinned requirements file; of a list without hashes, also of every file that was installed."""
    python: str
    packages: dict[str, str]


def default_root() -> Path:
    return Path(os.environ.get("WEIR_ENVIRONMENTS") or ROOT / ".environments").absolute()


def describe(root: Path, name: str) -> Environment | None:
    """The environment of this name; None when it is not (or not fully) built."""
    path = root / _checked(name)
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Environment(
        name=name,
        path=path,
        sha256=manifest["sha256"],
        python=manifest["python"],
        packages=manifest["packages"],
    )


def build(name: str, requirements: Path, root: Path) -> Environment:
    """Make the environment, or leave it when it is already made from this list. Raises CannotBuild."""
    listed = _read(requirements)
    digest = hashlib.sha256(listed).hexdigest()
    hashed = b"--hash=" in listed or not listed.strip()
    _checked(name)
    root.mkdir(parents=True, exist_ok=True)
    with _alone(root):
        there = describe(root, name)
        if there is not None and hashed and there.sha256 == digest:
            return there
        fresh = root / f".building-{secrets.token_hex(8)}"
        try:
            _install(fresh, requirements, hashed=hashed)
            _write_manifest(fresh, digest if hashed else _with_files(digest, fresh), requirements)
            _put_in_place(fresh, root / name)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    built = describe(root, name)
    if built is None:
        raise CannotBuild(f"The environment {name} vanished while it was built.")
    return built


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise CannotBuild(
            f"{name!r} is no name for an environment: small letters, digits and '-', at most 40."
        )
    return name


def _read(requirements: Path) -> bytes:
    try:
        return requirements.read_bytes()
    except OSError as bad:
        raise CannotBuild(f"The list of packages {requirements} cannot be read ({bad.strerror}).") from bad


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    with (root / ".lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _python_with_pip() -> str:
    """A Python that can install: Debian's virtual environments come without pip."""
    for python in dict.fromkeys((sys.executable, getattr(sys, "_base_executable", sys.executable))):
        found = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False)  # noqa: S603
        if found.returncode == 0:
            return python
    raise CannotBuild("pip is missing. Install it (Debian: apt-get install python3-pip) and try again.")


def _install(folder: Path, requirements: Path, *, hashed: bool) -> None:
    """A list with hashes is held to them. One without has to be whole: nothing that it does not name comes in."""
    python = _python_with_pip()
    _run([python, "-m", "venv", "--without-pip", str(folder)], "The virtual environment could not be made")
    pip = [python, "-m", "pip", "--python", str(folder / "bin" / "python")]
    how = ["--require-hashes"] if hashed else ["--no-deps"]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--only-binary", ":all:"]
    _run(
        [*pip, "install", *how, *quiet, "-r", str(requirements)],
        f"The packages of {requirements.name} could not be installed",
    )
    if not hashed:
        _run([*pip, "check"], "The list is not whole: pin what its packages need, too")


def _with_files(digest: str, folder: Path) -> str:
    """The hash of a list and of what was installed from it: each package's record names every file's hash."""
    records = sorted(folder.glob("lib/python*/site-packages/*.dist-info/RECORD"))
    whole = hashlib.sha256(digest.encode("ascii"))
    for record in records:
        hashed = sorted(
            line for line in record.read_text(encoding="utf-8").splitlines() if ",sha256=" in line
        )
        whole.update("\n".join([record.parent.name, *hashed]).encode("utf-8"))
    return whole.hexdigest()


def _run(command: list[str], failure: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, umask=0o022, timeout=SECONDS
        )
    except subprocess.TimeoutExpired as late:
        raise CannotBuild(f"{failure}: it took more than {SECONDS // 60} minutes.") from late
    if done.returncode != 0:
        raise CannotBuild(f"{failure}:\n{(done.stdout + done.stderr).strip()[-LAST_CHARACTERS:]}")


def _write_manifest(folder: Path, digest: str, requirements: Path) -> None:
    manifest = {
        "sha256": digest,
        "python": sys.version.split()[0],
        "packages": dict(PIN.findall(requirements.read_text(encoding="utf-8"))),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _put_in_place(fresh: Path, place: Path) -> None:
    """Exchange folders in two renames; runs that have the old one mounted keep seeing their files' last state."""
    old = place.with_name(f".old-{secrets.token_hex(8)}")
    if place.exists():
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _parser() -> argparse.ArgumentParser:
    known = argparse.ArgumentParser(prog="python -m runner.environments")
    known.add_argument("verb", choices=["build", "describe"])
    known.add_argument("name")
    known.add_argument("--requirements", type=Path, help="default: environments/NAME.txt")
    known.add_argument("--root", type=Path, default=default_root())
    return known


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        if given.verb == "build":
            requirements = given.requirements or ROOT / "environments" / f"{_checked(given.name)}.txt"
            found: Environment | None = build(given.name, requirements, given.root)
        else:
            found = describe(given.root, given.name)
    except CannotBuild as bad:
        sys.stderr.write(f"{bad}\n")
        return 1
    if found is None:
        sys.stderr.write(f"There is no code environment named {given.name} under {given.root}.\n")
        return 1
    sys.stdout.write(json.dumps(asdict(found), indent=1, default=str) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
