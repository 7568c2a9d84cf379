"""A small process that starts sandboxes for a worker under root: a script whose argument is the number of a socket.

Forking a worker copies the page tables of some hundred megabytes; this process has ten. What it starts is still the
worker's own child (CLONE_PARENT): the worker waits for it, and it dies with the worker.
"""

import array
import ctypes
import marshal
import os
import platform
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any

CLONE = {"x86_64": 56, "aarch64": 220}
CLONE_PARENT = 0x8000
NEW_MOUNTS = 0x00020000
BIND, RECURSIVE, PRIVATE = 4096, 16384, 1 << 18
REQUEST_BYTES = 2**17
DESCRIPTORS = 64
LIBC = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    words = [word.encode() for word in (source, target, kind)]
    _checked(LIBC.mount(*words, ctypes.c_ulong(flags), options.encode()), f"mount {source} on {target}")


def _show(place: str, mounts: Sequence[tuple[str, str, bool]]) -> None:
    """Enter a new mount namespace and bind each (source, target, whether it is a folder) below `place`."""
    _checked(LIBC.unshare(NEW_MOUNTS), "unshare")
    _mount("none", "/", "", RECURSIVE | PRIVATE, "")
    _mount("tmpfs", place, "tmpfs", 0, "mode=0711,size=65536")
    for source, target, is_folder in mounts:
        if is_folder:
            os.mkdir(target, 0o711)  # noqa: PTH102 as little as possible before the program
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o444))
        _mount(source, target, "", BIND, "")


def enter(uid: int, place: str, mounts: Sequence[tuple[str, str, bool]]) -> None:
    """Become this user for good, with these mounts in view."""
    if mounts:
        _show(place, mounts)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _arrange(received: list[int], wanted: list[int]) -> None:
    """Give each descriptor the number that it had in the worker, and close all others."""
    high = max(*received, *wanted) + 1
    for place, number in enumerate(received):
        os.dup2(number, high + place, inheritable=False)
    for place, number in enumerate(wanted):
        os.dup2(high + place, number)
    last = 2  # the three standard streams are always wanted
    for number in sorted(number for number in wanted if number > last):
        os.closerange(last + 1, number)
        last = number
    os.closerange(last + 1, high + len(received))


def _begin(job: dict[str, Any], received: list[int]) -> None:
    """In the new process: become the run's user with its own view, and execute the program."""
    _arrange(received, job["numbers"])
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    enter(job["uid"], job["place"], job["mounts"])
    os.chdir("/")
    os.execve(job["program"], job["arguments"], job["environment"])  # noqa: S606 our own program


def _start(data: bytes, received: list[int]) -> int:
    job = marshal.loads(data)  # noqa: S302 from the worker alone
    flags = ctypes.c_long(CLONE_PARENT | signal.SIGCHLD)
    none = [ctypes.c_long(0)] * 4
    child: int = _checked(LIBC.syscall(ctypes.c_long(CLONE[platform.machine()]), flags, *none), "clone")
    if child == 0:
        try:
            _begin(job, received)
        except Exception as bad:  # noqa: BLE001 written where the sandbox's own errors are read
            os.write(2, f"{bad}\n".encode())
        finally:
            os._exit(127)
    return child


def serve(control: socket.socket) -> None:
    """Serve requests until the worker closes the socket."""
    while True:
        data, rights, _, _ = control.recvmsg(REQUEST_BYTES, socket.CMSG_SPACE(4 * DESCRIPTORS))
        if not data:
            return
        received = array.array("i", b"".join(packed for _, _, packed in rights)).tolist()
        try:
            answer = _start(data, received)
        except OSError as bad:
            answer = -(bad.errno or 1)
        for number in received:
            os.close(number)
        control.send(struct.pack("=i", answer))


if __name__ == "__main__":
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # from a terminal it reaches the whole group; the worker decides
    serve(socket.socket(fileno=int(sys.argv[1])))
