"""Parquet and PNG: opened in a second sandbox, rewritten, refused if malformed or too large."""

import datetime as dt
import decimal
import struct
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runner.contract import CloseCode
from runner.gates import collect, png
from runner.gates.refusal import Refusal
from tests.runner.gates import files

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("no_descriptor_is_lost")]
GIVEN_UP = "It is malformed, or decoding it takes more memory or time than is allowed."


def test_a_table_comes_out_with_its_cells_and_nothing_else(out):
    table = pa.table(
        {
            "whole": pa.array([1, None, 3], pa.int64()),
            "text": ["a", "ü", None],
            "number": [1.5, float("inf"), None],
            "yes": [True, False, None],
            "day": [dt.date(2026, 1, 1)] * 3,
            "moment": pa.array(
                [dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)] * 3, pa.timestamp("us", "Europe/Berlin")
            ),
            "money": [decimal.Decimal("1.10")] * 3,
            "category": pa.array(["x", "y", "x"]).dictionary_encode(),
        }
    )
    hidden = table.replace_schema_metadata({"pandas": "{}", "secret": "ROW-77"})
    out.write("t.parquet", files.parquet(hidden, compression="gzip"))
    out.collect()
    data = (out.dest / "t.parquet").read_bytes()
    made = pq.ParquetFile(pa.BufferReader(data))
    assert made.read().equals(table.set_column(7, "category", table["category"].cast(pa.string())))
    assert b"ROW-77" not in data
    assert made.schema_arrow.metadata is None
    assert made.metadata.row_group(0).column(0).compression == "ZSTD"
    assert sorted(out.accepted) == ["fine.json", "t.parquet"]


def test_text_that_is_stored_in_pieces_becomes_ordinary_text(out):
    view = pa.array(["a", None, "a text that is longer than a view holds"]).cast(pa.string_view())
    out.write("t.parquet", files.parquet(pa.table({"view": view})))
    out.collect()
    made = pq.ParquetFile(pa.BufferReader((out.dest / "t.parquet").read_bytes())).read()
    assert made.equals(pa.table({"view": view.cast(pa.string())}))


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([[1], [2]]), "list<element: int64>"),
        (pa.array([{"a": 1}, {"a": 2}]), "struct<a: int64>"),
        (pa.array([b"\x80\x04", b"x"]), "binary"),
        (pa.array([b"ab", b"cd"], pa.binary(2)), "fixed_size_binary[2]"),
    ],
)
def test_cells_that_nobody_can_look_at_stay_in(out, column, kind):
    out.write("t.parquet", files.parquet(pa.table({"fine": [1, 2], "odd": column})))
    out.collect()
    assert out.reason("t.parquet") == (
        f"The column 'odd' contains {kind}; only numbers, text, dates and booleans are accepted."
    )


def test_a_bomb_that_says_what_it_is_is_refused_before_it_is_opened(out):
    bomb = files.parquet_bomb(40_000_000)
    assert len(bomb) < 100_000
    out.write("bomb.parquet", bomb)
    out.collect()
    assert out.reason("bomb.parquet") == (
        "The table claims 40,000,000 rows and 1 columns; the limit is 5,000,000 rows and 50,000,000 cells."
    )
    assert out.refused["bomb.parquet"].code == CloseCode.OUTPUT_TOO_BIG
    assert list(out.accepted) == ["fine.json"]


def test_a_bomb_within_the_limit_of_rows_is_stopped_while_it_unpacks(out):
    out.write("bomb.parquet", files.parquet_bomb(4_000_000))
    out.collect()
    assert out.reason("bomb.parquet") == "The table unpacks to more than 512 MB."


def test_columns_are_limited(out):
    out.write("ok.parquet", files.parquet(pa.table({f"c{n}": [1] for n in range(1000)})))
    out.write("wide.parquet", files.parquet(pa.table({f"c{n}": [1] for n in range(1001)})))
    out.write("none.parquet", files.parquet(pa.table({})))
    out.write("name.parquet", files.parquet(pa.table({"n" * 201: [1]})))
    out.collect()
    assert sorted(out.accepted) == ["fine.json", "ok.parquet"]
    assert out.reason("wide.parquet") == "The table has 1,001 columns; the limit is 1,000."
    assert out.reason("none.parquet") == "The table has no columns."
    assert out.reason("name.parquet") == "A column name has more than 200 characters."


def test_malformed_tables_cost_only_themselves(out):
    whole = files.parquet(pa.table({"a": list(range(1000)), "b": ["x" * 20] * 1000}))
    out.write("cut.parquet", whole[:-10])
    out.write("short.parquet", b"PAR1PAR1")
    out.write("footer.parquet", whole[:-40] + b"\xff" * 32 + whole[-8:])
    out.write("length.parquet", whole[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1")
    out.write("pages.parquet", whole[:4] + b"\xff" * 200 + whole[204:])
    out.write("fine.parquet", whole)
    out.collect()
    assert sorted(out.accepted) == ["fine.json", "fine.parquet"]
    assert out.reason("cut.parquet") == out.reason("short.parquet") == "The Parquet file is truncated."
    for name in ("footer.parquet", "length.parquet", "pages.parquet"):
        assert out.reason(name) == "The Parquet file is malformed.", name


@pytest.mark.slow
def test_tables_with_any_byte_changed_are_refused_or_come_out_readable(out):
    whole = files.parquet(pa.table({"a": list(range(300)), "b": ["text", None, "ü"] * 100}))
    dice = np.random.default_rng(7)
    for number in range(24):
        changed = bytearray(whole)
        for _ in range(dice.integers(1, 6)):
            changed[dice.integers(4, len(whole) - 8)] = dice.integers(256)
        out.write(f"{number}.parquet", bytes(changed))
    out.collect()
    assert len(out.accepted) + len(out.refused) == 25
    for name in out.accepted:
        if name.endswith(".parquet"):
            assert (
                pq.ParquetFile(pa.BufferReader((out.dest / name).read_bytes())).read().validate(full=True)
                is None
            )
    assert {file.reason for file in out.refused.values()} <= {"The Parquet file is malformed.", GIVEN_UP}


def test_a_picture_comes_out_with_its_pixels_and_nothing_else(out):
    text = files.chunk(b"tEXt", b"Comment\0ROW-77") + files.chunk(b"tIME", bytes(7))
    out.write("p.png", files.png(more=text) + b"trailing ROW-77")
    out.collect()
    made = (out.dest / "p.png").read_bytes()
    assert png.is_plain(made)
    assert png.size(made) == png.Size(3, 2)
    assert b"ROW-77" not in made
    at = made.index(b"IDAT")
    length = struct.unpack(">I", made[at - 4 : at])[0]
    assert len(zlib.decompress(made[at + 4 : at + 4 + length])) == 2 * (1 + 3 * 3)


def test_pictures_that_claim_too_much_are_refused_unopened(out):
    out.write("wide.png", files.png(60_000, 60_000, pixels=zlib.compress(b"\0")))
    out.write("many.png", files.png(10_000, 2_501, pixels=zlib.compress(b"\0")))
    out.write("none.png", files.png(0, 5, pixels=zlib.compress(b"\0")))
    out.collect()
    limit = "the limit is 10,000 per side and 25,000,000 in total."
    assert out.reason("wide.png") == f"The picture has 60,000 by 60,000 pixels; {limit}"
    assert out.reason("many.png") == f"The picture has 10,000 by 2,501 pixels; {limit}"
    assert out.reason("none.png") == "The picture has no pixels."
    assert out.refused["wide.png"].code == CloseCode.OUTPUT_TOO_BIG
    assert list(out.accepted) == ["fine.json"]


def test_malformed_pictures_cost_only_themselves(out):
    whole = files.png()
    out.write("header.png", whole[:20])
    out.write("cut.png", whole[:-20])
    out.write("crc.png", whole.replace(b"IDAT", b"IDAT\xff", 1))
    out.write("colour.png", files.png(colour=99))
    out.write("text.png", files.png(more=files.chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(80 * 2**20)))))
    out.write("fine.png", whole)
    out.collect()
    assert sorted(out.accepted) == ["fine.json", "fine.png"]
    assert out.reason("header.png") == "This is not a PNG picture."
    for name in ("cut.png", "crc.png", "colour.png", "text.png"):
        assert out.reason(name) == "The picture is malformed.", name


def test_the_outside_of_a_picture_is_judged_without_a_decoder():
    assert png.is_plain(files.png())
    assert not png.is_plain(files.png() + b"x")
    assert not png.is_plain(files.png()[:-1])
    assert not png.is_plain(files.png(more=files.chunk(b"tEXt", b"a\0b")))
    assert not png.is_plain(files.png().replace(b"IEND", b"IENE"))
    assert not png.is_plain(b"")


def test_without_a_sandbox_what_needs_none_still_comes_out(out, monkeypatch):
    monkeypatch.setenv("WEIR_BWRAP", "/nonexistent/bwrap")
    out.write("t.parquet", files.parquet())
    out.collect()
    assert list(out.accepted) == ["fine.json"]
    assert out.reason("t.parquet").startswith(
        "It cannot be decoded safely at the moment. /nonexistent/bwrap cannot be read"
    )


@pytest.mark.parametrize("zones", [5, None, True, [[1]], [{"a": 1}], {"a": 1}, "UTC+nowhere"])
def test_zones_that_a_decoder_makes_up_cost_only_their_file(zones):
    with pytest.raises(Refusal, match="time zone"):
        collect._check_zones({"zones": zones})
