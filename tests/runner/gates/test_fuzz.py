"""Fuzz the gates: real files that were damaged, extended or mixed, under any name."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.contract import CloseCode, Limits
from runner.gates import strict_json
from runner.host.logs import Log
from runner.plain_text import hidden
from tests.runner.gates.conftest import Out

pytestmark = pytest.mark.sandbox

SMALL = Limits(output_mb=1, output_files=6)
NAMES = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,20}\.(csv|json|txt|md|png|parquet)", fullmatch=True),
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=40
    ).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200),
)
SEEDS = {
    "json": json.dumps({"regions": [{"name": "north", "mean": 1.5, "n": 120}], "note": "a mean"}).encode(),
    "csv": b"region,mean\nnorth,1.5\nsouth,2.5\n",
    "png": bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
    ),
}


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"region": ["north"], "mean": [1.5]}), sink)
    return bytes(sink.getvalue())


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file under a name: real bytes with some cut out, put in or changed, mostly under a name of their type."""
    kind = draw(st.sampled_from([*SEEDS, "parquet"]))
    data = bytearray(SEEDS.get(kind) or parquet())
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["insert", "cut", "change"])):
            case "insert":
                data[at:at] = draw(st.binary(max_size=64))
            case "cut":
                del data[at : at + draw(st.integers(0, 64))]
            case _:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
    stem = draw(st.from_regex(r"[a-z]{1,8}", fullmatch=True))
    name = draw(st.one_of(st.just(f"{stem}.{kind}"), st.just(f"{stem}.{kind}"), NAMES))
    return name, bytes(data)


def emptied(out: Out) -> None:
    for folder in (out.folder, out.dest):
        shutil.rmtree(folder)
        folder.mkdir()
    out.write("fine.json", '{"n": 120}')


def really_is(kind: str, path: Path) -> bool:
    data = path.read_bytes()
    match kind:
        case "png":
            return data.startswith(b"\x89PNG")
        case "parquet":
            return data[:4] == data[-4:] == b"PAR1"
        case "json":
            return json.dumps(strict_json.parse(data)) != ""
        case _:
            return not hidden(data.decode("utf-8"))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(listed=st.lists(damaged(), min_size=1, max_size=4))
def test_every_file_is_let_out_as_what_it_is_or_refused_with_a_reason(
    out: Out, listed: list[tuple[str, bytes]]
) -> None:
    emptied(out)
    files = {name: content for name, content in listed if name != "fine.json"}
    for name, content in files.items():
        out.write(name, content)
    out.collect(SMALL)
    assert "fine.json" in out.accepted
    assert sorted(path.name for path in out.dest.iterdir()) == sorted(out.accepted)
    for name, file in out.accepted.items():
        assert really_is(file.type, out.dest / name)
        assert name.isascii()
        assert file.bytes <= 2**20
    for name, refused in out.refused.items():
        assert not hidden(name + refused.reason)
        assert refused.reason != ""
        assert refused.code in (CloseCode.OUTPUT_TYPE, CloseCode.OUTPUT_TOO_BIG)
    assert len(out.accepted) + len(out.refused) >= 1 + (len(files) > 0)


@given(st.lists(st.binary(max_size=400), max_size=20), st.integers(4, 300))
def test_a_log_is_bounded_harmless_and_counts_all(parts: list[bytes], limit: int) -> None:
    log = Log(limit)
    for part in parts:
        log.add(part)
    text = log.text()
    assert log.written == sum(map(len, parts))
    assert not hidden(text)
    assert len(text) <= limit + 60
