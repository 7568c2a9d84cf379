"""The named sets of packages that submitted code may use, known by a hash that each run records.

The default one is always on offer. Apps register which others are, and which their work still needs.
"""

import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from common.errors import Refused
from runner.imports import packages_of

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    name: str
    sha256: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What an environment contains, for display."""

    name: str
    sha256: str
    python: str
    listed: list[tuple[str, str]]


Names = Callable[[], Iterable[str]]
Use = Callable[[str], str]

added: list[Names] = []
uses: list[Use] = []


def register(*, names: Names | None = None, use: Use | None = None) -> None:
    """Register an app's callbacks. Call it once, from AppConfig.ready().

    `names()` returns the environments that are on offer beside the default one. `use(name)` returns why the app still
    needs the files of an environment, or an empty string.
    """
    if names is not None:
        added.append(names)
    if use is not None:
        uses.append(use)


def on_offer() -> list[str]:
    """Return the names of the environments that new code can use: the default first, then the others by name."""
    return [DEFAULT, *sorted(name for names in added for name in names())]


def check_offered(name: str) -> None:
    """Raise Refused unless new code can use the environment of this name."""
    if name not in on_offer():
        raise Refused(f"There is no code environment named {name[:40]!r}. Choose another one.")


def still_used(name: str) -> str:
    """Return why the files of an environment cannot be deleted now, or an empty string."""
    return next((why for use in uses if (why := use(name))), "")


def get(name: str = DEFAULT) -> Environment:
    """Return the environment of this name as it is installed now; raise Refused when there is none."""
    path = Path(settings.ENVIRONMENTS) / name
    manifest = path / "weir-manifest.json"
    if manifest.is_file():
        return Environment(name=name, sha256=_hash_of(manifest), path=path)
    pinned = Path(settings.ROOT) / "environments" / f"{name}.txt"
    if pinned.is_file():
        return Environment(name=name, sha256=hashlib.sha256(pinned.read_bytes()).hexdigest(), path=path)
    raise Refused(f"There is no code environment named {name}. Ask an admin to add it.")


def described(name: str = DEFAULT) -> Described | None:
    """Return what an installed environment contains, by its manifest; None when it is not installed."""
    try:
        manifest = Path(settings.ENVIRONMENTS, name, "weir-manifest.json")
        stated: dict[str, Any] = json.loads(manifest.read_bytes())
    except FileNotFoundError:
        return None
    return Described(
        name=name,
        sha256=_hash_of(manifest),
        python=str(stated.get("python", "")),
        listed=sorted(stated.get("packages", {}).items()),
    )


def modules(name: str = DEFAULT) -> frozenset[str]:
    """Return the names that code can import from an environment's packages; none if it is not installed here."""
    path = Path(settings.ENVIRONMENTS, name)
    manifest = path / "weir-manifest.json"
    return _modules(path, _hash_of(manifest)) if manifest.is_file() else frozenset()


def importable() -> dict[str, list[str]]:
    """Return the names that editors complete after `import`, by environment on offer."""
    return {name: sorted(each for each in modules(name) if not each.startswith("_")) for name in on_offer()}


@lru_cache(maxsize=32)
def _modules(path: Path, sha256: str) -> frozenset[str]:
    """Read the names off the folder of packages, once for each content (`sha256`) of an environment."""
    return packages_of(path)


def is_installed(name: str) -> bool:
    """Return whether a folder of this name exists, whoever created it."""
    return (Path(settings.ENVIRONMENTS) / name).exists()


def remove(name: str) -> None:
    """Delete an environment's files; the folder is renamed first, so that the environment disappears at once."""
    place = Path(settings.ENVIRONMENTS) / name
    old = place.with_name(f".old-{secrets.token_hex(8)}")
    try:
        place.rename(old)
    except FileNotFoundError:
        return
    shutil.rmtree(old)


def _hash_of(manifest: Path) -> str:
    """Return the package hash that the manifest states, or else the hash of the manifest itself."""
    content = manifest.read_bytes()
    stated = json.loads(content).get("sha256")
    return stated if isinstance(stated, str) and len(stated) == 64 else hashlib.sha256(content).hexdigest()
