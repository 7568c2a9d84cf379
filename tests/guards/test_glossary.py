"""The glossary names what there is in code, and gives each word once."""

import re

from tests.guards.names import exists
from tests.guards.test_source import ROOT, sources

ROW = re.compile(r"^\| (?P<words>[^|]+) \| (?P<meaning>[^|]+) \| (?P<code>[^|]*) \|$")


def rows() -> list[re.Match[str]]:
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    return [row for line in lines if (row := ROW.match(line)) and row["words"] not in {"word", "---"}]


def test_every_name_in_code_exists():
    """A plain name is a module or stands somewhere in the source; a dotted one is there where it says."""
    source = "\n".join(path.read_text() for path in sources())
    names = [name for row in rows() for name in re.findall(r"`([^`]+)`", row["code"])]
    missing = [
        name
        for name in names
        if not exists(name) and ("." in name or not re.search(rf"\b{re.escape(name)}\b", source))
    ]
    assert len(rows()) > 60
    assert missing == []


def test_every_word_is_explained_once():
    words = [word.strip() for row in rows() for word in row["words"].split(",")]
    assert sorted({word for word in words if words.count(word) > 1}) == []
