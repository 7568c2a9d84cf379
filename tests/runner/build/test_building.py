"""Packages that attack whoever installs them: nothing of them runs on the host, whether it has a sandbox or not."""

import hashlib
import json
import os
import socket
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner import environments
from runner.build import CannotBuild
from runner.contract import JobSpec, Status
from runner.environments import Environment
from runner.executors.bubblewrap import BubblewrapExecutor
from tests.runner.build.wheels import wheel

pytestmark = pytest.mark.sandbox

SECRET = "canary-of-the-portal-9f3b"
LIBRARY = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


class Host:
    """What an attack could reach on this host, and whether it did."""

    def __init__(self, folder: Path) -> None:
        self.marker = folder / "marker"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0)
        port = self.listener.getsockname()[1]
        self.code = (
            f"import os, socket; open({str(self.marker)!r}, 'a').write(repr(dict(os.environ))); "
            f"socket.create_connection(('127.0.0.1', {port}), 2)"
        )
        self.shell = f"#!/bin/sh\nenv >> {self.marker}\n"

    def check(self) -> None:
        """Check that nothing ran and nothing connected."""
        assert not self.marker.exists(), self.marker.read_text()
        with pytest.raises(BlockingIOError):
            self.listener.accept()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    for name in ("WEIR_SECRET_KEY", "WEIR_CANARY", "PIP_CANARY", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, SECRET)
    host = Host(tmp_path)
    with host.listener:
        yield host
        host.check()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels in place of the index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture(params=["in a sandbox", "without"])
def wall(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Both kinds of host: the second has no bubblewrap that could be used."""
    if request.param == "without":
        monkeypatch.setenv("WEIR_BWRAP", str(tmp_path / "nothing"))
    return str(request.param)


Build = Callable[..., Environment]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def build(*pins: str) -> Environment:
        listed = tmp_path / "probe.txt"
        listed.write_text("".join(f"{pin}\n" for pin in pins))
        return environments.build("probe", listed, tmp_path / "root")

    return build


def packages(built: Environment) -> Path:
    return built.path / LIBRARY


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Environment, str], str]:
    def run(built: Environment, code: str) -> str:
        """What code in this environment writes to said.txt, in a real sandbox."""
        monkeypatch.delenv("WEIR_BWRAP", raising=False)
        (tmp_path / "out").mkdir()
        spec = JobSpec(run_id="1", code=code, inputs={}, out=tmp_path / "out", environment=built.path)
        result = BubblewrapExecutor().run(spec)
        assert result.status is Status.SUCCEEDED, result.stderr
        return (tmp_path / "out" / "said.txt").read_text()

    return run


def at_the_start(host: Host) -> dict[str, str]:
    """What an interpreter runs when it starts."""
    return {
        "evil.pth": host.code + "\n",
        "sitecustomize.py": host.code,
        "usercustomize.py": host.code,
        "sitecustomize/__init__.py": host.code,
        "evil-1.0.data/purelib/more.pth": host.code + "\n",
        "evil-1.0.data/platlib/usercustomize.py": host.code,
        f"evil-1.0.data/data/{LIBRARY}/data.pth": host.code + "\n",
    }


def in_place_of_programs(host: Host) -> dict[str, str]:
    """The interpreter itself, and what is called by name."""
    return {
        "evil-1.0.data/scripts/python": host.shell,
        "evil-1.0.data/scripts/python3": host.shell,
        "evil-1.0.data/scripts/pip": "#!python\n" + host.code,
    }


def beside_the_packages(host: Host) -> dict[str, str]:
    return {
        "evil-1.0.data/data/bin/python": host.shell,
        "evil-1.0.data/data/pyvenv.cfg": "home = /tmp\n",
        "evil-1.0.data/headers/evil.h": host.shell,
        "__pycache__/evil.cpython-311.pyc": "stale",
    }


def in_place_of_modules(host: Host) -> dict[str, str]:
    """Modules with the names of those that the builder itself imports."""
    names = ("json.py", "zipfile.py", "encodings/__init__.py", "email/parser.py", "runpy.py", "socket.py",
             "pip/__init__.py", "packaging/__init__.py", "compileall.py", "resource.py")  # fmt: skip
    return dict.fromkeys(names, host.code)


@pytest.mark.parametrize(
    "files", [at_the_start, in_place_of_programs, beside_the_packages, in_place_of_modules]
)
def test_what_acts_by_itself_does_not_act(
    files: Callable[[Host], dict[str, str]],
    host: Host,
    folder: Path,
    build: Build,
    wall: str,
    run: Callable[[Environment, str], str],
) -> None:
    wheel(folder, "evil", files(host))
    built = build("evil==1.0")
    host.check()
    assert bool(built.unsandboxed) is (wall == "without")
    there = {str(path.relative_to(built.path)) for path in built.path.rglob("*") if path.is_file()}
    assert {name for name in there if not name.startswith(LIBRARY)} == {"pyvenv.cfg", environments.MANIFEST}
    assert [name for name in there if name.endswith(".pth") or "customize" in name] == []
    assert run(built, "import evil\nopen('/out/said.txt', 'w').write(str(evil.VALUE))") == "42\n"


class Spy(threading.Thread):
    """Reads the variables of every step of a build, from outside."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.seen: dict[str, bytes] = {}

    def run(self) -> None:
        known = set(Path("/proc").iterdir())
        while not self.over.wait(0.002):
            for process in set(Path("/proc").iterdir()) - known:
                self._look(process)

    def _look(self, process: Path) -> None:
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if " -I -S " in command:
                self.seen[command] = (process / "environ").read_bytes()
        except OSError:
            return


def test_no_child_of_a_build_is_given_a_secret(host: Host, folder: Path, build: Build, wall: str) -> None:
    wheel(folder, "plain")
    spy = Spy()
    spy.start()
    build("plain==1.0")
    spy.over.set()
    spy.join()
    assert spy.seen != {}
    assert [command for command, text in spy.seen.items() if SECRET.encode() in text] == []


def test_a_source_package_is_not_built(host: Host, folder: Path, build: Build, wall: str) -> None:
    source = folder.parent / "source" / "sdist_only-1.0"
    source.mkdir(parents=True)
    (source / "setup.py").write_text(host.code)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (source / "backend.py").write_text(host.code)
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: sdist-only\nVersion: 1.0\n")
    with tarfile.open(folder / "sdist_only-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, "sdist_only-1.0")
    with pytest.raises(CannotBuild, match="No matching distribution"):
        build("sdist-only==1.0")


@pytest.mark.parametrize(
    "line",
    [
        "./wheels/evil-1.0.tar.gz",
        "evil @ file:///tmp/evil.tar.gz",
        "-e .",
        "--pre",
        "evil>=1",
        "-r other.txt",
    ],
)
def test_a_list_that_leads_elsewhere_is_not_read(build: Build, line: str) -> None:
    with pytest.raises(CannotBuild, match=r"not a list of exact versions\. Line 1"):
        build(line)


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        (("absent>=2",), "plain 1.0 needs absent>=2, which is not in the list."),
        (("other>=2",), "plain 1.0 needs other>=2, but the list has other 1.0."),
        (("other[more]",), "other 1.0 needs absent"),
        (('absent; python_version >= "3"',), "needs absent"),
        (("((broken",), "((broken"),
    ],
)
def test_what_is_missing_from_a_list_is_named(
    folder: Path, build: Build, needs: tuple[str, ...], told: str
) -> None:
    wheel(folder, "plain", needs=needs)
    wheel(folder, "other", needs=('absent; extra == "more"',))
    with pytest.raises(CannotBuild) as refused:
        build("plain==1.0", "other==1.0")
    assert told in str(refused.value)


@pytest.mark.parametrize(
    "needs",
    [
        ("other==1.0", "other<2,>=0.9"),
        ('absent; python_version < "3"',),
        ('absent; sys_platform == "win32"',),
        ('absent; extra == "more"',),
        ("Other",),
    ],
)
def test_what_is_not_needed_here_need_not_be_listed(
    folder: Path, build: Build, needs: tuple[str, ...]
) -> None:
    wheel(folder, "plain", needs=needs)
    wheel(folder, "other")
    assert build("plain==1.0", "other==1.0").packages == {"plain": "1.0", "other": "1.0"}


def test_a_package_for_another_python_is_left_out(folder: Path, build: Build) -> None:
    wheel(folder, "plain")
    assert build("plain==1.0", 'other==1.0 ; python_version < "3"').packages == {"plain": "1.0"}


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        (b"\xff\xfe\x00 nothing", "could not be downloaded"),
        ("Metadata-Version: 2.1\nName: somebody-else\nVersion: 1.0\n", "contains another package or version"),
        (
            "Metadata-Version: 2.1\nName: plain\nVersion: 1.0\nSummary: " + "x" * (5 * 2**20),
            "larger than 4 MB",
        ),
        (
            "Metadata-Version: 2.1\nName: plain\nVersion: 1.0\n" + "Requires-Dist: plain\n" * 3000,
            "more than 2,000 requirements",
        ),
    ],
)
def test_a_description_that_is_broken_or_enormous(
    folder: Path, build: Build, metadata: str | bytes, told: str
) -> None:
    wheel(folder, "plain", metadata=metadata)
    with pytest.raises(CannotBuild, match=told):
        build("plain==1.0")


def test_a_record_that_lies_is_believed_nowhere(folder: Path, build: Build) -> None:
    """Two different packages with the same description of their files yield two environments."""
    hashes = set[str]()
    for value in ("1", "2"):
        wheel(folder, "liar", {"liar.py": f"VALUE = {value}\n"}, record="liar.py,sha256=aaaa,10\n")
        hashes.add(build("liar==1.0").sha256)
    assert len(hashes) == 2


def test_hashes_are_held_to_here_as_well(folder: Path, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wheel(folder, "plain")
    with pytest.raises(CannotBuild, match="could not be downloaded"):
        build(f"plain==1.0 --hash=sha256:{'0' * 64}")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    built = build(f"plain==1.0 --hash=sha256:{sha256}")
    manifest = json.loads((built.path / environments.MANIFEST).read_text())
    assert manifest["wheels"] == {path.name: sha256}


def test_what_fails_leaves_the_old_one_and_no_rubbish(folder: Path, build: Build, tmp_path: Path) -> None:
    wheel(folder, "plain")
    before = build("plain==1.0")
    (tmp_path / "root" / ".building-by-one-that-was-killed").mkdir()
    with pytest.raises(CannotBuild):
        build("plain==2.0")
    assert environments.describe(tmp_path / "root", "probe") == before
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == [".lock", "probe"]
