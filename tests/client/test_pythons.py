"""The client's wheel in the oldest and the newest Python that it is for, with what it declares and nothing else."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import make
from tests.client import examples
from tests.client.live import AUTHOR, token
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE

CLIENT = Path(__file__).parent.parent.parent / "client"
SECONDS = 300


def interpreter(version: str) -> Path | None:
    """Return a Python of this version: that of PATH, or one of pyenv. Some of PATH are stand-ins that do not start."""
    installed = sorted((Path.home() / ".pyenv" / "versions").glob(f"*/bin/python{version}"), reverse=True)
    for path in [shutil.which(f"python{version}"), *installed]:
        if path is None:
            continue
        told = [path, "-c", "import ensurepip, sys; print(*sys.version_info[:2], sep='.')"]
        if subprocess.run(told, capture_output=True, text=True, check=False).stdout.strip() == version:
            return Path(path)
    return None


def run(*words: str | Path, env: dict[str, str]) -> str:
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(python: Path, folder: Path, env: dict[str, str]) -> Path:
    """Build the wheel, install it into a new environment with what it declares, and return its Python."""
    own, source = folder / "own" / "bin" / "python", folder / "client"
    shutil.copytree(CLIENT, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    run(python, "-m", "venv", folder / "own", env=env)
    pip: Sequence[str | Path] = (own, "-m", "pip", "--quiet")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, source, env=env)
    (wheel,) = folder.glob("weir-*-py3-none-any.whl")
    run(*pip, "install", "--no-compile", wheel, env=env)
    return own


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("version", ["3.10", "3.13"])
def test_the_client_works_in_a_bare_python(live: SimpleNamespace, version: str, tmp_path: Path):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"There is no Python {version} here, neither on PATH nor of pyenv.")
    scientist, data = make.scientist(), make.dataset(name="wages", declared={"region": {"nullable": False}})
    make.grant(data, scientist)
    shares.budget(shares.promise(data, epsilon=20.0), scientist, epsilon=10.0)
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    own = installed(python, tmp_path, plain)
    signed_in = {"WEIR_PORTAL": live.url, "WEIR_TOKEN": token(scientist, *AUTHOR)}
    printed = run(own, "-I", examples.__file__, CLIENT / "README.md", env={**plain, **signed_in})
    found = json.loads(printed.splitlines()[-1])
    assert found["python"].startswith(f"{version}.")
    assert Path(found["from"]).is_relative_to(tmp_path)
    assert (found["failed"], found["attempted"] > 40) == (0, True), printed
    assert found["people"] == pytest.approx(PEOPLE, abs=PEOPLE / 2)  # the noise is far smaller


def test_a_python_that_is_not_here_is_not_found():
    assert interpreter("3.99") is None
