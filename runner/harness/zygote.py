"""A pristine process that has imported the libraries and never sees data: it forks a fresh child for each block.

The child gets its own pid, mount and IPC namespaces, its own memory folders, one read-only block and one pipe for its
answer; then it drops every privilege, and only then it reads the submitted code. Runs as the sandbox's main process.
"""

import _socket
import marshal
import mmap
import os
import select
import signal
import struct
import sys
import time
from typing import Any

sys.path[:0] = ["/weir"]
confine: Any = __import__("confine")

NEW_PID, NEW_MOUNTS, NEW_IPC = 0x20000000, 0x00020000, 0x08000000
RECURSIVE, PRIVATE, NO_SUID, NO_DEV, NO_EXEC = 16384, 1 << 18, 2, 4, 8
DROP_BOUNDING, CAPABILITY_VERSION = 24, 0x20080522
FOLDERS = ("/out", "/tmp", "/dev/shm")
BLOCK, ANSWER = 3, 4
HEADER = struct.Struct("=ii")  # block number, wait status (-1: its time was up)
LIBC = confine.LIBC
NEED_THREADS = ("polars", "duckdb")
"""A block has one thread. Libraries that start one when they are imported are not there, as others can tell by it."""


class Zygote:
    """The loop: take a block, fork, read the answer, tell the host."""

    def __init__(self, control: _socket.socket, job: dict[str, Any]) -> None:
        self.control = control
        self.job = job
        self.bytes = 8 * job["output_size"]
        self.itself = os.pidfd_open(os.getpid())
        self.running: dict[int, tuple[int, int, float]] = {}
        self.poll = select.poll()
        self.poll.register(control.fileno(), select.POLLIN)

    def serve(self) -> None:
        """Until the host hangs up."""
        while True:
            for number, _ in self.poll.poll(50 if self.running else None):
                if number != self.control.fileno():
                    self._finish(number)
                elif not self._take():
                    return
            self._end_late_ones()

    def _take(self) -> bool:
        data, ancillary, _, _ = self.control.recvmsg(8, _socket.CMSG_SPACE(4))
        if not data:
            return False
        (number,) = struct.unpack("=i", data)
        (block,) = struct.unpack("=i", ancillary[0][2][:4])
        read, write = os.pipe()
        child = self._fork(number, block, write)
        os.close(write)
        os.close(block)
        self.running[read] = (number, child, time.monotonic() + self.job["wall_s"])
        self.poll.register(read, select.POLLIN | select.POLLHUP)
        return True

    def _fork(self, number: int, block: int, answer: int) -> int:
        """A child that is init of a pid namespace of its own; the next child gets another."""
        confine.checked(LIBC.unshare(NEW_PID), "unshare")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _be_a_block(self.job, number, block, answer)
                code = 0
            finally:
                os._exit(code)
        confine.checked(LIBC.setns(self.itself, NEW_PID), "setns")
        return child

    def _finish(self, pipe: int) -> None:
        """Exactly the promised number of bytes and a clean end, or a failure: nothing in between."""
        answer = b""
        while len(answer) <= self.bytes:
            part = os.read(pipe, self.bytes + 1 - len(answer))
            if not part:
                break
            answer += part
        self._tell(pipe, answer)

    def _tell(self, pipe: int, answer: bytes, *, late: bool = False) -> None:
        number, child, _ = self.running.pop(pipe)
        self.poll.unregister(pipe)
        os.close(pipe)
        if late or len(answer) != self.bytes:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        good = status == 0 and len(answer) == self.bytes
        self.control.send(HEADER.pack(number, -1 if late else status) + (answer if good else b""))

    def _end_late_ones(self) -> None:
        now = time.monotonic()
        for pipe in [pipe for pipe, (_, _, end) in self.running.items() if now > end]:
            self._tell(pipe, b"", late=True)


def _be_a_block(job: dict[str, Any], number: int, block: int, answer: int) -> None:
    """In the child: shut every door, then run the code on the block and write the answer."""
    _rearrange(block, answer)
    _fresh_folders(job)
    confine.limits(job["limits"], 0)  # init of a namespace does not feel a warning
    confine.seal()
    _drop_privileges()
    confine.landlock(list(FOLDERS))
    confine.seccomp(job["filter"])
    _seed(number)
    given = _block()
    os.close(BLOCK)  # a descriptor tells more than its content: how many the host has made
    values = _answer(job, given)
    os.write(ANSWER, struct.pack(f"={len(values)}d", *values))


def _rearrange(block: int, answer: int) -> None:
    nothing = os.open("/dev/null", os.O_RDWR)
    block, answer = os.dup(block), os.dup(answer)  # out of the way of the numbers they are to have
    high = max(block, answer, nothing, ANSWER) + 1
    os.dup2(block, high)
    os.dup2(answer, high + 1)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.dup2(high, BLOCK)
    os.dup2(high + 1, ANSWER)
    confine.close_others(BLOCK, ANSWER)


def _fresh_folders(job: dict[str, Any]) -> None:
    """Own mounts and own memory folders: what a block writes goes with it."""
    confine.checked(LIBC.unshare(NEW_MOUNTS | NEW_IPC), "unshare")
    confine.checked(LIBC.mount(None, b"/", None, RECURSIVE | PRIVATE, None), "private mounts")
    options = f"size={job['folder_bytes']},nr_inodes=1024,mode=0700".encode()
    for folder in FOLDERS:
        confine.checked(
            LIBC.mount(b"tmpfs", folder.encode(), b"tmpfs", NO_SUID | NO_DEV | NO_EXEC, options), folder
        )
    os.chdir("/tmp")


def _empty_bounding_set() -> None:
    """Once, for every child: nobody here ever executes a program that could gain a capability."""
    for capability in range(64):
        if LIBC.prctl(DROP_BOUNDING, capability, 0, 0, 0) != 0:
            break


def _drop_privileges() -> None:
    confine.no_new_privileges()
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    confine.checked(LIBC.capset(header, bytes(24)), "capset")


def _seed(number: int) -> None:
    """The same block gives the same answer again; noise is drawn outside the sandbox only."""
    for name in ("random", "numpy.random"):
        if name in sys.modules:
            sys.modules[name].seed(number)


def _answer(job: dict[str, Any], given: Any) -> list[float]:
    source = job["code"]
    space: dict[str, Any] = {"__name__": "request", "__builtins__": __builtins__}
    exec(compile(source, "/code.py", "exec", dont_inherit=True), space)  # noqa: S102
    function = space.get("block") or space["main"]
    answer = function(given)
    answer = answer.tolist() if hasattr(answer, "tolist") else answer
    values = [float(value) for value in (answer if isinstance(answer, (list, tuple)) else [answer])]
    if len(values) != job["output_size"]:
        raise ValueError("The answer has another length than was declared.")
    return values


def _block() -> Any:
    """The block: an array, or a table of columns as a DataFrame."""
    numpy = sys.modules["numpy"]
    size = os.fstat(BLOCK).st_size
    area = mmap.mmap(BLOCK, size, prot=mmap.PROT_READ)
    (length,) = struct.unpack("=q", area[:8])
    described = marshal.loads(area[8 : 8 + length])
    columns = {
        name: numpy.frombuffer(area, dtype=dtype, count=count, offset=offset).reshape(shape)
        for name, dtype, count, offset, shape in described
    }
    if None in columns:
        return columns[None].copy()
    return sys.modules["pandas"].DataFrame(columns, copy=True)


def _warm_up(*, tables: bool) -> None:
    """Import and use once what libraries load late, so that no child pays for it."""
    numpy: Any = __import__("numpy")
    numpy.random.default_rng(0).normal(size=3).mean()
    numpy.linalg.lstsq(numpy.eye(2), numpy.ones(2), rcond=None)
    if tables:
        pandas: Any = __import__("pandas")
        toy = pandas.DataFrame({"a": [1, 1, 2], "b": [1.0, 2.0, 3.0]})
        toy.groupby("a").b.mean()
        toy.merge(toy, on="a").describe()


def main() -> None:
    with open("/weir/job", "rb") as stream:
        job = marshal.load(stream)
    control = _socket.socket(fileno=int(sys.argv[1]))
    confine.close_others(control.fileno())
    _empty_bounding_set()
    own = [path for path in sys.path if path.startswith("/python/lib") and not path.endswith("site-packages")]
    sys.path[:] = [*own, "/environment"]
    folders = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in FOLDERS]
    sys.modules.update(dict.fromkeys(NEED_THREADS))  # type: ignore[arg-type]
    _warm_up(tables=job["tables"])
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("3i", *folders))
    control.sendmsg([f"ready {confine.landlock_version()}".encode()], [rights])
    for folder in folders:
        os.close(folder)
    Zygote(control, job).serve()


main()
