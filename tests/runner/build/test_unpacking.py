"""Archives that attack the code that unpacks them, and folders that attack the code that takes them over."""

import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.build import CannotBuild, accept
from runner.build.inside.unpack import Bad, Room, unpack
from runner.pins import read
from tests.runner.build.wheels import add_link, wheel


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "packages"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "../escaped.py",
        "../../escaped.py",
        "plain/../../escaped.py",
        "/escaped.py",
        "plain//escaped.py",
        "plain/./escaped.py",
        "..\\escaped.py",
        "plain-1.0.data/purelib/../../../escaped.py",
        "plain-1.0.data/purelib//etc/escaped.py",
        "plain-1.0.data/else/escaped.py",
        "plain-1.0.data/escaped.py",
        "plain\n.py",
        "plain\x1b[2J.py",
        "x" * 300,
        "/".join(["deep"] * 100),
    ],
)
def test_names_that_lead_out_are_refused(name: str, out: Path, tmp_path: Path) -> None:
    path = wheel(tmp_path, "plain", {name: "x"})
    with pytest.raises(Bad):
        unpack(path, out, Room(10_000, 100))
    found = [path for path in tmp_path.rglob("*") if "escaped" in path.name]
    assert found == []
    assert not Path("/escaped.py").exists()


def test_a_link_is_refused(out: Path, tmp_path: Path) -> None:
    path = wheel(tmp_path, "plain")
    add_link(path, "way_out", str(tmp_path))
    with pytest.raises(Bad, match="link or a device"):
        unpack(path, out, Room(10_000, 100))


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFBLK])
def test_a_device_is_refused(kind: int, out: Path, tmp_path: Path) -> None:
    path = wheel(tmp_path, "plain")
    entry = zipfile.ZipInfo("device")
    entry.create_system, entry.external_attr = 3, (kind | 0o666) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, "")
    with pytest.raises(Bad, match="link or a device"):
        unpack(path, out, Room(10_000, 100))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_what_wheels_are_packed_with_is_unpacked(method: int, out: Path, tmp_path: Path) -> None:
    path = wheel(tmp_path, "plain")
    with zipfile.ZipFile(path, "a", method) as archive:
        archive.writestr("packed", "x" * 1000)
    with pytest.raises(Bad, match="packed in a way"):
        unpack(path, out, Room(10_000, 100))


def test_a_bomb_is_stopped_at_the_limit(out: Path, tmp_path: Path) -> None:
    path = wheel(tmp_path, "plain", {"zeros.bin": b"\0" * (64 * 2**20)})
    assert path.stat().st_size < 2**17
    with pytest.raises(Bad, match="unpack to more"):
        unpack(path, out, Room(2**23, 100))
    assert sum(file.stat().st_size for file in out.rglob("*")) <= 2**23


def test_a_size_that_lies_buys_nothing(out: Path, tmp_path: Path) -> None:
    """The central directory says that a member has one byte."""
    path = wheel(tmp_path, "plain", {"aaa.bin": b"\0" * (16 * 2**20)})
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("aaa.bin")
    size = info.file_size.to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (1).to_bytes(4, "little")))
    with pytest.raises((Bad, zipfile.BadZipFile)):
        unpack(path, out, Room(2**23, 100))
    assert sum(file.stat().st_size for file in out.rglob("*")) <= 2**23


def test_too_many_files_are_stopped(out: Path, tmp_path: Path) -> None:
    path = wheel(tmp_path, "plain", {f"many/{number}": "" for number in range(200)})
    with pytest.raises(Bad, match="more files"):
        unpack(path, out, Room(10_000, 100))


@pytest.mark.parametrize(
    "files",
    [
        {"other-1.0.dist-info/METADATA": "Name: other\nVersion: 1.0\n"},
        {"plain-2.0.dist-info/METADATA": "Name: plain\nVersion: 2.0\n"},
    ],
)
def test_a_wheel_describes_itself_alone(files: dict[str, str], out: Path, tmp_path: Path) -> None:
    with pytest.raises(Bad, match="its metadata is not"):
        unpack(wheel(tmp_path, "plain", files), out, Room(10_000, 100))


def test_a_folder_does_not_give_way_to_a_file(out: Path, tmp_path: Path) -> None:
    unpack(wheel(tmp_path, "plain", {"shared/part.py": "x"}), out, Room(10_000, 100))
    with pytest.raises(OSError, match="shared"):
        unpack(wheel(tmp_path, "other", {"shared": "x"}), out, Room(10_000, 100))


def test_two_packages_may_share_a_folder(out: Path, tmp_path: Path) -> None:
    unpack(
        wheel(tmp_path, "plain", {"shared/plain.py": "x", "shared/__init__.py": "1"}), out, Room(10_000, 100)
    )
    unpack(
        wheel(tmp_path, "other", {"shared/other.py": "x", "shared/__init__.py": "2"}), out, Room(10_000, 100)
    )
    assert (out / "shared" / "__init__.py").read_text() == "2"
    assert {path.name for path in (out / "shared").iterdir()} == {"__init__.py", "plain.py", "other.py"}


# Taking over


def _link(place: Path) -> None:
    (place / "x").symlink_to("/etc/passwd")


def _folder_link(place: Path) -> None:
    (place / "x").symlink_to("/etc")


def _second_name(place: Path) -> None:
    (place / "x").write_text("x")
    os.link(place / "x", place.parent / "kept")


def _pipe(place: Path) -> None:
    os.mkfifo(place / "x")


def _deep(place: Path) -> None:
    (place / "/".join("d" * 60)).mkdir(parents=True)


def _odd_name(place: Path) -> None:
    (place / "a\x1b[2J").write_text("x")


def _many(place: Path) -> None:
    for number in range(60):
        (place / str(number)).touch()


def _many_folders(place: Path) -> None:
    for number in range(60):
        (place / str(number)).mkdir()


@pytest.mark.parametrize(
    "leave", [_link, _folder_link, _second_name, _pipe, _deep, _odd_name, _many, _many_folders]
)
def test_what_is_no_plain_tree_is_not_taken_over(leave: Callable[[Path], None], out: Path) -> None:
    (out / "inner").mkdir()
    leave(out / "inner")
    with pytest.raises(CannotBuild):
        accept.tree(out, files=50)


def test_rights_are_those_that_everybody_has(out: Path) -> None:
    (out / "folder").mkdir(mode=0o700)
    (out / "folder" / "program").write_text("x")
    (out / "folder" / "program").chmod(0o6777)
    (out / "folder").chmod(0)
    out.chmod(0o1777)
    accept.tree(out, files=50)
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (out, *out.rglob("*"))}
    assert found == {"packages": 0o755, "folder": 0o755, "program": 0o644}


def test_only_listed_wheels_are_taken_over(out: Path, tmp_path: Path) -> None:
    wheel(out, "plain")
    pins = {pin.name: pin for pin in read("plain==1.0\nother==1.0")}
    assert list(accept.wheels(out, pins)) == ["plain-1.0-py3-none-any.whl"]
    for name in ("stranger-1.0-py3-none-any.whl", "plain-2.0-py3-none-any.whl", "other-1.0.tar.gz"):
        (out / name).write_text("x")
        with pytest.raises(CannotBuild, match="not a wheel of a listed package"):
            accept.wheels(out, pins)
        (out / name).unlink()


def test_a_wheel_with_another_hash_is_not_taken_over(out: Path) -> None:
    wheel(out, "plain")
    pins = {pin.name: pin for pin in read(f"plain==1.0 --hash=sha256:{'0' * 64}")}
    with pytest.raises(CannotBuild, match="hashes"):
        accept.wheels(out, pins)
