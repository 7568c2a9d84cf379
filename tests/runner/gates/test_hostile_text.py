"""Hostile names and text, as they are shown to a person."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.gates import contents
from runner.gates.refusal import Refusal
from runner.plain_text import hidden, look_alikes, page
from runner.text import neutral, one_line, shown_name

anything = st.text(st.characters() | st.sampled_from("\x1b[]m;\x07\u202e\r\n"), max_size=200)


@given(anything)
def test_neutral_text_stays_neutral(text):
    once = neutral(text)
    assert not hidden(once)
    assert neutral(once) == once


@given(anything)
def test_a_shown_name_is_short_and_printable(name):
    assert shown_name(name).isprintable()
    assert len(shown_name(name)) <= 100


@given(anything, st.integers(1, 50))
def test_one_line_is_one_line(text, limit):
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    assert not hidden(line)


@given(anything | st.from_regex(r"[A-Za-z0-9._-]{1,70}", fullmatch=True))
def test_a_name_has_a_known_type_or_is_refused(name):
    with contextlib.suppress(Refusal):
        assert contents.type_by_name(name) in contents.TYPES
        assert name.isascii()
        assert len(name) <= 64
        assert set(name).isdisjoint("/\\ \n\x00'\"<>|&;$`")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[2J\x1b[H", ""),
        ("a\rb\r\nc", "a\nb\nc"),
        ("bell\x07", "bell\ufffd"),
        ("\x9b31m", "\ufffd31m"),
        ("user\u202egnp.exe", "user\ufffdgnp.exe"),
        ("soft\u00adhyphen", "soft\ufffdhyphen"),
        ("family 👨\u200d👩", "family 👨\ufffd👩"),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_what_is_made_neutral(text, plain):
    assert neutral(text) == plain


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("well\u2010known", "\u2010 (U+2010)"),
        ("well\u2011known", "\u2011 (U+2011)"),
        ("1\u20245", "\u2024 (U+2024)"),
        ("mean\u2236 3", "\u2236 (U+2236)"),
        ("a\u2215b", "\u2215 (U+2215)"),
        ("it\u02bcs", "\u02bc (U+02BC)"),
        ("i\u0307s", "i\u0307"),
        ("de\ufb01ned", "de\ufb01ned"),
        ("\ua4ee", "\ua4ee"),
        ("me\U0001d5ban", "me\U0001d5ban"),
    ],
)
def test_what_looks_like_something_else_comes_out_and_is_named(text, named):
    assert page(text) == f"{text}\n"
    assert named in look_alikes(page(text))


def test_what_people_write_is_not_named():
    assert (
        look_alikes("na\u00efve \u2013 \u201cR\u00b2\u201d \u2212 it\u2019s 3 \u00b5g \u00b7 1\u00ba") == []
    )
