"""A parser that a file has taken over: it looks for what it must not find and answers with what it found.

Stands in for datasets.reading.inside in tests; only who calls runner.parsing can name it.
"""

import _socket
import ctypes
import json
import os
import sys
import time
from pathlib import Path

GIVEN = json.loads(os.environ["WEIR_PARAMETERS"])
LIBC = ctypes.CDLL(None, use_errno=True)


def tried(act) -> str:
    try:
        act()
    except OSError as refused:
        return type(refused).__name__
    return "done"


def connects() -> None:
    _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM).connect(("127.0.0.1", GIVEN["port"]))


def listed(place: str) -> list[str]:
    return sorted(path.name for path in Path(place).iterdir())


def main() -> None:
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    LIBC.capget(header, data)
    found = {
        "file": Path("/data/file").read_text(),
        "reads": [path for path in GIVEN["paths"] if Path(path).exists()],
        "connects": tried(connects),
        "writes": {
            place: tried(lambda place=place: Path(place, "planted").write_text("x"))
            for place in ("/", "/data", "/environment", "/usr", "/weir")
        },
        "changes the file": tried(lambda: Path("/data/file").write_text("x")),
        "runs": tried(lambda: os.execv(sys.executable, ["python"])),  # noqa: S606 -- what is tried
        "data": listed("/data"),
        "root": [name for name in listed("/") if name not in ("usr", "lib", "lib64")],
        "variables": sorted(name for name in os.environ if "SECRET" in name or "URL" in name),
        "capabilities": any(data),
        "user": os.getuid(),
        "namespaces": LIBC.unshare(0x10000000),
    }
    sys.stdout.write("0.25\n")
    sys.stdout.flush()
    time.sleep(GIVEN["seconds"])
    Path("/room/table").write_text("result")
    found["room"] = tried(lambda: os.mkfifo("/room/pipe"))
    Path(os.environ["WEIR_OUT"], "answer").write_text(json.dumps(found))


main()
