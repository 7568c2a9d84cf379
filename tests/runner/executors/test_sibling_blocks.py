"""Blocks of one call try to communicate, in every way that we know of."""

from functools import cache

import pytest

from runner.contract import Answers, Limits
from runner.executors.blocks import run_blocks
from tests.runner.executors.block_makers import column

pytestmark = pytest.mark.sandbox

QUICK = Limits(wall_s=6, cpu_s=1, memory_mb=128, pids=8)

TALKS = {
    "files": """
import os, glob
for d in ('/tmp', '/out', '/dev/shm'):
    found += len(os.listdir(d))
    open(d + '/note', 'w').write('1')
""",
    "globals": """
import builtins, numpy
found += hasattr(builtins, 'note') + hasattr(numpy, 'note')
builtins.note = numpy.note = 1
""",
    "environment": """
import os
found += 'NOTE' in os.environ
os.environ['NOTE'] = '1'
""",
    "processes": """
import os
found += os.getpid() != 1
for pid in range(2, 200):
    try:
        os.kill(pid, 0)
        found += 1
    except OSError:
        pass
""",
    "forks": """
import os
try:
    os.fork()
    found += 1
except OSError:
    pass
""",
    "locks": """
import os, fcntl
f = os.open(os.__file__, os.O_RDONLY)
g = os.open(os.__file__, os.O_RDONLY)
fcntl.flock(f, 6)
try:
    fcntl.flock(g, 6)
except OSError:
    found += 1
""",
    "messages": """
import ctypes
found += ctypes.CDLL(None).msgget(77, 0o1666) >= 0
""",
    "shared memory": """
import ctypes
found += ctypes.CDLL(None).shmget(77, 4096, 0o1666) >= 0
""",
    "sockets": """
import socket
try:
    socket.socket(socket.AF_UNIX)
    found += 1
except OSError:
    pass
""",
    "descriptors": """
import os
for n in range(3, 64):
    try:
        os.fstat(n)
        found += 1
    except OSError:
        pass
""",
    "block": """
import os
try:
    found += os.pwrite(3, b'note', 0)
except OSError:
    pass
""",
    "privileges": """
import ctypes
l = ctypes.CDLL(None)
found += l.unshare(0x20000) == 0
found += l.mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0
found += l.setns(3, 0) == 0
""",
    "waiting on a place in a shared file": """
import ctypes, mmap, os, struct, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
place = ctypes.c_void_p(libc.mmap(None, 4096, 1, 1, os.open(os.__file__, os.O_RDONLY), 0))
value = ctypes.c_uint.from_address(place.value).value
number = 202 if os.uname().machine == 'x86_64' else 98
end = time.monotonic() + 0.5
while time.monotonic() < end:
    found += libc.syscall(number, place, 0, value, struct.pack('qq', 0, 10_000_000), None, 0) == 0
    found += libc.syscall(number, place, 1, 1, None, None, 0) > 0
""",
    "how many threads there may be": """
import threading, time
event = threading.Event()
found = -7
try:
    while found < 300:
        threading.Thread(target=event.wait, daemon=True).start()
        found += 1
except RuntimeError:
    pass
time.sleep(0.2)
""",
    "how many timers there may be": """
import ctypes, os, time
number = 222 if os.uname().machine == 'x86_64' else 107
while ctypes.CDLL(None).syscall(number, 1, None, ctypes.byref(ctypes.c_int())) == 0:
    found += 1
time.sleep(0.2)
""",
    "how many signals may wait": """
import os, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
import ctypes
while found < 5000 and ctypes.CDLL(None).sigqueue(os.getpid(), int(signal.SIGRTMIN), None) == 0:
    found += 1
time.sleep(0.2)
""",
    "how much fits into a pipe": """
import os, socket
for make in (os.pipe, socket.socketpair):
    try:
        make()
        found += 1
    except OSError:
        pass
""",
    "numbers of what was made": """
import os
try:
    os.fstat(3)
    found += 1
except OSError:
    pass
""",
    "hints on a shared file": """
import fcntl, os, struct
file = os.open(os.__file__, os.O_RDONLY)
for request in (1036, 1035):
    try:
        found += fcntl.fcntl(file, request, struct.pack('Q', 3)) != bytes(8)
    except OSError:
        pass
""",
    "free space of the disk": """
import os
try:
    found += os.statvfs(os.__file__).f_blocks
except OSError:
    pass
""",
    "libraries": """
import sys, os
for d in sys.path:
    try:
        open(os.path.join(d, 'note'), 'w')
        found += 1
    except OSError:
        pass
""",
}


TALKS["memory that no process holds"] = """
import mmap
for flags in (mmap.MAP_SHARED, mmap.MAP_SHARED | 2):
    try:
        mmap.mmap(-1, 4096, flags=flags | mmap.MAP_ANONYMOUS)
        found += 1
    except PermissionError:
        pass
"""


@cache
def notes() -> dict[str, tuple[Answers, tuple[str, ...]]]:
    """The blocks of all ways, three for each, run in one go."""
    ways = ""
    for number, text in enumerate(TALKS.values()):
        body = "".join(f"    {line}\n" for line in text.strip().splitlines())
        ways += f"def way_{number}():\n    found = 0\n{body}    return found\n"
    code = f"{ways}\ndef main(t):\n    return globals()['way_%d' % t.way[0]]()\n"
    blocks = [{"way": column([number // 3], "whole")} for number in range(3 * len(TALKS))]
    answers, report = run_blocks(code, blocks, 1, QUICK)
    assert report.servers == 1
    return {
        way: (answers[3 * number : 3 * number + 3], report.ends[3 * number : 3 * number + 3])
        for number, way in enumerate(TALKS)
    }


@pytest.mark.parametrize("way", TALKS)
def test_siblings_cannot_talk(way: str) -> None:
    """Each block leaves a note in some way and counts the notes that it finds: none."""
    answers, ends = notes()[way]
    assert ends == ("ok",) * 3
    assert answers[:, 0].tolist() == [0.0] * 3
