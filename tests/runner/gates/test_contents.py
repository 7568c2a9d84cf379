"""A file's type follows from its content and must agree with its name."""

import bz2
import io
import pickle
import zipfile

import numpy as np
import pytest

from runner.gates import contents


def archive() -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        file.writestr("a", "b")
    return whole.getvalue()


def objects() -> bytes:
    whole = io.BytesIO()
    np.save(whole, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return whole.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.txt", pickle.dumps([1]), "a pickle"),
        ("a.csv", archive(), "a zip archive (like .xlsx, .docx and .npz)"),
        ("a.json", objects(), "a NumPy file"),
        ("a.txt", b"\x7fELF\x02\x01", "a program"),
        ("a.txt", b"%PDF-1.7", "a PDF document"),
        ("a.png", b"\xff\xd8\xff\xe0JFIF", "a JPEG picture"),
        ("a.png", b"GIF89a", "a GIF picture"),
        ("a.parquet", b"ARROW1\x00\x00", "an Arrow file"),
        ("a.txt", bz2.compress(b"x"), "a bzip2 archive"),
        ("a.md", b"<!DOCTYPE html><script>alert(1)</script>", "HTML, SVG or XML"),
        ("a.txt", b"\xef\xbb\xbf \n<svg onload=alert(1)>", "HTML, SVG or XML"),
        ("a.txt", b"<?xml version='1.0'?>", "HTML, SVG or XML"),
        ("a.csv", b"PAR1\x00", "a Parquet table"),
        ("a.json", b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        ("a.txt", b"text\x00more", "binary data"),
        ("a.png", b"not a picture", "text"),
        ("a.parquet", b"not a table", "text"),
    ],
)
def test_a_name_that_lies_is_refused(out, name, content, what):
    out.write(name, content)
    out.collect()
    assert out.reason(name) == f"Its name says {name.rpartition('.')[2]}, but its content is {what}."
    assert list(out.accepted) == ["fine.json"]


def test_text_that_speaks_of_markup_is_text():
    assert contents.content_type(b"The tag <html> begins a page.") == "text"
    assert contents.content_type(b"<bodyguard>") == "text"


@pytest.mark.parametrize("header", ["BZhang,n", "PAR1,PAR2", "GIF8,n", "PK,n", "RIFF,n"])
def test_text_that_begins_like_another_format_is_text(out, header):
    out.write("a.csv", f"{header}\n1,2\n")
    assert "a.csv" in out.collect().accepted


def test_text_comes_out_without_terminal_sequences_and_hidden_characters(out):
    out.write("log.txt", "a\x1b[31mred\x1b[0m b\x07 c\x1b]0;title\x07 d\u202ee\r\nf\tg\x9b1mh\n")
    out.write("notes.md", "\ufeff# Title\n\nÄ – 漢字\n")
    out.collect()
    assert (
        out.text("log.txt")
        == "ared b\u27e8U+0007\u27e9 c d\u27e8U+202E\u27e9e\nf       g\u27e8U+009B\u27e91mh\n"
    )
    assert out.text("notes.md") == "# Title\n\nÄ – 漢字\n"


def test_text_in_another_encoding_is_refused_with_its_line(out):
    out.write("latin.txt", "fine\nAmélie\n".encode("latin-1"))
    out.write("wide.md", "text".encode("utf-16"))
    out.collect()
    assert out.reason("latin.txt") == "The text is not valid UTF-8 (line 2)."
    assert out.reason("wide.md") == "Its name says md, but its content is binary data."
    assert list(out.accepted) == ["fine.json"]
