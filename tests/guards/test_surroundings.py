"""What surrounds the code agrees with itself: one version, one licence, and a reason for every requirement."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent.parent


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def citation() -> dict[str, str]:
    """The fields of CITATION.cff that hold one plain value."""
    text = (ROOT / "CITATION.cff").read_text()
    return dict(re.findall(r"^([a-z-]+): ([^\n>]+)$", text, re.MULTILINE))


def headings(changelog: str) -> list[str]:
    return re.findall(r"^## (.+)$", changelog, re.MULTILINE)


def test_the_portal_says_the_version_of_the_project():
    assert project()["version"] == settings.VERSION


def test_the_newest_entry_of_the_changelog_and_the_citation_are_of_this_version():
    unreleased, newest, *_older = headings((ROOT / "CHANGELOG.md").read_text())
    cited = citation()
    assert unreleased == "Unreleased"
    assert newest == f"{project()['version']} - {cited['date-released']}"
    assert cited["version"] == project()["version"]


def test_every_version_is_in_the_changelog_once_and_the_newest_first():
    released = [heading.split(" - ") for heading in headings((ROOT / "CHANGELOG.md").read_text())[1:]]
    assert released != []
    numbers = [tuple(int(part) for part in version.split(".")) for version, _day in released]
    assert numbers == sorted(set(numbers), reverse=True)
    days = [day for _version, day in released]
    assert days == sorted(days, reverse=True)
    assert [day for day in days if not re.fullmatch(r"\d{4}-\d\d-\d\d", day)] == []


def test_no_other_file_states_a_version():
    assert "version" not in json.loads((ROOT / "package.json").read_text())
    lock = json.loads((ROOT / "package-lock.json").read_text())
    assert "version" not in lock
    assert "version" not in lock["packages"][""]
    stated = re.compile(r"^VERSION\b.*[\"']\d+\.\d+\.\d+[\"']", re.MULTILINE)
    assert [path.name for path in (ROOT / "portal").rglob("*.py") if stated.search(path.read_text())] == []


def test_the_licence_is_the_one_that_is_declared():
    declared = project()["license"]
    assert (declared, citation()["license"]) == ("Apache-2.0", declared)
    text = " ".join((ROOT / "LICENSE").read_text().split())
    assert text.startswith("Apache License Version 2.0, January 2004")
    assert text.endswith("limitations under the License.")


def test_every_requirement_says_why_it_is_there():
    lists = [*(ROOT / "requirements").glob("*.in"), *(ROOT / "environments").glob("*.in")]
    assert lists != []
    lines = [(path.name, line) for path in lists for line in path.read_text().splitlines()]
    required = [(name, line) for name, line in lines if line and not line.startswith(("#", "-"))]
    assert required != []
    assert [item for item in required if not re.fullmatch(r"\S+  # \S.*", item[1])] == []
