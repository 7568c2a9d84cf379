"""A second code environment for tests: pandas, what it needs, and one small package of its own."""

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

from common import code_environments
from requests_app.models import CodeEnvironment
from tests import make

NAME, PACKAGE, SHA256 = "odd", "odd_package", "c" * 64
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
NEEDED = ("numpy", "numpy.libs", "pandas", "dateutil", "six.py", "tzdata", "pytz")
"""What every block imports, as far as the default environment has it."""


def offered(name: str = NAME, state: str = "ready") -> CodeEnvironment:
    """Store an environment as an admin has added it."""
    return CodeEnvironment.objects.create(
        name=name, requirements="six==1.17.0\n", by=make.admin(), state=state, sha256=SHA256
    )


def on_disk(root: Path, name: str = NAME, *, sha256: str = SHA256, package: str = PACKAGE) -> None:
    """Write the folder of an environment that has `package` only: enough to tell what it can import."""
    packages = root / name / "lib" / PYTHON / "site-packages"
    (packages / package).mkdir(parents=True)
    (packages / package / "__init__.py").write_text("VALUE = 0.75\n")
    (root / name / "weir-manifest.json").write_text(json.dumps({"sha256": sha256, "packages": {}}))


def beside_the_default(root: Path) -> None:
    """Show the default environment in `root`, with a second one beside it in which blocks can run."""
    default = code_environments.get().path
    (root / "default").symlink_to(default)
    on_disk(root)
    shutil.copyfile(default / "pyvenv.cfg", root / NAME / "pyvenv.cfg")
    source = default / "lib" / PYTHON / "site-packages"
    packages = root / NAME / "lib" / PYTHON / "site-packages"
    for name in NEEDED:
        if (source / name).is_dir():
            shutil.copytree(source / name, packages / name, copy_function=_linked)
        elif (source / name).exists():
            _linked(str(source / name), str(packages / name))


def _linked(source: str, target: str) -> None:
    """Make a hard link, or a copy on another disk."""
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)
