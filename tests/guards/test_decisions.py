"""Decisions have one form, and their index is complete."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "decisions"
INDEX = FOLDER / "README.md"
FORM = re.compile(
    r"# (?P<number>\d+)\. (?P<title>[^\n]+)\n\n"
    r"Status: (accepted|superseded by \[decision \d+\]\(\d{4}-[a-z0-9-]+\.md\))\n"
    r"Date: \d{4}-\d\d-\d\d\n\n"
    r"## Context\n\n[^#].*?\n\n"
    r"## Decision\n\n[^#].*?\n\n"
    r"## Consequences\n\n[^#].*\n",
    re.DOTALL,
)


def decisions() -> list[Path]:
    return sorted(path for path in FOLDER.iterdir() if path != INDEX)


def test_each_decision_has_the_form_and_its_own_number():
    listed = decisions()
    assert listed != []
    forms = {path.name: FORM.fullmatch(path.read_text()) for path in listed}
    assert [name for name, form in forms.items() if form is None] == []
    numbers = {name: int(form["number"]) for name, form in forms.items() if form}
    assert [name for name, number in numbers.items() if not name.startswith(f"{number:04}-")] == []
    assert [name for name in forms if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)] == []
    sections = {path.name: re.findall(r"^## .*$", path.read_text(), re.MULTILINE) for path in listed}
    assert {tuple(found) for found in sections.values()} == {("## Context", "## Decision", "## Consequences")}


def test_the_index_lists_every_number_from_one_on_with_its_title():
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", INDEX.read_text(), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    forms = {path.name: FORM.fullmatch(path.read_text()) for path in decisions()}
    titles = {name: form["title"] for name, form in forms.items() if form}
    assert len(titles) == len(forms)
    listed = [(int(number), said) for number, said in rows if said != "*not used*"]
    assert listed == [(int(name[:4]), f"[{title}]({name})") for name, title in titles.items()]


def test_links_between_documents_lead_somewhere():
    """In decisions and guides, and in what lies in the root."""
    root = FOLDER.parent.parent
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    assert len(pages) > len(decisions())
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", page.read_text())
        if "://" not in link
    ]
    assert len(links) > len(decisions())
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []
