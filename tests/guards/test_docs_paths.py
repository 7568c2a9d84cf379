"""Every path, link and dotted name in a page of the docs leads to something that exists."""

import re
from pathlib import Path

import pytest

from tests.guards.names import exists
from tests.guards.test_source import ROOT, tracked

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
SUFFIXES = "py|js|html|toml|md|cff|json|yaml|acl|conf"
PATH = re.compile(rf"[\w.-]+(/[\w.-]*)+|[\w.-]+\.({SUFFIXES})")
DOTTED = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(\(.*\))?")
FOLDERS = {
    "CONTRIBUTING.md": ("requests_app",),
    "docs/architecture.md": ("accounts", "datasets", "privacy", "requests_app"),
    "docs/components.md": ("static/src/js", "templates"),
    "docs/deployment.md": ("deploy/kubernetes", "deploy/valkey"),
    "docs/privacy.md": ("privacy",),
}
"""The folders from which a page may give its paths, besides the root of the repository."""
EXCEPTIONS = {
    "made at run time": {"var/", "var/mail", "var/peers", "store/", "store/ledgers", "weir-manifest.json"},
    "made by tests and benchmarks": {"test-results/", "benchmarks/results/"},
    "made by whoever deploys Weir": {"deploy/secrets/secret_key", "rabbitmq.conf"},
    "stands for any name": {"environments/NAME.txt", ".environments/NAME"},
    "a label in Kubernetes": {"weir.example/runs"},
    "a time zone": {"Europe/Berlin"},
    "in a library": {"os.statvfs", "http.client", "numpy.random", "EditorView.cspNonce"},
    "of an object of the client": {"answer.receipt()", "release.receipt()"},
    "in a style sheet": {"div.stack", "table.table", "dl.facts", "ol.stages", "nav.tabs", "form.filters"},
}
EXCEPTED = set().union(*EXCEPTIONS.values())


def pages() -> list[str]:
    names = [path.relative_to(ROOT).as_posix() for path in tracked() if path.suffix == ".md"]
    return [name for name in names if name.startswith("docs/") or "/" not in name]


def spans(page: str) -> list[list[str]]:
    """Return what is between backticks, by line; blocks of code are left out."""
    return [SPAN.findall(line) for line in FENCE.sub("", (ROOT / page).read_text()).splitlines()]


def missing_paths(page: str) -> list[str]:
    """Return the paths that do not exist. A bare file name may also be beside the path before it on the line."""
    bases = [ROOT, *(ROOT / folder for folder in FOLDERS.get(page, ()))]
    missing = []
    for line in spans(page):
        beside: list[Path] = []
        for span in line:
            if not PATH.fullmatch(span) or span in EXCEPTED:
                continue
            found = [
                base / span
                for base in [*bases, *(beside if "/" not in span else [])]
                if (base / span).exists()
            ]
            if found:
                beside = [found[0].parent]
            else:
                missing.append(span)
    return missing


@pytest.mark.parametrize("doc", pages())
def test_every_path_exists(doc: str):
    assert missing_paths(doc) == []


@pytest.mark.parametrize("doc", pages())
def test_every_link_leads_to_a_file(doc: str):
    page = ROOT / doc
    links = LINK.findall(FENCE.sub("", page.read_text()))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("doc", pages())
def test_every_dotted_name_exists(doc: str):
    names = [
        match[1]
        for line in spans(doc)
        for span in line
        if (match := DOTTED.fullmatch(span)) and not PATH.fullmatch(span) and span not in EXCEPTED
    ]
    assert [name for name in names if not exists(name)] == []


def test_every_exception_is_needed():
    mentioned = {span for page in pages() for line in spans(page) for span in line}
    assert EXCEPTED - mentioned == set()


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("services.releases.decide", True),
        ("services.decide", False),
        ("requests_app.services.review", True),
        ("Run.lease", True),
        ("Run.Kind.MOCK", True),
        ("Run.leash", False),
        ("workflow.Side.REVIEWER", True),
        ("engine.plan.cells", True),
        ("engine.cells", False),
    ],
)
def test_a_name_is_looked_up_where_it_is_said_to_be(name: str, there: bool):
    assert exists(name) == there


def test_a_path_that_is_not_there_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "one.py").touch()
    (tmp_path / "kept" / "two.py").touch()
    (tmp_path / "page.md").write_text("`kept/one.py`, `two.py`, `gone/one.py`\n`two.py`\n")
    monkeypatch.setattr("tests.guards.test_docs_paths.ROOT", tmp_path)
    assert missing_paths("page.md") == ["gone/one.py", "two.py"]
