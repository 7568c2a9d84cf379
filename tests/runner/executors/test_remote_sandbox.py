"""A remote sandbox's stream is hostile: nothing in it makes the reader raise or write outside its folder."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.contract import Limits
from runner.executors.remote_sandbox import HEADER, USAGE, RemoteSandbox
from runner.gates import collect
from runner.host.selftest import default_environment

LIMITS = Limits(output_mb=1, log_mb=0.01)
STATUS = {"returned": 0, "report": "exit 0", "disk_was_full": False, "cpu_s": 1.0, "peak": 1}


class Said:
    """A stream that sends the given bytes in pieces of any size, and ends."""

    def __init__(self, data: bytes, piece: int = 7) -> None:
        self.pieces = [data[place : place + piece] for place in range(0, len(data), piece)]

    def receive(self, timeout: float) -> bytes | None:
        return self.pieces.pop(0) if self.pieces else None

    def kill(self) -> None:
        self.pieces.clear()


def frame(kind: bytes, data: bytes | dict[str, Any] = b"") -> bytes:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return HEADER.pack(kind, len(body)) + body


def file(name: bytes, content: bytes = b"", **more: int) -> bytes:
    told = {
        "name": name.hex(),
        "mode": stat.S_IFREG,
        "links": 1,
        "size": len(content),
        "sent": len(content),
        **more,
    }
    return frame(b"f", told) + (frame(b"d", content) if content else b"")


WHOLE = frame(b"r", b"ready 0") + frame(b"o", b"hello") + frame(b"s", STATUS)
END = frame(b".")


def names(sandbox: RemoteSandbox) -> list[str]:
    with os.scandir(sandbox.outputs) as entries:
        return [entry.name for entry in entries]


@contextmanager
def read(data: bytes) -> Iterator[RemoteSandbox]:
    sandbox = RemoteSandbox(stream=Said(data), limits=LIMITS, group=None)
    try:
        while sandbox.turn(0):
            pass
        sandbox.finish()
        yield sandbox
    finally:
        sandbox.close()


def test_whole_parcel() -> None:
    with read(WHOLE + file(b"a.txt", b"x" * 3000) + END) as sandbox:
        assert (sandbox.is_whole, sandbox.ready, sandbox.returned, sandbox.report) == (
            True,
            True,
            0,
            "exit 0",
        )
        assert sandbox.stdout.text() == "hello"
        assert names(sandbox) == ["a.txt"]


def test_entries_come_in_their_kind_and_the_gates_say_which(tmp_path: Path) -> None:
    kinds = {b"d": stat.S_IFDIR, b"l": stat.S_IFLNK, b"p": stat.S_IFIFO}
    entries = b"".join(file(name, mode=mode) for name, mode in kinds.items())
    entries += file(b"sparse.txt", size=2**39, sent=0) + file(b"twice.txt", b"x", links=2)
    with read(WHOLE + entries + END) as sandbox:
        assert sandbox.is_whole
        accepted, refused = collect.collect(sandbox.outputs, tmp_path, LIMITS, default_environment())
    assert accepted == ()
    told = {item.name: item.reason for item in refused}
    assert ["folder" in told["d"], "link" in told["l"], "pipe" in told["p"]] == [True] * 3
    assert ["bytes" in told["sparse.txt"], "hard link" in told["twice.txt"]] == [True] * 2


@pytest.mark.parametrize("name", [b"../out", b"/etc/x", b"a/b", b"..", b".", b"", b"a\0b", b"x" * 256])
def test_names_that_lead_elsewhere(name: bytes) -> None:
    with read(WHOLE + file(name, b"x") + END) as sandbox:
        assert (sandbox.is_whole, names(sandbox)) == (False, [])


@pytest.mark.parametrize(
    "data",
    [
        HEADER.pack(b"o", 2**31),
        frame(b"?"),
        frame(b"u", b"short"),
        frame(b"u", USAGE.pack(float("nan"), 1, 1)),
        frame(b"u", USAGE.pack(1.0, 2**63, 1)),
        frame(b"s", b"[" * 60_000),
        frame(b"s", b"[]"),
        frame(b"s", STATUS | {"cpu_s": float("inf")}),
        frame(b"s", STATUS | {"returned": 10**9}),
        frame(b"s", STATUS | {"peak": -1}),
        frame(b"d", b"of no file"),
        file(b"a.txt", b"x", sent=0),
        file(b"a.txt", b"x", sent=2, size=2),
        file(b"a.txt", size=2**30, sent=2**30),
        file(b"a.txt", b"x") * 2,
        b"",
    ],
)
def test_what_our_courier_never_says(data: bytes) -> None:
    with read(WHOLE + data + END if data else WHOLE) as sandbox:
        assert (sandbox.is_whole, sandbox.ready, sandbox.returned, sandbox.report) == (False, False, -9, "")


frames = st.builds(frame, st.sampled_from([bytes([byte]) for byte in b"roeusfd."]), st.binary(max_size=60))
values = st.one_of(
    st.integers(), st.floats(), st.text(max_size=9), st.none(), st.lists(st.integers(), max_size=2)
)
statuses = st.builds(
    lambda more: frame(b"s", STATUS | more),
    st.dictionaries(st.sampled_from(sorted(STATUS)), values, max_size=3),
)
files = st.builds(
    lambda name, more: file(name, b"x", **more),
    st.binary(max_size=20),
    st.dictionaries(st.sampled_from(["mode", "links", "size", "sent"]), st.integers(-2, 2**70), max_size=2),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(frames, statuses, files, st.binary(max_size=20)), max_size=8))
def test_nothing_makes_the_reader_raise(parts: list[bytes]) -> None:
    with read(b"".join(parts)) as sandbox:
        assert -128 <= sandbox.returned <= 255
        assert (
            max(sandbox.rusage_cpu_s, sandbox.rusage_peak, sandbox.reported.memory, sandbox.reported.cpu)
            <= 2**40
        )
