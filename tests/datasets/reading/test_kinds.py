"""What people really have is read: each kind of file once, with the right table, and what the owner is told."""

import bz2
import csv
import datetime as dt
import gzip
import io
import json
import lzma
import shutil
import zipfile
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest

from datasets.ingest import sandboxed
from datasets.reading import files, outcome
from datasets.reading.outcome import TableRead, Unreadable
from tests.datasets.files import write

EMPTY = "A column without a name and without values was left out."
BOTH = "DD/MM/YYYY or MM/DD/YYYY"
R = [{"row": "a", "x": 1, "y": 2}, {"row": "b", "x": 3, "y": 4}]
BERLIN = {"zone": "Europe/Berlin"}
DOT = ["NA", "NaN", "nan", "NULL", "null", "#N/A", "\\N", "."]
MORE = "one field more than the line of column names."
YES, NO = True, False
MOST: dict[str, Any] = {"rows": 10**6, "unpacked_bytes": 10**7}


def read(folder, content: bytes, **asked: Any) -> tuple[TableRead, list[dict[str, Any]]]:
    """Read a file as the child process does, without one: these are many files."""
    room = folder / "room"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir()
    given = {"reading": asked, **MOST}
    reading = files.read(write(folder, content), room / "table", given, room, lambda share: None)
    answer = json.loads(json.dumps(outcome.to_json(reading)))
    assert outcome.from_json(answer, most_rows=10**6) == reading
    return reading, pq.read_table(room / "table").to_pylist()


def at(text: str) -> dt.datetime:
    """Return a time, as Parquet holds it: in UTC, without saying so."""
    return dt.datetime(*map(int, text.split(",")), tzinfo=dt.UTC).replace(tzinfo=None)


def column(*values: object) -> list[dict[str, object]]:
    return [{"id": number, "x": value} for number, value in enumerate(values, 1)]


def two(*cells: str, name: str = "x", delimiter: str = ",") -> bytes:
    rows = (f"{number}{delimiter}{cell}\n" for number, cell in enumerate(cells, 1))
    return f"id{delimiter}{name}\n{''.join(rows)}".encode()


CASES = {
    "a point means missing": (two("2300", ".", "1800"), column(2300, None, 1800)),
    "nan means missing": (two("3", "nan", "4"), column(3, None, 4)),
    "N/A means missing among dates": (two("2020-01-01", "N/A"), column(dt.date(2020, 1, 1), None)),
    "missing as databases write it": (two("3", "\\N", "4"), column(3, None, 4)),
    "text keeps a point": (two(".", "a"), column(".", "a")),
    "the first name is empty": (b",id,x\n0,1,3\n1,2,4\n", [{"row": 0, "id": 1, "x": 3}, {"row": 1, "id": 2, "x": 4}]),
    "blanks after commas": (b"id, x\n1, 34\n2, 51\n", column(34, 51)),
    "blanks before quotes": (b'id, x\n1, "a, b"\n2, "c"\n', column("a, b", "c")),
    "blanks around categories": (two(" m", "f\t", "\u00a0f"), column("m", "f", "f")),
    "Windows": ("id,x\n1,50 €\n2,it’s\n".encode("cp1252"), column("50 €", "it’s")),
    "Latin-1, with bytes that Windows lacks": (b"id,x\n1,\xfc\n2,\x81\n", column("ü", "\x81")),
    "UTF-16 of a spreadsheet": ("id\tx\r\n1\tä\r\n".encode("utf-16"), column("ä")),
    "UTF-16 without a mark": ("id,x\r\n1,ab\r\n2,cd\r\n".encode("utf-16-le"), column("ab", "cd")),
    "mixed line ends": (b"id,x\n1,34\r\n2,51\r\n3,22\n", column(34, 51, 22)),
    "line ends of an old Macintosh": (b"id,x\r1,34\r2,51\r", column(34, 51)),
    "whole numbers with a point": (b"id,x\n1.0,5.0\n2.0,7.000\n", column(5, 7)),
    "numbers, some of them whole": (two("1.0", "2.5"), column(1.0, 2.5)),
    "Z at the end of times": (two("2020-01-05T10:00:00Z"), column(at("2020, 1, 5, 10"))),
    "an offset": (two("2020-07-05 10:00:00+02:00"), column(at("2020, 7, 5, 8"))),
    "day before month": (two("31/12/1980", "01/02/1975"), column(dt.date(1980, 12, 31), dt.date(1975, 2, 1))),
    "month before day": (two("12/31/1980", "1/2/1975"), column(dt.date(1980, 12, 31), dt.date(1975, 1, 2))),
    "points in dates": (two("31.12.1980", "1.2.1975"), column(dt.date(1980, 12, 31), dt.date(1975, 2, 1))),
    "names of months": (two("31dec2021", "01feb2020"), column(dt.date(2021, 12, 31), dt.date(2020, 2, 1))),
    "times of the day with letters": (two("12/31/2021 10:30 PM"), column(at("2021, 12, 31, 22, 30"))),
    "which of both cannot be known": (two("01/02/1980", "02/03/1975"), column("01/02/1980", "02/03/1975")),
    "minus zero": (two("-3", "-0", "4"), column(-3, 0, 4)),
    "no line of names": (b"17,Smith,34\n18,Jones,51\n", [
        {"column_1": 17, "column_2": "Smith", "column_3": 34}, {"column_1": 18, "column_2": "Jones", "column_3": 51},
    ]),
    "numbers alone": (b"1,2\n4,5\n", [{"column_1": 1, "column_2": 2}, {"column_1": 4, "column_2": 5}]),
    "years as names": (b"id,2019\n1,7\n2,8\n", [{"id": 1, "2019": 7}, {"id": 2, "2019": 8}]),
    "numbers that programs give to columns": (b"0,1,2\n7,8,9\n", [{"0": 7, "1": 8, "2": 9}]),
    "a comma at the end": (b"id,x,\n1,34,\n2,51,\n", column(34, 51)),
    "a comma at the end of rows alone": (b"id,x\n1,34,\n2,51,\n", column(34, 51)),
    "names of rows as R writes them": (b"x,y\na,1,2\nb,3,4\n", R),
    "names that differ in case": (b"x,X\n1,2\n", [{"x": 1, "X_2": 2}]),
    "names that cannot be used": (b'a"b,=c\n1,2\n', [{"ab": 1, "c": 2}]),
    "commas between thousands": (two('"1,234"', '"22,100"', '"980"'), column(1234, 22100, 980)),
    "decimals and thousands of the continent": (two("1.234,50", "980,00", delimiter=";"), column(1234.5, 980.0)),
    "decimal commas in quotes": (two('"1,5"', '"22,25"'), column(1.5, 22.25)),
    "blanks between columns": (b"  id   x\n   1  2.5\n  10 20.5\n", [{"id": 1, "x": 2.5}, {"id": 10, "x": 20.5}]),
    "single quotes": (b"id,x\n1,'a, b'\n2,'c'\n", column("a, b", "c")),
    "remarks first": (b"# made by hand\n#\nid,x\n1,3\n", column(3)),
    "a title first": (b"Sales\n\nid,x\n1,3\n2,4\n", column(3, 4)),
    "a line of counts first": (b"2,x\nid,x,y,z\n1,3,0,0\n2,4,0,0\n", [dict(each, y=0, z=0) for each in column(3, 4)]),
    "sep= of Excel": (b"sep=;\nid;x\n1;3\n", column(3)),
    "JSON Lines": (b'{"id": 1, "x": 1.0}\n\n{"id": 2, "x": null}\n', column(1, None)),
    "JSON, with keys that come later": (b'[{"id": 1}, {"id": 2, "x": true}]', column(None, YES)),
    "JSON with a frame around it": (b'{"version": 1, "data": [{"id": 1, "x": "a"}]}', column("a")),
    "gzip": (gzip.compress(two("3")), column(3)),
    "bzip2": (bz2.compress(two("3")), column(3)),
    "xz": (lzma.compress(two("3")), column(3)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_people_have_is_read(tmp_path, name):
    content, right = CASES[name]
    assert read(tmp_path, content)[1] == right


TOLD = {
    "a title first": ["2 lines before the table were left out."],
    "a point means missing": [],
    "the first name is empty": ["Names that were empty, used twice or not usable were changed: column 1 is “row”."],
    "Windows": ["Line 2 is not in UTF-8, so the file was read as Windows-1252."],
    "no line of names": ["The first line holds data, not column names. Columns were numbered: give them names."],
    "a comma at the end": [EMPTY],
    "a comma at the end of rows alone": [f"Every row has {MORE}", EMPTY],
    "which of both cannot be known": [
        f"Column “x” may hold dates as {BOTH}, so it was kept as text. Choose the notation to read it as dates."
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_the_owner_is_told_what_was_guessed(tmp_path, name):
    assert list(read(tmp_path, CASES[name][0])[0].notes) == TOLD[name]


def test_what_was_guessed_is_returned(tmp_path):
    found = read(tmp_path, "id;geld;am\n1;1.234,5;31.12.2021\n2;.;1.2.2022\n".encode("cp1252"))[0].found
    assert found == {
        "kind": "csv", "encoding": "utf-8", "delimiter": ";", "quote": '"', "skip": 0, "header": True,
        "decimal": ",", "thousands": ".", "trim": True, "missing": DOT[:-1], "zone": "UTC", "sheet": "",
        "sheets": [], "labels": False, "number_people": False,
        "columns": [
            {"source": "id", "name": "id", "type": "int64", "format": "", "missing": [], "leave_out": False},
            {"source": "geld", "name": "geld", "type": "double", "format": "", "missing": DOT, "leave_out": False},
            {"source": "am", "name": "am", "type": "date32", "format": "DD.MM.YYYY", "missing": [], "leave_out": False},
        ],
    }  # fmt: skip


def test_na_in_a_column_of_text_is_told_and_can_be_a_value(tmp_path):
    content = two("NA", "NO", "NA", name="country")
    told, rows = read(tmp_path, content)
    assert [row["country"] for row in rows] == [None, "NO", None]
    assert told.notes[0].startswith("Column “country”: 2 cells with NA, NULL or the like count as empty.")
    told, rows = read(tmp_path, content, columns={"country": {"missing": []}})
    assert ([row["country"] for row in rows], told.notes) == (["NA", "NO", "NA"], ())


CHOICES: dict[str, tuple[bytes, dict[str, Any], list[dict[str, Any]]]] = {
    "encoding": (b"id,x\n1,\xe9\n", {"encoding": "mac-roman"}, column("È")),
    "delimiter": (b"id,x;y\na,b;3\n", {"delimiter": ";"}, [{"id,x": "a,b", "y": 3}]),
    "no quotes": (two('5" pipe'), {"quote": ""}, column('5" pipe')),
    "no header": (b"a\nc\n", {"header": False}, [{"column_1": "a"}, {"column_1": "c"}]),
    "header": (b"1,2\n3,4\n", {"header": True}, [{"1": 3, "2": 4}]),
    "skip": (b"x\nid,x\n1,2\n", {"skip": 1}, column(2)),
    "decimal": (two("1,5", delimiter=";"), {"decimal": "."}, column("1,5")),
    "thousands": (two("1 234,5", delimiter=";"), {"thousands": " ", "decimal": ","}, column(1234.5)),
    "apostrophes": (two("1'234.5"), {"thousands": "'"}, column(1234.5)),
    "no trim": (two(" a", "b"), {"trim": False}, column(" a", "b")),
    "missing": (two("-9", "7"), {"missing": ["-9"]}, column(None, 7)),
    "missing in a column": (two("-9", "7"), {"columns": {"x": {"missing": ["-9"]}}}, column(None, 7)),
    "zone": (two("2020-07-01 12:00"), BERLIN, column(at("2020, 7, 1, 10"))),
    "zone of other notations": (two("31/07/2020 12:00"), BERLIN, column(at("2020, 7, 31, 10"))),
    "zone of times that name theirs": (two("2020-07-01T12:00Z"), BERLIN, column(at("2020, 7, 1, 12"))),
    "notation": (two("01/02/1980"), {"columns": {"x": {"format": "MM/DD/YYYY"}}}, column(dt.date(1980, 1, 2))),
    "dates in digits": (two("19800102"), {"columns": {"x": {"format": "YYYYMMDD"}}}, column(dt.date(1980, 1, 2))),
    "renamed": (two("3", name="y"), {"columns": {"y": {"name": "x"}}}, column(3)),
    "left out": (two("3"), {"columns": {"id": {"leave_out": True}}}, [{"x": 3}]),
    "text": (two("3"), {"columns": {"x": {"type": "string"}}}, column("3")),
    "codes as numbers": (two("007"), {"columns": {"x": {"type": "int64"}}}, column(7)),
    "yes and no": (two("yes", "N"), {"columns": {"x": {"type": "bool"}}}, column(YES, NO)),
    "numbers as decimals": (two("3"), {"columns": {"x": {"type": "double"}}}, column(3.0)),
    "each row is a person": (two("5", "5"), {"number_people": True}, [
        {"person_number": 1, "id": 1, "x": 5}, {"person_number": 2, "id": 2, "x": 5},
    ]),
    "a name that is taken": (b"person_number\n7\n", {"number_people": True}, [
        {"person_number_2": 1, "person_number": 7},
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", CHOICES)
def test_every_guess_can_be_changed(tmp_path, name):
    content, asked, right = CHOICES[name]
    assert read(tmp_path, content, **asked)[1] == right


def test_people_are_numbered_in_the_order_of_the_file(tmp_path):
    content = two(*map(str, range(50_000)))
    _, rows = read(tmp_path, content, number_people=True)
    assert all(row["person_number"] == row["id"] == row["x"] + 1 for row in rows)


DATES = "Line 2, column “x”: text where the others are dates (DD/MM/YYYY)."
FAULTS = [
    (b'id,x\n1,"a\nb"\n2,c\n3,4,5\n', {}, "Line 5 has 3 fields, but the line of column names has 2."),
    (b"id,x\n1,2\n\n3\n", {}, "Line 4 has 1 field, but the line of column names has 2."),
    (b'id,n,x\n1,"a\nb",3\n2,c,4\n\n3,d,5\n4,e,6\n5,f,b\n', {}, "Line 8, column “x”: text where"),
    (two("3", "x"), {"columns": {"y": {"name": "z"}}}, "There is no column named “y”."),
    (b"id,x\n1,2\n", {"columns": {"id": {"name": "x"}}}, "Columns 1 and 2 are both named “x”."),
    (b"id,x\n1,2\n", {"columns": {"id": {"name": "<b>"}}}, "The name of column 1 contains a quote, a bracket"),
    (b"x\n1\n", {"columns": {"x": {"leave_out": True}}}, "Every column is left out."),
    (two("3", "1.5"), {"columns": {"x": {"type": "int64"}}}, "Line 3, column “x”: a number where the others are"),
    (two("31/02/2020"), {"columns": {"x": {"format": "DD/MM/YYYY"}}}, DATES),
    (b"id,x\n1,\xff\n", {"encoding": "shift-jis"}, "Near line 1: this text is not in the chosen encoding."),
]  # fmt: skip


@pytest.mark.parametrize(("content", "asked", "told"), FAULTS, ids=range(len(FAULTS)))
def test_faults_name_the_line_as_an_editor_counts_it(tmp_path, content, asked, told):
    with pytest.raises(Unreadable) as caught:
        read(tmp_path, content, **asked)
    assert str(caught.value).startswith(told)
    assert not caught.value.final


def test_all_columns_that_hold_something_else_are_told_at_once(tmp_path):
    with pytest.raises(Unreadable) as caught:
        read(tmp_path, b"id,x\n1,2\n2,3\na,b\n")
    assert "“id”: text where the others are whole numbers. 1 other column has such cells too." in str(
        caught.value
    )
    assert caught.value.remedy == {"text": ["id", "x"]}


# Other formats


def parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def test_parquet_columns_of_nothing_and_times_of_the_day_are_read(tmp_path):
    content = parquet(id=[1, 2], x=pa.nulls(2), t=[dt.time(10, 30), None])
    assert read(tmp_path, content)[1] == [
        {"id": 1, "x": None, "t": "10:30:00.000000"},
        {"id": 2, "x": None, "t": None},
    ]


def test_parquet_columns_are_renamed_left_out_and_numbered(tmp_path):
    content = parquet(id=[1.0, 2.0], deep=[[1], [2]], x=[5, 6])
    asked = {"deep": {"leave_out": True}, "x": {"name": "y"}, "id": {"type": "int64"}}
    reading, rows = read(tmp_path, content, columns=asked, number_people=True)
    assert rows == [{"person_number": 1, "id": 1, "y": 5}, {"person_number": 2, "id": 2, "y": 6}]
    assert [each["leave_out"] for each in reading.found["columns"]] == [False, True, False]


def test_nan_in_parquet_counts_as_empty_and_is_told(tmp_path):
    reading, rows = read(tmp_path, parquet(id=[1, 2, 3], x=[1.5, float("nan"), None]))
    assert (rows, reading.columns[1].empty) == (column(1.5, None, None), 2)
    assert reading.notes == ("Column “x”: 1 cell is NaN, not a number, and counts as empty.",)


FRAME = pd.DataFrame(
    {
        "id": [1.0, 2.0],
        "born": [dt.date(1980, 12, 31), dt.date(1975, 2, 1)],
        "town": ["Köln", ""],
        "wage": [1.5, None],
        "sex": [1.0, 2.0],
    }
)
RIGHT = [
    {"id": 1, "born": dt.date(1980, 12, 31), "town": "Köln", "wage": 1.5, "sex": 1},
    {"id": 2, "born": dt.date(1975, 2, 1), "town": None, "wage": None, "sex": 2},
]


@pytest.mark.parametrize("kind", ["sav", "dta"])
def test_files_of_statistics_programs_are_read_with_their_labels(tmp_path, kind):
    path = tmp_path / f"study.{kind}"
    writes = pyreadstat.write_sav if kind == "sav" else pyreadstat.write_dta
    said = {"id": "", "born": "", "town": "", "wage": "Hourly wage", "sex": ""}
    values = {"sex": {1: "male", 2: "female"}}
    writes(FRAME, path, column_labels=list(said.values()), variable_value_labels=values)
    reading, rows = read(tmp_path, path.read_bytes())
    assert rows == RIGHT
    assert {each.name: each.label for each in reading.columns} == {
        **said,
        "wage": "Hourly wage",
        "sex": "1 = male; 2 = female",
    }
    assert [row["sex"] for row in read(tmp_path, path.read_bytes(), labels=True)[1]] == ["male", "female"]


SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
BOOK = """<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
 xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{}</sheets></workbook>"""
LINKS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
)
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
LINK = f'<Relationship Id="r{{}}" Type="{OFFICE}/{{}}" Target="{{}}"/>'


def workbook(**sheets: list[list[object]]) -> bytes:
    """Return a small Excel workbook."""

    def cell(value: object) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        numbered = list(enumerate(sheets.items(), 1))
        for number, (_, rows) in numbered:
            lines = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
            archive.writestr(f"xl/worksheets/sheet{number}.xml", SHEET.format(lines))
        named = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, (name, _) in numbered)
        archive.writestr("xl/workbook.xml", BOOK.format(named))
        links = "".join(LINK.format(n, "worksheet", f"worksheets/sheet{n}.xml") for n, _ in numbered)
        archive.writestr("xl/_rels/workbook.xml.rels", LINKS.format(links))
        archive.writestr("_rels/.rels", LINKS.format(LINK.format(1, "officeDocument", "xl/workbook.xml")))
    return packed.getvalue()


def test_a_sheet_of_a_workbook_is_read(tmp_path):
    content = workbook(people=[["id", "x"], [1, 2.5], [2, 4]], towns=[["town"], ["Bonn"]])
    reading, rows = read(tmp_path, content)
    assert (rows, reading.found["sheets"]) == (column(2.5, 4.0), ["people", "towns"])
    assert read(tmp_path, content, sheet="towns")[1] == [{"town": "Bonn"}]
    with pytest.raises(Unreadable, match="There is no sheet named “x”"):
        read(tmp_path, content, sheet="x")


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"id\n" + b"1\n" * 10_000_000),
        workbook(people=[["x" * 5_000_000], ["x" * 6_000_000]]),
        lzma.compress(b"0" * 20_000_000),
    ],
    ids=["gzip", "workbook", "xz"],
)
def test_files_that_unpack_to_too_much_are_refused(tmp_path, content):
    assert len(content) < 100_000
    with pytest.raises(Unreadable, match="unpacks to more than 9 MB") as caught:
        read(tmp_path, content)
    assert caught.value.final


def test_an_archive_of_one_file_is_unpacked_and_others_are_refused(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", two("3"))
    assert read(tmp_path, packed.getvalue())[1] == column(3)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("b.csv", two("4"))
    with pytest.raises(Unreadable, match="This is a ZIP archive of 2 files"):
        read(tmp_path, packed.getvalue())


def test_many_columns_need_little_memory(tmp_path):
    """In the sandbox, within a third of the memory that it has."""
    cells = ["3", "2.5", "NA", "2020-01-31", "31/12/2020", "west"]
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(f"c{number}" for number in range(900))
    for _ in range(40):
        lines.writerow(cells[number % len(cells)] for number in range(900))
    source, room = write(tmp_path, text.getvalue().encode()), tmp_path / "room"
    room.mkdir()
    folder = sandboxed.Room(room, 10**8)
    answer = sandboxed.run("read", source, parameters=MOST, limits=sandboxed.LOOK, room=folder)
    assert [len(answer["read"]["columns"]), answer["read"]["rows"]] == [900, 40]
    assert [each["stored"] for each in answer["read"]["columns"][:6]] == [
        "int64", "double", "string", "date32", "date32", "string",
    ]  # fmt: skip


def test_the_sandbox_reads_every_format(tmp_path):
    """Each needs packages of its own there."""
    pyreadstat.write_dta(FRAME, tmp_path / "a.dta")
    book = workbook(people=[["id"], [1]])
    for number, content in enumerate([(tmp_path / "a.dta").read_bytes(), book, gzip.compress(b"id\n1\n")]):
        room = tmp_path / f"room{number}"
        room.mkdir()
        source = write(tmp_path, content)
        answer = sandboxed.run("read", source, parameters=MOST, room=sandboxed.Room(room, 10**8))
        assert answer["read"]["columns"][0]["name"] == "id"
