"""Which names and kinds of files are accepted, whatever they contain."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from runner.contract import CloseCode, Limits
from runner.gates import folder
from runner.gates.refusal import Refusal

pytestmark = pytest.mark.usefixtures("no_descriptor_is_lost")


def test_a_plain_file_comes_out_with_its_size_and_hash(out):
    out.collect()
    assert {name: (file.type, file.bytes) for name, file in out.accepted.items()} == {
        "fine.json": ("json", 15)
    }
    assert out.text("fine.json") == '{\n  "n": 120\n}\n'
    assert out.refused == {}


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.json",
        "-dash.json",
        "has space.json",
        "quote'.json",
        "semi;colon.json",
        "ünïcode.json",
        "a" * 61 + ".json",
        "new\nline.json",
        "turned\u202eround.json",
        "esc\x1b[31m.json",
    ],
)
def test_names_are_plain(out, name):
    out.write(name, "{}")
    out.collect()
    assert list(out.accepted) == ["fine.json"]
    assert [file.reason for file in out.refused.values()] == [
        (
            "A file name must start with a letter or a digit and may contain only letters, digits, '_', '-' and '.', "
            "at most 64 characters in total."
        )
    ]
    assert all(shown.isprintable() for shown in out.refused)


def test_names_that_are_no_text_are_shown_safely(out):
    out.write(os.fsdecode(b"\xff\xfe.json"), "{}")
    out.collect()
    assert list(out.refused) == ["??.json"]
    assert list(out.accepted) == ["fine.json"]


@pytest.mark.parametrize("name", ["a" * 59 + ".json", "A.b-c_d.JSON", "0.json"])
def test_plain_names_come_out(out, name):
    out.write(name, "{}")
    assert name in out.collect().accepted


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("model.pkl", "Pickles can run code"),
        ("model.joblib", "Pickles can run code"),
        ("page.html", "HTML and SVG can contain scripts"),
        ("figure.svg", "HTML and SVG can contain scripts"),
        ("book.xlsx", "Archives and workbooks"),
        ("all.zip", "Archives and workbooks"),
        ("all.tar.gz", "Archives and workbooks"),
        ("array.npy", "NumPy and HDF5"),
        ("array.npz", "NumPy and HDF5"),
        ("program.py", "This file type is not accepted."),
        ("no_extension", "This file type is not accepted."),
        ("two.json.exe", "This file type is not accepted."),
    ],
)
def test_types_that_never_come_out_are_named(out, name, begins):
    out.write(name, "1")
    out.collect()
    assert out.reason(name).startswith(begins)
    assert out.reason(name).endswith("Write CSV, JSON, TXT, MD, PNG or Parquet.")
    assert out.refused[name].code == CloseCode.OUTPUT_TYPE
    assert list(out.accepted) == ["fine.json"]


def test_links_are_not_followed(out, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text('{"secret": 1}')
    (out.folder / "soft.json").symlink_to(secret)
    (out.folder / "dangling.json").symlink_to("nowhere")
    (out.folder / "loop.json").symlink_to("loop.json")
    (out.folder / "hard.json").hardlink_to(secret)
    out.collect()
    assert list(out.accepted) == ["fine.json"]
    assert out.reason("soft.json") == out.reason("dangling.json") == out.reason("loop.json")
    assert out.reason("soft.json") == "It is a symbolic link; only regular files are accepted."
    assert out.reason("hard.json") == "It has a second name (a hard link)."


def test_pipes_sockets_devices_and_folders_are_neither_opened_nor_entered(out):
    os.mkfifo(out.folder / "pipe.json")
    (out.folder / "folder.json").mkdir()
    (out.folder / "folder.json" / "inner.json").write_text("{}")
    here = Path.cwd()
    os.chdir(out.folder)  # a socket's path is short
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind("socket.json")
    finally:
        listener.close()
        os.chdir(here)
    out.collect()
    assert list(out.accepted) == ["fine.json"]
    assert out.reason("pipe.json") == "It is a pipe; only regular files are accepted."
    assert out.reason("socket.json") == "It is a socket; only regular files are accepted."
    assert out.reason("folder.json") == "It is a folder; only regular files are accepted."


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a device")
def test_devices_are_not_opened(out):
    os.mknod(out.folder / "zero.json", 0o20666, os.makedev(1, 5))
    out.collect()
    assert out.reason("zero.json") == "It is a device; only regular files are accepted."
    assert list(out.accepted) == ["fine.json"]


def test_a_tree_that_is_deeper_than_recursion_costs_nothing(out):
    at = os.open(out.folder, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=at)
        inner = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    try:
        out.collect()
    finally:
        subprocess.run(["rm", "-rf", out.folder / "d"], check=True)  # pytest's own removal recurses
    assert list(out.accepted) == ["fine.json"]
    assert out.reason("d") == "It is a folder; only regular files are accepted."


def test_a_file_that_cannot_be_read_is_refused(out):
    out.write("closed.json", "{}").chmod(0)
    dirfd = os.open(out.folder, os.O_RDONLY | os.O_DIRECTORY)
    is_root = os.geteuid() == 0
    try:
        if is_root:  # who may read everything
            os.seteuid(65534)
        with pytest.raises(Refusal, match=r"^It cannot be read \(EACCES\)\.$"):
            folder.read(dirfd, "closed.json", 100)
    finally:
        if is_root:
            os.seteuid(0)
        os.close(dirfd)


def test_size_is_limited_for_one_file(out):
    limits = Limits(output_mb=1)
    out.write("exact.txt", b"x" * 2**20)
    out.write("more.txt", b"x" * (2**20 + 1))
    out.collect(limits)
    assert sorted(out.accepted) == ["exact.txt", "fine.json"]
    assert out.reason("more.txt") == "It has 1,048,577 bytes; the limit is 1,048,576."
    assert out.refused["more.txt"].code == CloseCode.OUTPUT_TOO_BIG


def test_a_sparse_giant_is_not_read(out):
    with out.write("giant.txt", "").open("wb") as file:
        file.truncate(2**40)
    out.collect()
    assert out.reason("giant.txt") == "It has 1,099,511,627,776 bytes; the limit is 16,777,216."
    assert list(out.accepted) == ["fine.json"]


def test_size_is_limited_for_all_files_together(out):
    for number in range(6):
        out.write(f"part{number}.txt", b"x" * 2**20)
    out.collect(Limits(output_mb=1))
    assert sorted(out.accepted) == ["fine.json", "part0.txt", "part1.txt", "part2.txt"]
    assert (
        out.reason("part3.txt") == "With this file the outputs would have more than 4,194,304 bytes in total."
    )
    assert out.refused["part3.txt"].code == CloseCode.OUTPUT_TOO_BIG


def test_the_number_of_files_is_limited_and_refused_ones_do_not_count(out):
    for number in range(4):
        out.write(f"a{number}.pkl", "x")
        out.write(f"b{number}.txt", "x")
    out.collect(Limits(output_files=3))
    assert sorted(out.accepted) == ["b0.txt", "b1.txt", "b2.txt"]
    assert out.reason("b3.txt") == out.reason("fine.json") == "At most 3 files are accepted from one run."


def test_refusals_are_listed_up_to_a_number_and_the_rest_counted(out):
    for number in range(150):
        out.write(f"{number:03}.pkl", "x")
    out.collect()
    assert len(out.refused) == 101
    assert out.reason("…") == "And 50 further files were refused."
    assert list(out.accepted) == ["fine.json"]


def test_a_folder_with_very_many_entries_is_not_read_to_its_end(out):
    for number in range(10_001):
        os.close(os.open(out.folder / f"{number}.pkl", os.O_CREAT))
    out.collect()
    assert out.reason("…") == "And more than 10,000 further files were refused."


def test_an_empty_file_is_no_output(out):
    out.write("empty.txt", "")
    out.write("empty.csv", "")
    out.collect()
    assert out.reason("empty.txt") == out.reason("empty.csv") == "It is empty."


def test_an_empty_folder_is_no_output(out):
    (out.folder / "fine.json").unlink()
    out.collect()
    assert (out.accepted, out.refused) == ({}, {})


def test_a_file_that_grows_when_it_is_written_plainly_is_limited(out):
    out.write("bells.txt", b"\x07" * (2**20 - 1))
    out.collect(Limits(output_mb=1))
    assert (
        out.reason("bells.txt") == "Rewritten in plain form it has 12,582,901 bytes; the limit is 2,097,152."
    )
    assert list(out.accepted) == ["fine.json"]
