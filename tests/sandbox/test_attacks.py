"""Every hostile submission, as root and as an ordinary user, with and without control groups; and the control."""

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from runner.cgroups import parents
from tests.sandbox import people
from tests.sandbox.every import ATTACKS

pytestmark = pytest.mark.sandbox

WATCHED_GROUPS = ("resources/", "processes/")
VARIANTS = ("ourselves", "ourselves without groups", "nobody")
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
        if variant == "ourselves":
            lines = people.as_ourselves()
        elif variant == "nobody":
            lines = people.as_nobody(self.request.getfixturevalue("copy"))
        else:
            names = [name for name in ATTACKS if name.startswith(WATCHED_GROUPS)]
            lines = people.as_ourselves(*names, WEIR_CGROUP="none")
        return {line["name"]: line for line in lines}


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Results:
    return Results(request)


def cases() -> Iterator[Any]:
    for variant in VARIANTS:
        if variant == "nobody" and os.getuid() != 0:
            continue
        if variant == "ourselves without groups" and parents() is None:
            continue
        for name in ATTACKS:
            if variant != "ourselves without groups" or name.startswith(WATCHED_GROUPS):
                yield pytest.param(variant, name, id=f"{variant}-{name}")


@pytest.mark.parametrize(("variant", "name"), list(cases()))
def test_held(variant: str, name: str, results: Results) -> None:
    result = results.of(variant)[name]
    assert ATTACKS[name].judge(result) is None
    assert result["damage"] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_is_left(variant: str, results: Results) -> None:
    if variant == "nobody" and os.getuid() != 0:
        pytest.skip("Only root can become somebody else.")
    assert results.of(variant)[""]["left"] == []


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
