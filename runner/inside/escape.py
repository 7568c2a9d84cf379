"""The self-test's part inside the sandbox: try every known way to break out and write what succeeded as JSON.

Runs as submitted code. An empty list means that every layer held.
"""

import _socket
import ctypes
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
TARGET = json.loads(os.environ["WEIR_PARAMETERS"])
NEW_USER, TRACE_ME = 0x10000000, 0
KNOWN_VARIABLES = {"HOME", "LANG", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "PWD", "TMPDIR", "TZ", "USER"}
KNOWN_PREFIXES = ("WEIR_", "MPL", "JOBLIB", "OMP_", "OPENBLAS", "MKL_", "NUMEXPR", "POLARS", "RAYON")


def reaches_network() -> bool:
    """Connect to a listener on the host's loopback interface."""
    try:
        _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM).connect(("127.0.0.1", TARGET["port"]))
    except OSError:
        return False
    return True


def opens_a_socket() -> bool:
    """Open any socket that could talk to the host: internet, netlink, vsock, Unix."""
    for family in (_socket.AF_INET, _socket.AF_INET6, _socket.AF_NETLINK, 40, _socket.AF_UNIX):
        try:
            _socket.socket(family, _socket.SOCK_STREAM)
        except OSError:
            continue
        return True
    return False


def reads_outside() -> bool:
    """Find a file of the host, by its path and by going up."""
    path = TARGET["canary"]
    return any(os.path.exists(place) for place in (path, f"/../..{path}", f"/proc/1/root{path}"))


def writes_outside() -> bool:
    """Write anywhere except in the three writable folders."""
    for folder in ("/", "/usr", "/python", "/environment", "/weir", "/data", "/dev", "/code.py"):
        try:
            os.close(
                os.open(f"{folder}/planted" if folder != "/code.py" else folder, os.O_WRONLY | os.O_CREAT)
            )
        except OSError:
            continue
        return True
    return False


def sees_processes() -> bool:
    """See or signal a process of the host."""
    if not TARGET["own_kernel"] and (os.path.exists("/proc/self") or os.getppid() != 1):
        return True
    try:
        os.kill(TARGET["pid"], 0)
    except OSError:
        return False
    return bool(TARGET["pid"] > 1000)


def makes_namespaces() -> bool:
    """Become root in a new user namespace."""
    return bool(LIBC.unshare(NEW_USER) == 0)


def traces() -> bool:
    return bool(LIBC.ptrace(TRACE_ME, 0, 0, 0) == 0)


def executes() -> bool:
    """Start another program."""
    child = os.fork()
    if child == 0:
        try:
            os.execv(sys.executable, ["python", "-c", "pass"])  # noqa: S606
        except OSError:
            os._exit(77)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 77


def holds_privileges() -> bool:
    """Hold a capability, or be another user than the sandbox's."""
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    return os.getuid() == 0 or LIBC.capget(header, data) != 0 or any(data)


def has_open_files() -> bool:
    """Have inherited a file of the host: only the standard streams and the control socket are allowed."""
    count = 0
    for number in range(3, 256):
        try:
            os.fstat(number)
        except OSError:
            continue
        count += 1
    return count > 1


def reads_environment() -> bool:
    """Read a variable of the worker's environment."""
    return any(name not in KNOWN_VARIABLES and not name.startswith(KNOWN_PREFIXES) for name in os.environ)


def starts_too_many() -> bool:
    """Start more processes than allowed."""
    children = []
    try:
        for _ in range(TARGET["pids"] + 8):
            child = os.fork()
            if child == 0:
                LIBC.pause()
            children.append(child)
    except OSError:
        return False
    finally:
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)
    return True


ATTEMPTS: tuple[Callable[[], bool], ...] = (
    reaches_network,
    opens_a_socket,
    reads_outside,
    writes_outside,
    sees_processes,
    makes_namespaces,
    traces,
    executes,
    holds_privileges,
    has_open_files,
    reads_environment,
    starts_too_many,
)

Path("/out/escaped.json").write_text(json.dumps([attempt.__name__ for attempt in ATTEMPTS if attempt()]))
