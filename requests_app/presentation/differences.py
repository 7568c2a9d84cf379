"""What else than the code differs between two versions: parameters, environment, data, and what is said about them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from requests_app.models import Version

TEXTS = {"purpose": "purpose", "context": "context", "outputs": "expected outputs"}
NOTHING = "none"
HASH_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs: what, and how it was and is."""

    field: str
    name: str
    before: str
    after: str


def between(old: Version, new: Version) -> list[Difference]:
    """Return what differs, but for the code: first what an approval is for, then what was written for reviewers."""
    return [*_parameters(old, new), *_bound(old, new), *_texts(old, new)]


def _parameters(old: Version, new: Version) -> Iterator[Difference]:
    for name in sorted({*old.parameters, *new.parameters}):
        before, after = (_shown(version.parameters, name) for version in (old, new))
        if before != after:
            yield Difference("parameters", f"parameter {name}", before, after)


def _shown(parameters: dict[str, object], name: str) -> str:
    return json.dumps(parameters[name], ensure_ascii=False, sort_keys=True) if name in parameters else NOTHING


def _bound(old: Version, new: Version) -> Iterator[Difference]:
    if old.revision_id != new.revision_id:
        yield Difference("revision", "data revision", str(old.revision.number), str(new.revision.number))
    if (old.environment, old.environment_sha256) != (new.environment, new.environment_sha256):
        before, after = (f"{each.environment} {each.environment_sha256[:HASH_SHOWN]}" for each in (old, new))
        yield Difference("environment", "environment", before, after)


def _texts(old: Version, new: Version) -> Iterator[Difference]:
    for field, name in TEXTS.items():
        before, after = (str(getattr(version, field)) for version in (old, new))
        if before != after:
            yield Difference(field, name, before or NOTHING, after or NOTHING)
