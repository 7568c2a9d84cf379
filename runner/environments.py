"""Code environments: named sets of pinned packages that submitted code may use, identified by a hash.

    python -m runner.environments build NAME [--requirements FILE] [--root DIR]
    python -m runner.environments describe NAME [--root DIR]

Needs only the standard library and a Python with pip (this one, or the one that its venv was made from).
See runner/build/pipeline.py for how an environment is built.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from runner import pins
from runner.build import CannotBuild
from runner.build.pipeline import Made, make
from runner.contract import SandboxUnavailable
from runner.host.interpreter import interpreter

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = "weir-manifest.json"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An installed environment, as its manifest describes it."""

    name: str
    path: Path
    sha256: str
    """Of the list of packages; if that contains no hashes, of the list and every wheel."""
    python: str
    packages: dict[str, str]
    unsandboxed: str = ""
    """Why it was built without a sandbox; empty when it was built in one."""


def default_root() -> Path:
    return Path(os.environ.get("WEIR_ENVIRONMENTS") or ROOT / ".environments").absolute()


def describe(root: Path, name: str) -> Environment | None:
    """Return the environment of this name, or None if it is not (or not completely) built."""
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
        unsandboxed=manifest.get("unsandboxed", ""),
    )


def build(name: str, requirements: Path, root: Path) -> Environment:
    """Build the environment, unless it was already built from this list. Raises CannotBuild."""
    listed = _read(requirements)
    try:
        wanted = pins.read(listed.decode("utf-8"))
    except ValueError as bad:
        raise CannotBuild(f"{requirements.name} is not a list of exact versions. {bad}") from bad
    digest = hashlib.sha256(listed).hexdigest()
    hashed = all(pin.hashes for pin in wanted)
    place = root / _checked(name)
    root.mkdir(parents=True, exist_ok=True)
    with _alone(root):
        there = describe(root, name)
        if there is not None and hashed and there.sha256 == digest and _is_usable(place):
            return there
        for left in root.glob(".building-*"):  # of a builder that was killed: we hold the lock
            shutil.rmtree(left, ignore_errors=True)
        fresh = root / f".building-{secrets.token_hex(8)}"
        fresh.mkdir(mode=0o755)
        try:
            made = make(fresh, wanted)
            _write_manifest(fresh, digest if hashed else _with_wheels(digest, made.wheels), made)
            _put_in_place(fresh, place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    built = describe(root, name)
    if built is None:
        raise CannotBuild(f"The environment {name} disappeared while it was being built. Build it again.")
    return built


def _is_usable(environment: Path) -> bool:
    """Whether the Python that the environment was built for still exists."""
    try:
        interpreter(environment)
    except SandboxUnavailable:
        return False
    return True


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise CannotBuild(
            f"{name!r} is not a valid environment name. Use at most 40 lower-case letters, digits and '-'."
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


def _with_wheels(digest: str, wheels: Mapping[str, str]) -> str:
    """Return the hash of a list and its downloaded wheels, which determine every installed file."""
    lines = [digest, *(f"{name} {sha256}" for name, sha256 in sorted(wheels.items()))]
    return hashlib.sha256("\n".join(lines).encode("utf-8")).hexdigest()


def _write_manifest(folder: Path, digest: str, made: Made) -> None:
    manifest = {
        "sha256": digest,
        "python": sys.version.split()[0],
        "packages": made.packages,
        "wheels": made.wheels,
        "unsandboxed": made.missing,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _put_in_place(fresh: Path, place: Path) -> None:
    """Swap the folders with two renames. Runs that have the old folder mounted keep the files they have open."""
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
