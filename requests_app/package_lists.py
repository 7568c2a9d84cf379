"""A list of packages that an admin types: pinned lines only. Pure; nothing in it reaches beyond the package index."""

import re

from common.errors import Refused

LIMIT = 200_000
PACKAGES = 500
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[A-Za-z0-9._, -]+\])?\s*==\s*(?P<version>[A-Za-z0-9][A-Za-z0-9._+!-]*)"
    r"(?P<rest>.*)"
)
_MARKER = re.compile(r"\s*;[^#\\]*")
_HASH = re.compile(r"\s+--hash=sha256:[0-9a-f]{64}")


def check_name(name: str) -> str:
    """A name that is fit to be a folder's."""
    if not NAME.fullmatch(name):
        raise Refused(
            "A name has small letters, digits and '-', begins with a letter or digit, and is at most 40 long."
        )
    return name


def check(text: str) -> dict[str, str]:
    """The packages of a list by name. Refused, naming the line, for anything but exact versions."""
    if len(text) > LIMIT:
        raise Refused(f"The list is longer than {LIMIT:,} characters.")
    found: dict[str, str] = {}
    hashed = set()
    for number, line in _lines(text):
        name, version, has_hash = _pinned(number, line)
        if name in found:
            raise Refused(f"Line {number}: {name} is named twice.")
        found[name] = version
        hashed.add(has_hash)
    if not found:
        raise Refused("The list names no package.")
    if len(found) > PACKAGES:
        raise Refused(f"The list names more than {PACKAGES} packages.")
    if len(hashed) > 1:
        raise Refused("Some packages have hashes and others have none: give them for all, or for none.")
    return found


def has_hashes(text: str) -> bool:
    """Whether the list says what each file must hash to."""
    return "--hash=" in text


def _lines(text: str) -> list[tuple[int, str]]:
    """Logical lines with their first line's number: joined at a backslash, without comments and empty ones."""
    found: list[tuple[int, str]] = []
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        begun = begun if parts else number
        parts.append(bare.removesuffix("\\"))
        if not bare.endswith("\\"):
            found.append((begun, " ".join(parts).strip()))
            parts = []
    if parts:
        found.append((begun, " ".join(parts).strip()))
    return [(number, line) for number, line in found if line]


def _pinned(number: int, line: str) -> tuple[str, str, bool]:
    match = _PIN.fullmatch(line)
    if match is None:
        raise Refused(
            f"Line {number}: write a package as name==version. Options, addresses and ranges are not taken."
        )
    hashes = _HASH.findall(match["rest"])
    rest = _HASH.sub("", match["rest"])
    if rest.strip() and not _MARKER.fullmatch(rest):
        raise Refused(f"Line {number}: after the version only a marker and --hash=sha256:… are taken.")
    return re.sub(r"[-_.]+", "-", match["name"]).lower(), match["version"], bool(hashes)
