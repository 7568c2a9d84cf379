"""The glossary names what there is in code, and gives each word once."""

import re

from tests.guards.test_source import ROOT, sources

ROW = re.compile(r"^\| (?P<words>[^|]+) \| (?P<meaning>[^|]+) \| (?P<code>[^|]*) \|$")


def rows() -> list[re.Match[str]]:
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    return [row for line in lines if (row := ROW.match(line)) and row["words"] not in {"word", "---"}]


def test_every_name_in_code_exists():
    source = "\n".join(path.read_text() for path in sources())
    modules = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in sources()}
    missing = [
        name
        for row in rows()
        for name in re.findall(r"`([^`]+)`", row["code"])
        if not any(module == name or module.endswith(f".{name}") for module in modules)
        and not (ROOT / name.replace(".", "/")).exists()
        and not re.search(rf"\b{re.escape(name.rpartition('.')[2])}\b", source)
    ]
    assert len(rows()) > 60
    assert missing == []


def test_every_word_is_explained_once():
    words = [word.strip() for row in rows() for word in row["words"].split(",")]
    assert sorted({word for word in words if words.count(word) > 1}) == []
