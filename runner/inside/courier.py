"""The first process in a remote sandbox: runs start.py and reports what happens over a stream.

It writes frames to descriptor 1: a letter, the length, the bytes (see remote_sandbox.py). The reader trusts none of
them, because submitted code runs beside this process, under the same user.
"""

from __future__ import annotations

import _socket
import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import stat
import struct
import sys
import time

HEADER = struct.Struct("=cI")
USAGE = struct.Struct("=dQI")
WRITABLE = ["/out", "/tmp", "/dev/shm"]
FULL_BYTES = 8192
CHUNK = 2**16
TICK_MS, USAGE_S = 20, 0.25
SET_DUMPABLE, SET_CHILD_SUBREAPER = 4, 36
PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
LINE = 512


def send(kind: bytes, data: bytes) -> None:
    rest = HEADER.pack(kind, len(data)) + data
    while rest:
        rest = rest[os.write(1, rest) :]


def start(control: _socket.socket) -> tuple[int, dict[int, bytes]]:
    """Start start.py as a child. Returns its pid and the pipes of its streams with their letters."""
    out, out_far = os.pipe()
    err, err_far = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(out_far, 1)
        os.dup2(err_far, 2)
        far = os.dup(control.fileno())
        os.set_inheritable(far, True)  # noqa: FBT003
        os.execv(sys.executable, [sys.executable, "-I", "-B", "-X", "utf8", sys.argv[1], str(far)])  # noqa: S606
    os.close(out_far)
    os.close(err_far)
    return child, {out: b"o", err: b"e"}


class Courier:
    def __init__(self) -> None:
        near, far = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self.control = _socket.socket(fileno=near.detach())
        self.child, self.streams = start(far)
        far.close()
        self.report, self.is_ready, self.was_full = "", False, False
        self.poll = select.poll()
        for number in (*self.streams, self.control.fileno()):
            os.set_blocking(number, False)
            self.poll.register(number, select.POLLIN)

    def listen(self, timeout: int) -> bool:
        """Pass on what is there. Returns whether there was anything."""
        events = self.poll.poll(timeout)
        for number, _ in events:
            if number in self.streams:
                self._pass_on(number)
            else:
                self._hear()
        return bool(events)

    def _pass_on(self, number: int) -> None:
        data = os.read(number, CHUNK)
        if data:
            send(self.streams[number], data)
        else:
            self.poll.unregister(number)

    def _hear(self) -> None:
        """Read first that start.py is confined, then its last line. Descriptors sent along are dropped."""
        data = self.control.recv(LINE)
        if not data:
            self.poll.unregister(self.control.fileno())
        elif self.is_ready:
            self.report = data.decode("ascii", "replace")
        else:
            self.is_ready = True
            send(b"r", data)

    def look(self) -> None:
        for path in WRITABLE:
            state = os.statvfs(path)
            if state.f_bavail * state.f_frsize <= FULL_BYTES:
                self.was_full = True

    def attend(self) -> int:
        """Report until start.py has ended. Returns its wait status."""
        due = 0.0
        while True:
            self.listen(TICK_MS)
            self.look()
            if time.monotonic() >= due:
                due = time.monotonic() + USAGE_S
                send(b"u", usage())
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == self.child:
                return status


def usage() -> bytes:
    """Return CPU time, memory in use and tasks of everything here except this process, packed."""
    cpu = memory = tasks = 0
    own = str(os.getpid())
    for name in os.listdir("/proc"):
        if name.isdecimal() and name not in ("1", own):
            try:
                with open(f"/proc/{name}/stat", "rb") as stream:
                    fields = stream.read().rpartition(b")")[2].split()
            except OSError:  # it has just ended
                continue
            cpu += sum(int(field) for field in fields[11:15])
            memory, tasks = memory + int(fields[21]) * PAGE, tasks + int(fields[17])
    return USAGE.pack(cpu / TICKS, memory, tasks)


def end_all() -> None:
    """Kill everything except this process (and a sleeping init), before outputs are read."""
    while True:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return


def deliver(cap: int, room: int, files: int) -> None:
    """Send kind and size of each entry in the output folder, and its content if it is small enough."""
    names = sorted(os.listdir(b"/out"))
    for name in names[:files]:
        state = os.lstat(b"/out/" + name)
        wanted = stat.S_ISREG(state.st_mode) and state.st_size <= min(cap, room)
        entry = {"name": name.hex(), "mode": state.st_mode, "links": state.st_nlink, "size": state.st_size}
        content = b""
        if wanted:
            with open(b"/out/" + name, "rb") as stream:
                content = stream.read(state.st_size)
            room -= len(content)
        send(b"f", json.dumps({**entry, "sent": len(content)}).encode())
        for place in range(0, len(content), CHUNK):
            send(b"d", content[place : place + CHUNK])
    send(b".", b"")


def main() -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(SET_DUMPABLE, 0, 0, 0, 0)  # this process's files in /proc are closed to the code
    libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    cap, room, files = (int(word) for word in sys.argv[2:5])
    courier = Courier()
    try:
        status = courier.attend()
    finally:
        end_all()
    while courier.listen(0):
        pass
    courier.look()
    used = os.times()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    ending = {
        "returned": os.waitstatus_to_exitcode(status),
        "report": courier.report,
        "disk_was_full": courier.was_full,
        "cpu_s": used.children_user + used.children_system,
        "peak": peak,
    }
    send(b"s", json.dumps(ending).encode())
    deliver(cap, room, files)


main()
