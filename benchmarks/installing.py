"""Other libraries to compare with, each in an environment of its own under `var/peers`, from a pinned list with hashes.

`benchmarks/peers/PACKAGE.txt` lists everything that a package needs, with hashes. What cannot have one hash on all
machines is named in `PACKAGE.unhashed.txt` and installed afterwards: PyTorch is one file with CUDA and another without.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measuring import Measure

ROOT = Path(__file__).resolve().parent.parent
ASKING = ROOT / "benchmarks" / "peers"
INSTALLED = ROOT / "var" / "peers"


def python_of(package: str) -> Path:
    return INSTALLED / package / "bin" / "python"


def is_installed(package: str) -> bool:
    """Whether its installation once ended well."""
    return (INSTALLED / package / "installed").exists()


def installed(packages: Iterable[str], *, install: bool, found: set[str]) -> Iterator[Measure]:
    """Install packages if wanted, add what is there to `found`, and yield a line about each that is not."""
    for package in sorted(set(packages)):
        why = _install(package) if install else "benchmarks/run --install installs it"
        if is_installed(package):
            found.add(package)
        else:
            yield Measure(name=package, ours=0, unit="", note=f"skipped: {why}")


def _install(package: str) -> str:
    """Install a package. Returns why it could not be, or ""."""
    if is_installed(package):
        return ""
    folder = INSTALLED / package
    pip = [str(python_of(package)), "-m", "pip", "install", "--quiet"]
    steps = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [*pip, "--require-hashes", "--no-deps", "--requirement", str(ASKING / f"{package}.txt")],
    ]
    unhashed = ASKING / f"{package}.unhashed.txt"
    if unhashed.exists():
        steps.append([*pip, "--requirement", str(unhashed)])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)  # noqa: S603 our own
        if done.returncode:
            return f"it cannot be installed: {_last_line(done.stderr)}"
    (folder / "installed").touch()
    return ""


def version_of(package: str, name: str) -> str:
    """Return the version of a distribution in the environment of a package."""
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    command = [str(python_of(package)), "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 our own
    return done.stdout.strip()


def asked(package: str, script: str, job: Mapping[str, Any], seconds: float) -> list[dict[str, Any]] | str:
    """Run a script of `benchmarks/peers` in the environment of a package: its lines of JSON, or why there are none."""
    command = [str(python_of(package)), str(ASKING / f"{script}.py"), json.dumps(job)]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds)  # noqa: S603 our own
    except subprocess.TimeoutExpired:
        return f"stopped after {seconds:,.0f} s"
    except subprocess.CalledProcessError as error:
        return f"it failed: {_last_line(error.stderr)}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no message")[:200]
