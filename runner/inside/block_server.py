"""The fork server: it has imported the libraries, never sees data, and forks a fresh child for each block.

A child gets its own pid, mount and IPC namespaces, its own in-memory folders, one read-only block, and memory for one
answer. Then it drops every privilege; only after that does it read the submitted code. Runs as the sandbox's main
process.

This process never waits for a block. It only starts children and reaps dead ones; the host gets a handle of each
child, enforces its limits and reads its answer.
"""

import _socket
import contextlib
import ctypes
import marshal
import mmap
import os
import select
import struct
import sys
from typing import Any

sys.path[:0] = ["/weir"]
confine: Any = __import__("confine")
block_call: Any = __import__("block_call")
preload: Any = __import__("preload")

NEW_PID, NEW_MOUNTS, NEW_IPC = 0x20000000, 0x00020000, 0x08000000
RECURSIVE, PRIVATE, NO_SUID, NO_DEV, NO_EXEC = 16384, 1 << 18, 2, 4, 8
DROP_BOUNDING, CAPABILITY_VERSION = 24, 0x20080522
FOLDERS = ("/out", "/tmp", "/dev/shm")
BLOCK, ANSWER, CONFINED = 3, 4, 5
# As in runner/host/fork_server.py
NUMBER = struct.Struct("=i")
MEMORY = struct.Struct("=qq")
MESSAGE = struct.Struct("=ii?d")
BEGUN = -1
LIBC = confine.LIBC
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]


class BlockServer:
    """Forks a child for each block, reaps dead children, and reports both."""

    def __init__(self, control: _socket.socket, job: dict[str, Any]) -> None:
        self.control = control
        self.job = job
        self.itself = os.pidfd_open(os.getpid())
        self.running: dict[int, tuple[int, int, int]] = {}
        self.poll = select.poll()
        self.poll.register(control.fileno(), select.POLLIN)

    def serve(self) -> None:
        """Serve blocks until the host closes the socket."""
        while True:
            for number, _ in self.poll.poll():
                if number != self.control.fileno():
                    self._reap(number)
                elif not self._take():
                    return

    def _take(self) -> bool:
        data, ancillary, _, _ = self.control.recvmsg(NUMBER.size, _socket.CMSG_SPACE(8))
        if not data:
            return False
        (number,) = NUMBER.unpack(data)
        block, answer = struct.unpack("=2i", ancillary[0][2][:8])
        confined, far = os.pipe()
        child = self._fork(number, (block, answer, far))
        for descriptor in (block, answer, far):
            os.close(descriptor)
        handle = os.pidfd_open(child)
        self.running[handle] = (number, child, confined)
        self.poll.register(handle, select.POLLIN)
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("=i", handle))
        self.control.sendmsg([MESSAGE.pack(number, BEGUN, False, 0.0)], [rights])  # noqa: FBT003
        return True

    def _fork(self, number: int, descriptors: tuple[int, int, int]) -> int:
        """Fork a child that is the init of a new pid namespace."""
        confine.checked(LIBC.unshare(NEW_PID), "unshare")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _be_a_block(self.job, number, descriptors)
                code = 0
            finally:
                os._exit(code)
        confine.checked(LIBC.setns(self.itself, NEW_PID), "setns")
        return child

    def _reap(self, handle: int) -> None:
        """Report how a dead child ended and its CPU time. As it is dead, neither the wait nor the read blocks."""
        number, child, confined = self.running.pop(handle)
        self.poll.unregister(handle)
        _, status, usage = os.wait4(child, 0)
        was_confined = os.read(confined, 1) == b"1"
        os.close(handle)
        os.close(confined)
        self.control.send(MESSAGE.pack(number, status, was_confined, usage.ru_utime + usage.ru_stime))


def _be_a_block(job: dict[str, Any], number: int, descriptors: tuple[int, int, int]) -> None:
    """In the child: confine it, then run the code on the block and store the answer."""
    _rearrange(descriptors)
    _fresh_folders(job)
    confine.limits(job["limits"], 0)  # the init of a namespace does not receive the warning signal
    confine.seal()
    _drop_privileges()
    confine.landlock(list(FOLDERS))
    confine.seccomp(job["filter"])
    _seed()
    size = 8 * job["output_size"]
    given = _mapped(BLOCK, os.fstat(BLOCK).st_size, mmap.PROT_READ)
    place = ctypes.addressof(_mapped(ANSWER, size + job["story_bytes"], mmap.PROT_READ | mmap.PROT_WRITE))
    os.write(CONFINED, b"1")
    for descriptor in (BLOCK, ANSWER, CONFINED):  # their numbers would reveal how many the host has opened
        os.close(descriptor)
    try:
        preload.after_fork()
        values = block_call.answer(job, memoryview(given))
    except BaseException:
        if job["story_bytes"]:
            story = block_call.story(job["story_bytes"])
            ctypes.memmove(place + size, story, len(story))
        raise
    ctypes.memmove(place, struct.pack(f"={size // 8}d", *values), size)


def _rearrange(descriptors: tuple[int, int, int]) -> None:
    """Open /dev/null as the standard streams and move block, answer and pipe to their fixed numbers."""
    nothing = os.open("/dev/null", os.O_RDWR)
    high = max(*descriptors, nothing, CONFINED) + 1
    for place, descriptor in enumerate(descriptors):
        os.dup2(descriptor, high + place)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    for place, number in enumerate((BLOCK, ANSWER, CONFINED)):
        os.dup2(high + place, number)
    confine.close_others(BLOCK, ANSWER, CONFINED)


def _fresh_folders(job: dict[str, Any]) -> None:
    """Mount new in-memory folders for this child only: what a block writes disappears with it."""
    confine.checked(LIBC.unshare(NEW_MOUNTS | NEW_IPC), "unshare")
    confine.checked(LIBC.mount(None, b"/", None, RECURSIVE | PRIVATE, None), "private mounts")
    options = f"size={job['folder_bytes']},nr_inodes=1024,mode=0700".encode()
    for folder in FOLDERS:
        confine.checked(
            LIBC.mount(b"tmpfs", folder.encode(), b"tmpfs", NO_SUID | NO_DEV | NO_EXEC, options), folder
        )
    os.chdir("/tmp")


def _empty_bounding_set() -> None:
    """Drop the bounding set, once for all children, so that no executed program could gain a capability."""
    for capability in range(64):
        if LIBC.prctl(DROP_BOUNDING, capability, 0, 0, 0) != 0:
            break


def _drop_privileges() -> None:
    confine.no_new_privileges()
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    confine.checked(LIBC.capset(header, bytes(24)), "capset")


def _seed() -> None:
    """Seed the random generators, so that a block that runs again gives the same answer. Noise is drawn outside.

    The seed is the same for all blocks: no block may learn how many started before it.
    """
    for name in ("random", "numpy.random"):
        if name in sys.modules:
            sys.modules[name].seed(0)
    if "polars" in sys.modules:
        sys.modules["polars"].set_random_seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.manual_seed(0)


def _mapped(file: int, size: int, access: int) -> Any:
    """Map a file of sealed size into memory, as bytes. Python's own mmap would keep a descriptor open."""
    place: int = LIBC.mmap(None, size, access, mmap.MAP_SHARED, file, 0)
    if place == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "no memory for a block or its answer")
    return (ctypes.c_char * size).from_address(place)


def main() -> None:
    with open("/weir/job", "rb") as stream:
        job = marshal.load(stream)
    control = _socket.socket(fileno=int(sys.argv[1]))
    confine.close_others(control.fileno())
    _empty_bounding_set()
    with contextlib.suppress(OSError):  # the host checks
        os.sched_setaffinity(0, {job["core"] if job["core"] >= 0 else LIBC.sched_getcpu()})
    own = [path for path in sys.path if path.startswith("/python/lib") and not path.endswith("site-packages")]
    sys.path[:] = [*own, "/environment"]
    folders = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in FOLDERS]
    preload.load(job["code"])
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("3i", *folders))
    control.sendmsg([f"ready {confine.landlock_version()}".encode()], [rights])
    for folder in folders:
        os.close(folder)
    first = control.recv(MEMORY.size)
    if first:  # otherwise the host has hung up
        job["limits"]["AS"], job["limits"]["DATA"] = MEMORY.unpack(first)
        BlockServer(control, job).serve()


main()
