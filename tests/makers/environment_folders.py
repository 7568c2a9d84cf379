"""Folders of code environments for tests: one package of their own, and what blocks import if they are to run there."""

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

NAME, PACKAGE, SHA256 = "odd", "odd_package", "c" * 64
PACKAGES = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
NEEDED = ("numpy", "numpy.libs", "pandas", "dateutil", "six.py", "tzdata", "pytz")
"""What every block imports, as far as the default environment has it."""


def on_disk(
    root: Path,
    name: str = NAME,
    *,
    sha256: str = SHA256,
    package: str = PACKAGE,
    text: str = "VALUE = 0.75\n",
) -> Path:
    """Write an environment that has `package` only: enough to tell what it can import. Returns its folder."""
    folder = root / name
    (folder / PACKAGES / package).mkdir(parents=True)
    (folder / PACKAGES / package / "__init__.py").write_text(text)
    (folder / "weir-manifest.json").write_text(json.dumps({"sha256": sha256, "packages": {}}))
    return folder


def beside(default: Path, root: Path, *, package: str = PACKAGE, text: str = "VALUE = 0.75\n") -> Path:
    """Write an environment in which blocks can run, with what they need from the default one. Returns its folder."""
    folder = on_disk(root, package=package, text=text)
    shutil.copyfile(default / "pyvenv.cfg", folder / "pyvenv.cfg")
    source, target = default / PACKAGES, folder / PACKAGES
    for name in NEEDED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, copy_function=_linked)
        elif (source / name).exists():
            _linked(str(source / name), str(target / name))
    return folder


def _linked(source: str, target: str) -> None:
    """Make a hard link, or a copy on another disk."""
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)
