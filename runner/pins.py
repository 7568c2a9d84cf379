"""Parse lists of exactly pinned packages, from which code environments are built. Pure.

A list can only name packages of the index: it may hold no options, URLs, paths or version ranges.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[(?P<extras>[A-Za-z0-9._, -]*)\])?"
    r"\s*==\s*(?P<version>[A-Za-z0-9][A-Za-z0-9._+!-]*)(?P<rest>.*)"
)
_MARKER = re.compile(r"\s*;(?!.*\s-)[^#\\$]*")
_HASH = re.compile(r"\s+--hash=sha256:([0-9a-f]{64})")


class BadList(ValueError):
    """The text is not a list of exact versions. The message names the line and says what is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package of a list."""

    name: str
    """Normalised as indexes do: lower case, words joined by "-"."""
    version: str
    extras: tuple[str, ...]
    hashes: frozenset[str]
    line: str
    """The whole requirement on one line, without comments."""


def read(text: str) -> list[Pin]:
    """Return the packages of a list. Raises BadList, naming the line, for anything but exact versions."""
    found: dict[str, Pin] = {}
    for number, line in _lines(text):
        pin = _pinned(number, line)
        if pin.name in found:
            raise BadList(f"Line {number}: {pin.name} is listed twice.")
        found[pin.name] = pin
    if len({bool(pin.hashes) for pin in found.values()}) > 1:
        raise BadList("Some packages have hashes and others do not. Give hashes for all of them or for none.")
    return list(found.values())


def package_of(wheel: str) -> str:
    """Return the normalised name of the package in a wheel's file name."""
    return _canonical(wheel.split("-", maxsplit=1)[0])


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number of the first line, text) of each logical line: joined at backslashes, no comments, not empty."""
    begun, parts = 0, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        bare = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        begun = begun if parts else number
        parts.append(bare.removesuffix("\\"))
        if not bare.endswith("\\"):
            whole, parts = " ".join(parts).strip(), []
            if whole:
                yield begun, whole


def _pinned(number: int, line: str) -> Pin:
    match = _PIN.fullmatch(line)
    if match is None:
        raise BadList(
            f"Line {number}: write each package as name==version. Options, URLs and version ranges are not accepted."
        )
    rest = _HASH.sub("", match["rest"])
    if rest.strip() and not _MARKER.fullmatch(rest):
        raise BadList(f"Line {number}: only a marker and --hash=sha256:… may follow the version.")
    extras = (extra.strip() for extra in (match["extras"] or "").split(","))
    return Pin(
        name=_canonical(match["name"]),
        version=match["version"],
        extras=tuple(extra for extra in extras if extra),
        hashes=frozenset(_HASH.findall(match["rest"])),
        line=line,
    )
