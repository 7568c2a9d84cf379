"""Two concurrent runs on one host, in one environment: neither can observe anything that the other does."""

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.contract import JobSpec, Limits
from runner.executors.bubblewrap import BubblewrapExecutor
from runner.host.selftest import default_environment
from tests.runner.sandbox import drive, people
from tests.runner.sandbox.attacks import PRELUDE

pytestmark = pytest.mark.sandbox

MAP = """
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
place = ctypes.c_void_p(LIBC.mmap(None, 4096, 1, 1, os.open(os.__file__, os.O_RDONLY), 0))
value = ctypes.c_uint.from_address(place.value).value
end = time.monotonic() + 1.5
"""
SIGNS = {
    "waking who waits on a page": MAP
    + """
while time.monotonic() < end:
    found += call(number(202, 98), place, 0, value, struct.pack("qq", 0, 10_000_000), 0, 0)[0] == 0
    found += call(number(202, 98), place, 1, 1, 0, 0, 0)[0] > 0
""",
    "waiting for a thread that ends": MAP
    + """
import threading
def end_there():
    call(number(218, 96), place)  # set_tid_address: the kernel wakes who waits there when this thread ends
while time.monotonic() < end:
    try:
        threading.Thread(target=end_there).start()
    except RuntimeError:  # what ended there is never counted as ended
        time.sleep(0.05)
    found += call(number(202, 98), place, 0, value, struct.pack("qq", 0, 10_000_000), 0, 0)[0] == 0
""",
    "a lock on a library": """
import fcntl
files = [os.open(os.__file__, os.O_RDONLY) for _ in range(2)]
for turn in range(200):
    try:
        fcntl.flock(files[turn % 2], (fcntl.LOCK_EX if turn % 4 < 2 else fcntl.LOCK_UN) | fcntl.LOCK_NB)
    except OSError:
        found += 1
    time.sleep(0.005)
""",
    "a hint on a library": """
import fcntl
file = os.open(os.__file__, os.O_RDONLY)
for _ in range(100):
    for request in (1036, 1035):
        try:
            found += fcntl.fcntl(file, request, struct.pack("Q", 4)) != bytes(8)
        except OSError:
            pass
    time.sleep(0.01)
""",
    "signals, groups, priorities": """
for _ in range(100):
    for pid in range(3, 60):
        try:
            os.kill(pid, 0)
            found += 1
        except OSError:
            pass
    time.sleep(0.01)
""",
    "free space": """
answer = ctypes.create_string_buffer(256)
found += LIBC.statfs(os.__file__.encode(), answer) == 0
""",
}


def found_by(sign: str, out: Path) -> str:
    out.mkdir()
    code = f"{PRELUDE}\nfound = 0\n{SIGNS[sign]}\nopen('/out/found.txt', 'w').write(str(found))\n"
    limits = Limits(wall_s=30, cpu_s=20, memory_mb=256, pids=32)
    job = JobSpec(
        run_id=out.name, code=code, inputs={}, out=out, environment=default_environment(), limits=limits
    )
    result = BubblewrapExecutor().run(job)
    return (
        (out / "found.txt").read_text().strip() if result.code is None else f"{result.code}: {result.stderr}"
    )


def talked(sign: str, folder: Path) -> list[str]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda name: found_by(sign, folder / name), ("one", "other")))


@pytest.mark.parametrize("sign", SIGNS)
def test_neighbours_cannot_talk(sign: str, tmp_path: Path) -> None:
    assert talked(sign, tmp_path) == ["0", "0"]


@pytest.mark.parametrize("sign", ["waking who waits on a page", "a lock on a library", "free space"])
def test_seen_without_the_filter(sign: str) -> None:
    """The positive control, with every other layer in place."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.runner.sandbox.test_neighbours", sign],
        cwd=people.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert any(int(found) > 0 for found in json.loads(done.stdout))


if __name__ == "__main__":
    drive.leave_out("--without-seccomp")
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(talked(sys.argv[1], Path(place))))  # noqa: T201
