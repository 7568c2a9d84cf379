"""Every hostile submission, as root and as an ordinary user, with and without control groups; and the control."""

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from runner.host.cgroups import parents
from tests.runner.sandbox import people
from tests.runner.sandbox.every import ATTACKS

pytestmark = pytest.mark.sandbox

COUNTED = [name for name in ATTACKS if name.startswith(("resources/", "processes/"))]
"""What control groups have a part in."""
COMMANDED = [*list(ATTACKS)[::8], "resources/burn"]
"""Some of each kind: a process of its own for each takes six times the processor time."""
VARIANTS = ("by command", "watched", "without groups", "nobody", "nobody with groups")
"""As whoever runs the tests, by `python -m runner`; the same, watched; the same without control groups; as a user
without any right, watched; the same within groups that were given to that user."""
NAMES = {"by command": COMMANDED, "nobody with groups": COUNTED}
"""What a variant that does not run every attack runs."""
CONTROLLED = [
    name
    for name, attack in ATTACKS.items()
    if name.split("/")[0] in ("network", "files", "processes", "kernel")
]


@pytest.fixture(scope="module")
def copy() -> Iterator[people.Copy]:
    if people.public_python() is None:
        pytest.skip("No Python of the environment's version can be started by every user of this host.")
    with people.readable_copy() as found:
        yield found


class Results:
    """The results of each variant, run once, when first asked for."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.request = request
        self.of = cache(self._of)

    def _of(self, variant: str) -> dict[str, dict[str, Any]]:
        if variant == "by command":
            lines = people.as_ourselves("--by-command", *COMMANDED)
        elif variant == "watched":
            lines = people.as_ourselves()
        elif variant == "without groups":
            lines = people.as_ourselves(WEIR_CGROUP="none")
        elif variant == "nobody":
            lines = people.as_nobody(self.request.getfixturevalue("copy"))
        else:
            with people.given_groups() as place:
                lines = people.as_nobody(self.request.getfixturevalue("copy"), *COUNTED, within=place)
        return {line["name"]: line for line in lines}


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Results:
    return Results(request)


def possible() -> list[str]:
    """The variants that this user on this host can be in."""
    groups, root = parents() is not None, os.getuid() == 0
    needs = {
        "without groups": groups,
        "nobody": root,
        "nobody with groups": groups and root and parents().version == 1,
    }
    return [variant for variant in VARIANTS if needs.get(variant, True)]


def cases() -> Iterator[Any]:
    for variant in possible():
        for name in NAMES.get(variant, ATTACKS):
            yield pytest.param(variant, name, id=f"{variant}-{name}")


@pytest.mark.parametrize(("variant", "name"), list(cases()))
def test_held(variant: str, name: str, results: Results) -> None:
    result = results.of(variant)[name]
    assert ATTACKS[name].judge(result) is None
    assert result["damage"] == []


@pytest.mark.parametrize("variant", possible())
def test_nothing_is_left(variant: str, results: Results) -> None:
    assert results.of(variant)[""]["left"] == []


@pytest.mark.parametrize("variant", possible())
def test_each_variant_is_what_it_is_called(variant: str, results: Results) -> None:
    layers = results.of(variant)["resources/burn"]["layers"]
    assert any(layer.startswith("cgroup") for layer in layers) is (
        parents() is not None and variant in ("by command", "watched", "nobody with groups")
    )
    assert ("own-user" in layers) is (os.getuid() == 0 and not variant.startswith("nobody"))


@pytest.fixture(scope="module")
def control(copy: people.Copy) -> dict[str, dict[str, Any]]:
    return {
        line["name"]: line
        for line in people.in_stand_in(copy, *(n for n in CONTROLLED if not ATTACKS[n].unseen))
    }


@pytest.mark.parametrize("name", [name for name in CONTROLLED if not ATTACKS[name].unseen])
def test_seen_without_our_layers(name: str, control: dict[str, dict[str, Any]]) -> None:
    """An attack that cannot succeed where nothing stops it proves nothing."""
    assert control[name]["seen"], control[name]["output"]
