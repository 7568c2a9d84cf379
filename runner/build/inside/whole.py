"""Check that a list is complete: that it includes the packages' own requirements, in versions that they accept.

Arguments are name=value: `pip` (the folder that contains pip, which vendors the parser of requirements), `packages`
(a folder), `list` (a file with the packages that were asked for). Missing requirements are printed, one per line.
Packages are read as text and never imported. Markers are evaluated for this Python, which will run them.
"""

from __future__ import annotations

import email.message
import email.parser
import json
import resource
import sys
from pathlib import Path
from typing import Any

MEMORY = 2**30
METADATA_BYTES = 4 * 2**20
REQUIREMENTS = 2000
SHOWN = 50


class Bad(Exception):
    """The metadata cannot be used; the message says why."""


class Package:
    """One installed package, according to its metadata."""

    def __init__(self, described: email.message.Message, packaging: Any) -> None:
        self.name = packaging.utils.canonicalize_name(str(described["Name"]))
        self.shown, self.version = str(described["Name"]), str(described["Version"])
        needed = [str(text) for text in described.get_all("Requires-Dist", [])]
        if len(needed) > REQUIREMENTS:
            raise Bad(f"{self.shown} lists more than {REQUIREMENTS:,} requirements.")
        try:
            packaging.version.Version(self.version)
            self.needs = [packaging.requirements.Requirement(text) for text in needed]
        except ValueError as bad:
            raise Bad(f"The metadata of {self.shown} cannot be read: {bad}") from bad

    def asks(self, extras: set[str]) -> list[Any]:
        """Return the requirements that apply here, with these extras."""
        return [
            need
            for need in self.needs
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))
        ]


def _described(folder: Path) -> email.message.Message:
    path = folder / "METADATA"
    if not path.is_file():
        raise Bad(f"{folder.name} has no METADATA.")
    with path.open("rb") as file:
        data = file.read(METADATA_BYTES + 1)
    if len(data) > METADATA_BYTES:
        raise Bad(f"The METADATA of {folder.name} is larger than {METADATA_BYTES >> 20} MB.")
    described = email.parser.BytesParser().parsebytes(data, headersonly=True)
    if described["Name"] is None or described["Version"] is None:
        raise Bad(f"The METADATA of {folder.name} does not name a package and a version.")
    return described


def _installed(folder: Path, packaging: Any) -> dict[str, Package]:
    packages = [Package(_described(path), packaging) for path in sorted(folder.glob("*.dist-info"))]
    return {package.name: package for package in packages}


def faults(packages: dict[str, Package], wanted: list[dict[str, Any]], packaging: Any) -> list[str]:
    """Return a sentence for each listed package or requirement that is missing or has the wrong version."""
    missing: dict[str, None] = {}
    extras: dict[str, set[str]] = {}
    asked = [f"{pin['name']}[{','.join(pin['extras'])}]=={pin['version']}" for pin in wanted]
    open_ends = [("", packaging.requirements.Requirement(text)) for text in asked]
    while open_ends:
        who, need = open_ends.pop()
        name = packaging.utils.canonicalize_name(need.name)
        there = packages.get(name)
        if there is None or not need.specifier.contains(there.version, prereleases=True):
            missing[_fault(who, need, there)] = None
        elif name not in extras or not need.extras <= extras[name]:
            extras[name] = extras.get(name, set()) | set(need.extras)
            open_ends += [(f"{there.shown} {there.version}", more) for more in there.asks(extras[name])]
    return sorted(missing)


def _fault(who: str, need: Any, there: Package | None) -> str:
    if not who:
        return f"The wheel for {need} contains another package or version."
    has = f"but the list has {there.shown} {there.version}" if there else "which is not in the list"
    return f"{who} needs {need}, {has}."


def main() -> int:
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    sys.path.append(given["pip"])
    from pip._vendor import packaging  # noqa: PLC0415 found only now
    from pip._vendor.packaging import requirements, utils, version  # noqa: F401, PLC0415

    wanted = json.loads(Path(given["list"]).read_text(encoding="utf-8"))
    try:
        found = faults(_installed(Path(given["packages"]), packaging), wanted, packaging)
    except (Bad, ValueError, RecursionError) as bad:
        found = [str(bad)]
    for line in found[:SHOWN]:
        sys.stderr.write(f"{line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
