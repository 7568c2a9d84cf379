"""Find what a Python needs of the host to run in a sandbox: its own files, the C library, and packages."""

import platform
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from runner.contract import SandboxUnavailable

LOADERS = {
    "x86_64": "/lib64/ld-linux-x86-64.so.2",
    "aarch64": "/lib/ld-linux-aarch64.so.1",
}
SHARED_PREFIXES = (Path("/usr"), Path("/usr/local"))
ZONES = Path("/usr/share/zoneinfo")
PYTHON = "/python"
PACKAGES = "/environment"
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
"""Of the Python that runs this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python for the inside: its mounts (host path, path inside), links and empty folders."""

    version: str
    command: str
    mounts: tuple[tuple[Path, str], ...]
    links: tuple[tuple[str, str], ...]
    empty: tuple[str, ...]
    library_path: str

    @property
    def same_as_ours(self) -> bool:
        """Whether code compiled by this process runs in it."""
        return self.version == VERSION


def _config(environment: Path) -> dict[str, str]:
    file = environment / "pyvenv.cfg"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as bad:
        raise SandboxUnavailable(
            f"There is no code environment at {environment}. Build it: python -m runner.environments build default"
        ) from bad
    pairs = (line.partition("=") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _base(environment: Path) -> tuple[Path, str]:
    """Return the prefix and the version of the Python that the environment was built with."""
    config = _config(environment)
    version = ".".join(config.get("version", "").split(".")[:2])
    home = Path(config.get("home", ""))
    binary = home / f"python{version}"
    if not binary.exists():
        raise SandboxUnavailable(
            f"The Python of the code environment, {binary}, is gone. Build the environment again."
        )
    return binary.resolve().parent.parent, version


def _python_mounts(prefix: Path, version: str) -> list[tuple[Path, str]]:
    name = f"python{version}"
    library = prefix / "lib" / name
    if not (library / "os.py").is_file():
        raise SandboxUnavailable(f"The standard library {library} of the code environment is missing.")
    mounts = [(prefix / "bin" / name, f"{PYTHON}/bin/{name}")]
    if prefix in SHARED_PREFIXES:
        shared = [
            (file, f"{PYTHON}/lib/{file.name}") for file in sorted((prefix / "lib").glob("libpython3*.so*"))
        ]
        return [*mounts, (library, f"{PYTHON}/lib/{name}"), *shared]
    return [*mounts, (prefix / "lib", f"{PYTHON}/lib")]


def _system_libraries() -> tuple[list[tuple[Path, str]], list[tuple[str, str]]]:
    """Return (mounts, links) for the C library: one folder on Debian and its derivatives, library folders elsewhere."""
    links = [(str(path.readlink()), str(path)) for path in map(Path, ("/lib", "/lib64")) if path.is_symlink()]
    triplets = [path for path in (Path("/usr/lib"), Path("/lib")) for path in _triplet(path)]
    folders = triplets or [
        path for path in map(Path, ("/usr/lib", "/usr/lib64", "/lib", "/lib64")) if path.is_dir()
    ]
    mounts = [(path, str(path)) for path in folders if path.resolve() == path]
    loader = Path(LOADERS[platform.machine()])
    place = loader.parent.resolve() / loader.name
    if not any(place.is_relative_to(path) for path, _ in mounts):
        mounts.append((place, str(place)))
    return mounts, links


def _triplet(folder: Path) -> list[Path]:
    path = folder / f"{platform.machine()}-linux-gnu"
    return [path] if path.is_dir() and path.resolve() == path else []


@cache
def interpreter(environment: Path) -> Interpreter:
    """Return the Python of a code environment, with its packages. Raises SandboxUnavailable."""
    prefix, version = _base(environment)
    packages = environment / "lib" / f"python{version}" / "site-packages"
    if not packages.is_dir():
        raise SandboxUnavailable(f"The code environment {environment} has no packages for Python {version}.")
    return _interpreter(prefix, version, [(packages, PACKAGES)])


@cache
def own(distributions: tuple[str, ...]) -> Interpreter:
    """Return this process's Python with only these of its packages. Raises SandboxUnavailable."""
    prefix = (Path(sys.base_prefix) / "bin" / f"python{VERSION}").resolve().parent.parent
    packages = [path for name in distributions for path in _installed(name)]
    return _interpreter(prefix, VERSION, [(path, f"{PACKAGES}/{path.name}") for path in packages])


def _interpreter(prefix: Path, version: str, packages: list[tuple[Path, str]]) -> Interpreter:
    if platform.machine() not in LOADERS:
        raise SandboxUnavailable(
            f"No system call table for {platform.machine()}: only x86_64 and aarch64 are supported."
        )
    system, links = _system_libraries()
    own_packages = prefix / "lib" / f"python{version}" / "site-packages"
    zones = [(ZONES, str(ZONES))] if ZONES.is_dir() else []
    return Interpreter(
        version=version,
        command=f"{PYTHON}/bin/python{version}",
        mounts=(*system, *_python_mounts(prefix, version), *zones, *packages),
        links=tuple(links),
        empty=(f"{PYTHON}/lib/python{version}/site-packages",) if own_packages.is_dir() else (),
        library_path=f"{PYTHON}/lib" if any((prefix / "lib").glob("libpython3*.so*")) else "",
    )


def _installed(distribution: str) -> list[Path]:
    """Return the top-level paths that an installed distribution owns."""
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError as bad:
        raise SandboxUnavailable(f"The package {distribution} is not installed in this Python.") from bad
    names = {file.parts[0] for file in found.files or ()}
    places = (Path(str(found.locate_file(name))) for name in sorted(names - {"..", "__pycache__"}))
    return [path for path in places if path.exists()]
