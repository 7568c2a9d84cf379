"""Files of codebooks, read by the client as the portal reads an upload: it sends a text."""

from pathlib import Path

import pytest

from common.errors import Refused
from datasets.codebooks.reader import text_of as portal_text
from weir import NotOffered
from weir.codebooks import text_of

TABLE = "name,label\nage,Größe\n"
FILES = {
    "UTF-8": TABLE.encode(),
    "UTF-8 with a mark": TABLE.encode("utf-8-sig"),
    "UTF-16": TABLE.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + TABLE.encode("utf-16-be"),
    "Windows-1252": TABLE.encode("cp1252"),
    "named by XML": '<?xml version="1.0" encoding="windows-1251"?><a>Возраст</a>'.encode("cp1251"),
    "named by XML, and unknown": '<?xml version="1.0" encoding="iso-8859-99"?><a>Größe</a>'.encode("cp1252"),
}
REFUSED = {
    "workbook": b"PK\x03\x04...",
    "old workbook": b"\xd0\xcf\x11\xe0...",
    "PDF": b"%PDF-1.7",
    "no text": b"a\0b",
    "half of UTF-16": b"\xff\xfea",
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_has_the_text_that_the_portal_reads(tmp_path: Path, case: str):
    file = tmp_path / "book"
    file.write_bytes(FILES[case])
    assert text_of(file) == text_of(str(file)) == portal_text(FILES[case])
    assert "\0" not in text_of(file)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_text_is_refused_before_it_is_sent(tmp_path: Path, case: str):
    file = tmp_path / "book"
    file.write_bytes(REFUSED[case])
    with pytest.raises(Refused):
        portal_text(REFUSED[case])
    with pytest.raises(NotOffered, match=r"book (is|begins)"):
        text_of(file)


def test_a_text_of_several_lines_is_itself():
    assert text_of(TABLE) == TABLE
