"""Rules about the source itself: one writer each, small files, nothing foreign."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = (
    "accounts",
    "audit",
    "common",
    "crypto",
    "datasets",
    "network",
    "studies",
    "portal",
    "privacy",
    "requests_app",
    "runner",
)
LONGEST_FILE = 400
LONGEST_DECISION = 400
REGISTRIES = re.compile(
    r"(pypi|npmjs|pythonhosted|yarnpkg|jsdelivr|unpkg|cdnjs)\.(org|com|net)", re.IGNORECASE
)


def tracked() -> list[Path]:
    """What belongs to the project: every file that git knows or would take."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for name in listed if (path := ROOT / name).is_file()]


def sources() -> list[Path]:
    """The product's own Python, without its migrations and tests."""
    return [
        path for app in APPS for path in sorted((ROOT / app).rglob("*.py")) if "migrations" not in path.parts
    ]


def writers(pattern: str) -> list[str]:
    """The files in which `pattern` occurs."""
    return [
        str(path.relative_to(ROOT))
        for path in sources()
        if re.search(pattern, path.read_text(), re.MULTILINE)
    ]


@pytest.mark.parametrize("suffix", [".py", ".js", ".css", ".html"])
def test_files_stay_small_enough_to_be_read(suffix: str):
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in tracked()
        if path.suffix == suffix and "migrations" not in path.parts
    }
    assert lengths != {}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_the_audit_log_has_one_writer():
    assert writers(r"\bEntry\.objects\.(create|bulk_create|update|get_or_create)") == ["audit/log.py"]
    assert writers(r"(?<!class )\bEntry\(") == []


def test_the_private_store_is_opened_in_one_file():
    allowed = {"datasets/storage.py", "portal/settings.py"}
    assert set(writers(r"settings\.STORE\b|^STORE\b")) - allowed == set()
    assert "datasets/storage.py" in writers(r"settings\.STORE\b")


def test_parsers_of_files_are_used_in_the_sandbox_and_on_mock_data_alone():
    """Where Parquet and CSV are opened outside of what runs in the sandbox, it is what the portal has made itself."""
    opens = writers(r"\bpq\.(read|ParquetFile)|\bduckdb\.connect|read_parquet\(|read_csv\(|\bread_table\(")
    inside = (
        "datasets/reading/",
        "runner/inside/",
        "requests_app/",
    )
    own = {"datasets/declarations/mock.py", "datasets/mock_files.py", "datasets/views/catalogue.py"}
    assert {name for name in opens if not name.startswith(inside)} - own == set()
    assert writers(r"from datasets\.reading import .*\bsubject_order\b|reading\.subject_order import") == [
        "datasets/reading/inside.py"
    ]


def test_the_environment_is_read_by_the_settings_and_the_launcher_alone():
    """And by what runs in a sandbox, whose environment is not the portal's."""
    readers = writers(r"os\.environ\b|os\.getenv\b")
    sandboxed = ("datasets/reading/inside.py", "datasets/reading/__main__.py")
    outside = [name for name in readers if not name.startswith(("portal/", "runner/", *sandboxed))]
    assert outside == []


def test_work_is_queued_after_commit_alone():
    """A task that starts before its row is committed finds nothing: `.delay` is passed on, not called.

    Tasks themselves run outside of transactions and may queue others.
    """
    callers = writers(r"\.delay\(|\.apply_async\(")
    assert [name for name in callers if not name.endswith("/tasks.py")] == []


def test_nothing_names_a_package_registry():
    """Where packages come from is the reader's own configuration."""
    named = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path != Path(__file__) and REGISTRIES.search(path.read_text(errors="replace"))
    ]
    assert named == []


def test_every_writer_of_csv_makes_formulas_text():
    """Each of these files sends what it writes through `neutralised`; nobody else writes CSV."""
    found = writers(r"csv\.writer\(|csv\.DictWriter\(|write_csv\(|\.to_csv\(|CSVWriter\(|\bCOPY\b.*\bcsv\b")
    found.remove("portal/demo/data.py")  # files that the demo's owners upload
    for name in (
        "dialects",
        "records",
    ):  # a step of reading an upload, inside the sandbox: nobody gets these files
        found.remove(f"datasets/reading/{name}.py")
    assert found == ["common/spreadsheets.py", "datasets/declarations/mock.py", "runner/gates/strict_csv.py"]
    assert set(found) <= set(writers(r"\bneutralised\("))


def test_deceptive_characters_are_listed_in_one_file():
    """Code, logs and outputs share the list: what one of them shows, none of the others hides."""
    listed = writers(r"\\u200b|\\u200e|\\u202[a-e]|0x200B|\\ufe0f")
    assert listed == []
    users = {
        name
        for name in writers(r"plain_text import|import plain_text")
        if not name.startswith("datasets/mock")
    }
    assert {
        "requests_app/code/highlight.py",
        "requests_app/code/findings.py",
        "requests_app/services/releases.py",
    } <= users
    assert {
        "runner/text.py",
        "runner/gates/collect.py",
        "runner/gates/strict_csv.py",
        "runner/gates/strict_json.py",
    } <= users


def test_no_page_has_inline_script_or_style():
    """The content security policy would refuse it; better here than in somebody's browser."""
    inline = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|<style\b|\sstyle=|\son[a-z]+=|hx-on", re.IGNORECASE)
    found = {
        str(path.relative_to(ROOT)): match.group()
        for path in (ROOT / "templates").rglob("*.html")
        if (match := inline.search(re.sub(r"{%.*?%}|{#.*?#}", "", path.read_text())))
    }
    assert found == {}


def test_decisions_are_short():
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert decisions != []
    lengths = {path.name: len(path.read_text().split()) for path in decisions}
    assert {name: words for name, words in lengths.items() if words > LONGEST_DECISION} == {}


def test_sums_without_promise_are_made_of_mock_rows_alone():
    """What tries questions on the mock adds noise that protects nobody."""
    assert writers(r"\bexact_sums\(") == ["privacy/engine/release.py", "privacy/engine/trials.py"]
    assert writers(r"(?<!def )\btrial\(") == ["privacy/services/trials.py"]
    assert "storage" not in (ROOT / "privacy" / "services" / "trials.py").read_text()


def test_private_names_stay_in_their_module():
    """What another module needs has a public name."""
    imported = {
        f"{path.relative_to(ROOT)}: {name.name}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in APPS
        for name in node.names
        if name.name.startswith("_")
    }
    assert imported == set()
