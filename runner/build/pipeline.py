"""Build an environment: download wheels, unpack them, check that the list is complete. Each step is one script.

1. `download`: pip, on a network that reaches only the package index. It builds no package.
2. The wheels are compared with the list and its hashes, here.
3. `unpack`: our own script, without network, sees the wheels and one empty folder.
4. What it wrote is treated as hostile: only regular files and folders are taken over, no links.
5. `whole`: the packages' own requirements are compared with the list, as text.

An environment has no interpreter and no programs: it is a folder of packages that sandboxes show to code.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from socket import socket

from runner.build import CannotBuild, accept, index
from runner.build.relay import Relay, serving
from runner.build.sandboxed import Sandboxed
from runner.build.steps import BASE, RESERVE, VARIABLES, Step, StepRunner
from runner.build.unsandboxed import Unsandboxed
from runner.contract import SandboxUnavailable
from runner.host import bwrap_options
from runner.host.interpreter import VERSION, own
from runner.host.local_sandbox import NotStarted
from runner.pins import Pin, package_of

SECONDS = 1800
"""How long a whole build may take."""
FILES, BYTES = 200_000, 16 * 2**30
ASK = "import pip; from pip._internal.models.index import PyPI; print(pip.__path__[0], PyPI.simple_url, sep='\\n')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    packages: dict[str, str]
    wheels: dict[str, str]
    missing: str
    """Why it was built without a sandbox; empty when it was built in one."""


def make(folder: Path, pins: Sequence[Pin]) -> Made:
    """Build an environment of these packages in an empty folder. Raises CannotBuild."""
    place, deadline = choose(), time.monotonic() + SECONDS
    by_name = {pin.name: pin for pin in pins}
    wheels = _new(folder / "wheels")
    packages = _new(folder / "packages")
    fetched = _download(place, wheels, by_name, deadline) if pins else {}
    room = min(BYTES, shutil.disk_usage(folder).free - RESERVE)
    place.run(
        Step(
            script="unpack",
            failure="The packages could not be unpacked",
            deadline=deadline,
            reads={"wheels": wheels},
            writes={"packages": packages},
            words={"bytes": str(room), "files": str(FILES)},
        )
    )
    accept.tree(packages, files=3 * FILES)  # including compiled files and folders
    there = {package_of(wheel) for wheel in fetched}
    here = [pin for pin in pins if pin.name in there]  # a marker may exclude a package
    if pins:
        _check_whole(place, packages, here, deadline)
    shutil.rmtree(wheels)
    _put_together(folder, packages)
    return Made(packages={pin.name: pin.version for pin in here}, wheels=fetched, missing=place.missing)


def choose() -> StepRunner:
    """Return a sandbox if this host can create one, otherwise its stand-in. Raises CannotBuild if none is free now."""
    try:
        sandbox = Sandboxed(bwrap=bwrap_options.find(), python=own(()))
    except SandboxUnavailable as missing:
        return Unsandboxed(str(missing))
    try:
        sandbox.try_out()
    except (NotStarted, OSError) as missing:
        return Unsandboxed(f"Bubblewrap could not create a sandbox here: {missing}")
    except SandboxUnavailable as none:
        raise CannotBuild(str(none)) from none
    return sandbox


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _download(place: StepRunner, wheels: Path, pins: dict[str, Pin], deadline: float) -> dict[str, str]:
    pip, prefix, own = _pip()
    source = index.configured(prefix, own)

    def serve(listener: socket) -> AbstractContextManager[Relay]:
        return serving(listener, source, list(pins))

    temporary = _new(wheels.with_name("tmp"))
    listed = "".join(f"{pin.line}\n" for pin in pins.values())
    conf = source.text(direct=bool(place.missing))
    place.run(
        Step(
            script="download",
            failure="The packages could not be downloaded",
            deadline=deadline,
            writes={"wheels": wheels, "tmp": temporary},
            files={"list": listed.encode(), "conf": conf.encode(), **source.certificates()},
            pip=pip,
            seen=source.folders(pins),
            serve=serve,
        )
    )
    shutil.rmtree(temporary)
    return accept.wheels(wheels, pins)


@cache
def _pip() -> tuple[Path, Path, str]:
    """Return (folder of pip, prefix of its Python, its default index). Raises CannotBuild.

    A virtual environment may come without pip, as on Debian: then the Python that it was made from is tried.
    """
    base = BASE / "bin" / f"python{VERSION}"
    for python, prefix in {sys.executable: Path(sys.prefix), str(base): BASE}.items():
        command = [python, "-I", "-c", ASK]
        asked = subprocess.run(  # noqa: S603 the host's own Python, a text of ours
            command, capture_output=True, text=True, check=False, env=VARIABLES, stdin=subprocess.DEVNULL
        )
        if asked.returncode == 0:
            pip, own = asked.stdout.splitlines()
            return Path(pip), prefix, own
    raise CannotBuild("pip is missing. Install it (Debian: apt-get install python3-pip) and try again.")


def _check_whole(place: StepRunner, packages: Path, pins: Sequence[Pin], deadline: float) -> None:
    wanted = [{"name": pin.name, "version": pin.version, "extras": list(pin.extras)} for pin in pins]
    place.run(
        Step(
            script="whole",
            failure="The list is incomplete: pin what its packages need, too",
            deadline=deadline,
            reads={"packages": packages},
            files={"list": json.dumps(wanted).encode()},
            pip=_pip()[0],
        )
    )


def _put_together(folder: Path, packages: Path) -> None:
    """Lay out the environment as runner/host/interpreter.py expects it: packages, and the Python that they are for."""
    library = folder / "lib" / f"python{VERSION}"
    library.mkdir(parents=True)
    packages.rename(library / "site-packages")
    version = ".".join(map(str, sys.version_info[:3]))
    text = f"home = {BASE / 'bin'}\nversion = {version}\n"
    (folder / "pyvenv.cfg").write_text(text, encoding="utf-8")
