"""CSV: every row as long as the header, and no cell that a spreadsheet would evaluate."""

import contextlib
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.gates import strict_csv
from runner.gates.refusal import Refusal
from runner.plain_text import cell as as_seen
from runner.plain_text import hidden, is_formula, neutralised, was_formula


def refusal(text: str | bytes) -> str:
    with pytest.raises(Refusal) as refused:
        strict_csv.canonical(text.encode() if isinstance(text, str) else text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n1,2,3\n", "Line 3 has 3 cells, but the header has 2."),
        ("a,b\n1\n", "Line 2 has 1 cell, but the header has 2."),
        ("a,b\n1,2\n\n1,2\n", "Line 3 has 0 cells, but the header has 2."),
        ('a,b\n"x\ny",2\n1\n', "Line 4 has 1 cell, but the header has 2."),
        ('a\n"b', "Line 2 of the CSV cannot be read: unexpected end of data."),
        ('a\n"b"c\n', "Line 2 of the CSV cannot be read: ',' expected after '\"'."),
        ("   \n\n", "The CSV is empty."),
        ("\na,b\n", "The CSV has no header line."),
        ("a\n" + "x" * 32_768, "A cell on line 2 has more than 32,767 characters."),
        ("a\n" + "x" * 200_000, "Line 2 of the CSV cannot be read: field larger than field limit (131072)."),
        ("a" + ",a" * 1000, "The table has 1,001 columns; the limit is 1,000."),
        ("a\tb\n1\t2\n", "The columns are separated by tabs. Separate them by commas."),
        (b"a\nfine\nAm\xe9lie\n", "The CSV is not valid UTF-8 (line 3)."),
    ],
)
def test_what_is_refused(text, reason):
    assert refusal(text) == reason


def test_rows_are_limited():
    assert strict_csv.canonical(b"a\n" + b"1\n" * 1_000_000).count(b"\n") == 1_000_001
    assert refusal(b"a\n" + b"1\n" * 1_000_001) == "The table has more than 1,000,000 rows."


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        " =1",
        "\t=1",
        "\uff1d1+1",
        '=HYPERLINK("x")',
        "--1",
        "-x",
    ],
)
def test_formulas_are_made_text(cell):
    assert neutralised(cell) == "'" + cell
    assert was_formula("'" + cell)


@pytest.mark.parametrize(
    "cell", ["-1", "+1.5e-3", "-.5", "-inf", "-12%", "1-2", "a=b", "x@y", "", "-", "mean (sd)"]
)
def test_numbers_and_text_stay_as_they_are(cell):
    assert neutralised(cell) == cell


def test_a_header_can_be_a_formula_too():
    assert strict_csv.canonical(b"=a,b\n1,=2\n") == b"'=a,b\n1,'=2\n"


def test_the_spelling_is_made_plain():
    assert strict_csv.canonical(b'\xef\xbb\xbf"a","b"\r\n1,"x ""y"""\r\n\r\n') == b'a,b\n1,"x ""y"""\n'


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    st.integers(1, 5).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1)
    )
)
def test_every_plain_table_survives_but_for_formulas(rows):
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["h"] * len(rows[0]), *rows])
    again = strict_csv.canonical(out.getvalue().encode())
    read = list(csv.reader(io.StringIO(again.decode(), newline="")))
    assert read == [["h"] * len(rows[0]), *([neutralised(as_seen(cell)) for cell in row] for row in rows)]
    assert strict_csv.canonical(again) == again
    assert not any(is_formula(cell) for row in read for cell in row)


@given(st.binary(max_size=200) | st.text(alphabet="a1,\"\n\r\t=-+@ '", max_size=60).map(str.encode))
def test_anything_else_is_refused_and_nothing_raises(data):
    with contextlib.suppress(Refusal):
        again = strict_csv.canonical(data)
        rows = list(csv.reader(io.StringIO(again.decode(), newline="")))
        assert {len(row) for row in rows} == {len(rows[0])}
        assert not any(is_formula(cell) for row in rows for cell in row)
        assert not hidden(again.decode())


def test_cells_made_to_keep_the_reader_busy():
    cells = ["-" + "1" * 32_000 + "x", " " * 32_000 + "x", "+" + "1." * 16_000, "-" + "." * 32_000]
    data = ("a\n" + "\n".join(cells * 100) + "\n").encode()
    assert strict_csv.canonical(data).count(b"\n") == 401
