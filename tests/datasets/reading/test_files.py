"""Every kind of broken file gives a sentence with the line, and leaves nothing behind."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets.declarations import mock
from datasets.declarations.schema import ColumnSchema, TableSchema
from datasets.ingest import reader
from datasets.ingest.reader import Cancelled
from datasets.reading.outcome import TableRead, Unreadable
from tests.datasets import files

HTML = (
    "This is HTML or XML, not a table. If you downloaded it, you may have saved a web page instead of the data. "
    "Save the data as CSV, Excel or Parquet."
)


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def read(source, **options) -> TableRead:
    return reader.read(source, source.parent / "target.table", options=options)


def as_text(*columns) -> dict[str, dict[str, str]]:
    return {column: {"type": "string"} for column in columns}


def refusal(source, **options) -> Unreadable:
    """Return why a file cannot be read; nothing but the file itself may be left."""
    with pytest.raises(Unreadable) as caught:
        read(source, **options)
    assert [path.name for path in source.parent.iterdir()] == [source.name]
    return caught.value


def rows(source):
    return pq.read_table(source.parent / "target.table").to_pylist()


def test_a_csv_file_becomes_a_table_with_types(folder):
    source = files.write(folder, files.GOOD)
    reading = read(source)
    assert [(column.name, column.stored, column.empty) for column in reading.columns] == [
        ("person", "int64", 0),
        ("year", "int64", 0),
        ("wage", "double", 1),
        ("region", "string", 0),
    ]
    assert reading.rows == 3
    assert rows(source)[1] == {"person": 1, "year": 1991, "wage": 11.0, "region": "south"}


def test_the_owner_learns_ranges_and_values(folder):
    reading = read(files.write(folder, files.GOOD))
    wage, region = reading.columns[2], reading.columns[3]
    assert (wage.lowest, wage.highest) == (10.5, 11.0)
    assert region.values == ("north", "south")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(folder, delimiter):
    text = files.GOOD.decode().replace(",", delimiter)
    source = files.write(folder, text.encode())
    assert [column.name for column in read(source).columns] == ["person", "year", "wage", "region"]


def test_a_decimal_comma_is_understood_where_it_cannot_be_a_delimiter(folder):
    source = files.write(folder, b"id;wage\n1;10,5\n2;11,25\n")
    read(source)
    assert rows(source) == [{"id": 1, "wage": 10.5}, {"id": 2, "wage": 11.25}]


def test_quoted_fields_hold_delimiters_quotes_and_line_ends(folder):
    source = files.write(folder, b'id,note\n1,"a, ""b""\nc"\n2,d\n')
    read(source)
    assert rows(source) == [{"id": 1, "note": 'a, "b"\nc'}, {"id": 2, "note": "d"}]


def test_dates_times_and_truth_values_are_found(folder):
    source = files.write(
        folder, b"day,at,yes\n2020-01-31,2020-01-31 12:30:00,true\n2021-02-01,2021-02-01T08:00,FALSE\n"
    )
    assert [column.stored for column in read(source).columns] == ["date32", "timestamp", "bool"]


def test_codes_with_leading_zeros_stay_text(folder):
    source = files.write(folder, b"zip,n\n01234,1\n99999,2\n")
    read(source)
    assert rows(source)[0] == {"zip": "01234", "n": 1}


def test_a_byte_order_mark_is_not_part_of_the_first_name(folder):
    source = files.write(folder, b"\xef\xbb\xbf" + files.GOOD)
    assert read(source).columns[0].name == "person"


def test_text_that_is_not_in_the_chosen_encoding_is_refused_with_its_line(folder):
    source = files.write(folder, "id,town\n1,Bonn\n2,Köln\n".encode("latin-1"))
    why = refusal(source, encoding="utf-8")
    assert str(why) == "Line 3: the text is not in UTF-8. Choose another encoding."
    assert not why.final
    read(source, encoding="latin-1")
    assert rows(source)[1] == {"id": 2, "town": "Köln"}


def test_wrong_bytes_far_below_are_found_too(folder):
    lines = b"".join(b"%d,fine\n" % number for number in range(60_000))
    source = files.write(folder, b"id,town\n" + lines + b"60000,K\xf6ln\n")
    assert read(source).notes == ("Line 60002 is not in UTF-8, so the file was read as Windows-1252.",)
    assert rows(source)[-1] == {"id": 60_000, "town": "Köln"}


@pytest.mark.parametrize(
    ("line", "have"), [(b"4,1990,3\n", 3), (b"4,1990,3,north,west\n", 5)], ids=["too few", "too many"]
)
def test_ragged_rows_are_told_by_their_line(folder, line, have):
    why = refusal(files.write(folder, files.GOOD + line))
    assert str(why) == f"Line 5 has {have} fields, but the line of column names has 4."


def test_ragged_rows_far_below_are_told_by_their_line(folder):
    lines = b"".join(b"%d,1990,1.5,north\n" % number for number in range(200_000))
    why = refusal(files.write(folder, b"person,year,wage,region\n" + lines + b"4,1990\n"))
    assert str(why) == "Line 200002 has 2 fields, but the line of column names has 4."


def test_an_open_quote_is_told_by_its_line(folder):
    why = refusal(files.write(folder, b'id,note\n1,fine\n2,"open\n'))
    assert str(why) == 'Line 3: a quote (") is not closed, or is followed by text after it is closed.'


def test_mixed_types_name_line_column_and_kind_but_not_the_value(folder):
    source = files.write(folder, b"id,age\n1,34\n2,45\n3,secret-word\n4,23\n")
    why = refusal(source)
    assert str(why) == (
        "Line 4, column “age”: text where the others are whole numbers. "
        "Correct the file, say that this means missing, or read this column as text."
    )
    assert why.remedy == {"text": ["age"]}
    read(source, columns=as_text("age"))
    assert [row["age"] for row in rows(source)] == ["34", "45", "secret-word", "23"]


def test_mixed_types_far_below_are_told_by_their_line(folder):
    lines = b"".join(b"%d,%d\n" % (number, number % 90) for number in range(100_000))
    why = refusal(files.write(folder, b"id,age\n" + lines + b"5,old\n"))
    assert str(why).startswith("Line 100002, column “age”: text where the others are whole numbers.")


def test_decimals_far_below_make_a_column_of_numbers(folder):
    lines = b"".join(b"%d,%d\n" % (number, number % 90) for number in range(60_000))
    source = files.write(folder, b"id,age\n" + lines + b"5,7.5\n")
    assert [column.stored for column in read(source).columns] == ["int64", "double"]
    assert rows(source)[-1] == {"id": 5, "age": 7.5}


def test_leading_zeros_far_below_are_not_lost(folder):
    lines = b"".join(b"%d,%d\n" % (number, number + 1) for number in range(60_000))
    source = files.write(folder, b"id,code\n" + lines + b"5,007\n")
    assert [column.stored for column in read(source).columns] == ["int64", "string"]
    assert rows(source)[-1] == {"id": 5, "code": "007"}


def test_numbers_too_long_for_a_number_stay_text(folder):
    source = files.write(folder, b"id,n\n12345678901234567890123,1\n1,2\n")
    read(source)
    assert rows(source)[0] == {"id": "12345678901234567890123", "n": 1}


def test_a_cell_larger_than_the_first_look_is_read(folder):
    source = files.write(folder, b'id,note\n1,"' + b"x" * 500_000 + b'"\n')
    assert read(source).rows == 1


def test_a_line_without_end_is_told(folder):
    why = refusal(files.write(folder, b"id,note\n1," + b"x" * 3_000_000 + b"\n"))
    assert str(why) == "Line 2 is longer than 2 MB. Check the quotes before it."


def test_signs_that_cannot_be_kept_with_the_owners_notes_are_left_out_of_them(folder):
    reading = read(files.write(folder, b"id,note\n" + b"1,fine\n" * 50_000 + b"2,a\0b\n"))
    assert (reading.columns[1].distinct, reading.columns[1].values) == (2, ())


@pytest.mark.parametrize("cell", ["infinity", "-infinity", "epoch", "290000-01-01", "0001-01-01"])
def test_odd_dates_break_nothing(folder, cell):
    source = files.write(
        folder,
        f"day,at\n2020-01-01,2020-01-01 10:00:00\n{cell},{cell}\n2021-01-01,2021-01-01 10:00:00\n".encode(),
    )
    assert outcome_of(source)


def outcome_of(source) -> str:
    """The file becomes a table whose profile can be stored as JSON, or the fault is reported with its line."""
    try:
        return json.dumps([column.highest for column in read(source).columns], allow_nan=False)
    except Unreadable as why:
        return str(why)


def test_a_column_that_begins_empty_is_looked_at_as_a_whole(folder):
    lines = b"".join(b"%d,\n" % number for number in range(25_000))
    source = files.write(folder, b"id,late\n" + lines + b"5,2.5\n")
    assert [column.stored for column in read(source).columns] == ["int64", "double"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "This file is empty. Choose another one."),
        (b"\n\n  \n", "This file is empty. Choose another one."),
        (b"a,b,c\n", "This file has a line of column names and no rows below it."),
        (b"a,b,c\n\n\n", "This file has a line of column names and no rows below it."),
        (b"PK\x03\x04rest", "This ZIP archive is damaged. Make it again."),
        (b"\x1f\x8b\x08rest", "This compressed file is damaged. Compress it again."),
        (b"\n <!DOCTYPE html>", HTML),
        (b"%PDF-1.7", "This is a PDF. Upload the data as CSV, Excel or Parquet."),
        (b"\x93NUMPY\x01\0v\0", "This is a binary file that the portal does not know. Save it as CSV."),
        (b"[1, 2]", "This JSON file is not a list of records. Each record has to be an object, such as {“age”: 34}."),
        (b'[{"a": 1},', "This looks like JSON, but it is not valid (line 1). Correct it."),
        (b'{"a": 1}\n{"a": [2]}\n', "“a” is nested, but a cell must contain one value. Flatten it into separate keys."),
    ],
)  # fmt: skip
def test_what_is_no_table_says_so(folder, content, told):
    assert str(refusal(files.write(folder, content))) == told


def test_too_many_columns_are_refused(folder):
    header = ",".join(f"c{n}" for n in range(1001)).encode()
    why = refusal(files.write(folder, header + b"\n" + b",".join([b"1"] * 1001) + b"\n"))
    assert str(why) == "This file has 1,001 columns. Reduce them to at most 1,000."


def test_formula_cells_are_kept_as_text_and_told(folder):
    source = files.write(folder, b'id,note\n1,fine\n2,"=HYPERLINK(""http://x"",""y"")"\n3,@cmd\n4,-5\n')
    reading = read(source)
    told = "Column “note”: 3 cells begin like a formula (the first in data row 2)."
    assert reading.notes == (f"{told} They are kept as text and never executed.",)
    assert rows(source)[1]["note"] == '=HYPERLINK("http://x","y")'


def test_parquet_is_rewritten_in_plain_types(folder):
    table = pa.table(
        {
            "id": pa.array([1, 2], pa.uint16()),
            "x": pa.array([1.5, None], pa.float32()),
            "t": pa.array(["a", "b"]).dictionary_encode(),
            "d": pa.array([0, 86_400_000], pa.date64()),
            "at": pa.array([0, 1], pa.timestamp("ns", tz="Europe/Berlin")),
            "ok": pa.array([True, False]),
        }
    )
    source = files.parquet(folder, table)
    reading = read(source)
    assert [column.stored for column in reading.columns] == [
        "int64",
        "double",
        "string",
        "date32",
        "timestamp",
        "bool",
    ]
    sealed = pq.read_table(source.parent / "target.table")
    assert sealed.schema == mock.schema_of(
        TableSchema(
            name="t",
            columns=tuple(ColumnSchema(name=c.name, type="text", stored=c.stored) for c in reading.columns),
        )
    )
    assert sealed.num_rows == 2


def test_metadata_of_others_does_not_travel(folder):
    table = pa.table({"id": [1]}).replace_schema_metadata({"who": "secret author"})
    source = files.parquet(folder, table)
    read(source)
    assert b"secret author" not in (source.parent / "target.table").read_bytes()


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int64()), pa.struct([("a", pa.int64())]), pa.map_(pa.string(), pa.int64())], ids=str
)
def test_nested_columns_are_refused_with_the_reason(folder, kind):
    why = refusal(files.parquet(folder, pa.table({"deep": pa.array([None], kind)})))
    assert str(why) == (
        "Column “deep” is nested, but a cell must contain one value. Flatten it into separate columns or "
        "rows, or leave this column out."
    )
    assert why.remedy == {"leave_out": ["deep"]}


def test_bytes_are_refused_with_the_reason(folder):
    why = refusal(files.parquet(folder, pa.table({"raw": pa.array([b"x"])})))
    assert str(why) == (
        "Column “raw” has the type binary, which the portal cannot read. "
        "Use numbers, text, true or false, dates or times, or leave this column out."
    )


def test_numbers_that_do_not_fit_are_told(folder):
    why = refusal(files.parquet(folder, pa.table({"n": pa.array([1, 2**64 - 1], pa.uint64())})))
    assert str(why).startswith("Column “n”, rows 1 to 2: a value cannot be stored as int64.")


def test_a_parquet_file_without_rows_is_refused(folder):
    why = refusal(files.parquet(folder, pa.table({"n": pa.array([], pa.int64())})))
    assert str(why) == "This file has columns and no rows."


def test_a_damaged_parquet_file_is_refused(folder):
    source = files.parquet(folder, pa.table({"n": list(range(1000))}))
    source.write_bytes(source.read_bytes()[:-200] + b"\0" * 192 + b"\0\0\0\0PAR1"[-8:])
    assert str(refusal(source)).startswith("This Parquet file is damaged or malicious")


def test_a_parquet_bomb_is_refused_before_it_fills_anything(folder):
    source = files.bomb(folder)
    assert source.stat().st_size < 300_000
    assert str(refusal(source)) == "This file unpacks to far more than its size: over 256 MB."


def test_a_parquet_bomb_that_hides_its_dictionary_breaks_its_reader_alone(folder):
    why = refusal(files.bomb(folder, store_schema=False))
    assert str(why) in {
        reader.BROKEN,
        "This file unpacks to far more than its size: over 256 MB.",
        "Unpacking this file needs more memory than the portal allows. Split it.",
    }


def test_a_parquet_bomb_of_rows_is_refused_by_its_claim(folder):
    why = refusal(files.many_rows(folder))
    assert str(why) == (
        "This file has 300,000,000 rows. This portal takes at most 200,000,000 in one table. "
        "Split it into several tables, or ask an admin to allow more."
    )


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_more_rows_than_the_portal_takes_are_refused_with_the_numbers(folder, settings, kind):
    settings.ROWS_PER_TABLE = 2
    table = pa.table({"id": [1, 2, 3]})
    source = files.write(folder, b"id\n1\n2\n3\n") if kind == "csv" else files.parquet(folder, table)
    assert str(refusal(source)).startswith("This file has 3 rows. This portal takes at most 2 in one table.")


def test_bytes_at_random_behind_the_magic_never_break_the_reader(folder):
    for seed in range(5):
        body = bytes((seed * 31 + place * 17) % 256 for place in range(4096))
        source = files.write(folder, b"PAR1" + body + (200).to_bytes(4, "little") + b"PAR1")
        assert str(refusal(source)).startswith("This Parquet file is damaged or malicious")


def test_reading_can_be_given_up(folder):
    lines = b"".join(b"%d,%d,some text to make it longer\n" % (n, n) for n in range(3_000_000))
    source = files.write(folder, b"id,age,note\n" + lines)
    with pytest.raises(Cancelled):
        reader.read(source, folder / "target.table", options={}, progress=lambda share: False)
    assert [path.name for path in folder.iterdir()] == ["source.part"]


def test_what_the_child_says_is_plain_json(folder):
    reading = read(files.write(folder, files.GOOD))
    assert json.loads(json.dumps(reading.columns[3].values)) == ["north", "south"]
