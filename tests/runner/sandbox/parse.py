"""Run the stand-in through runner.parsing, observe it from outside, and print what was seen.

Runs as the current user, who may have no rights at all. It needs no packages, so any Python will do.
"""

import contextlib
import json
import os
import socket
import sys
import tempfile
from pathlib import Path

from runner import parsing
from runner.contract import Limits
from runner.host import meter

LIMITS = Limits(wall_s=30, cpu_s=20, memory_mb=256, pids=16, output_mb=1, log_mb=0.1)
WATCHED = ("Seccomp", "CapEff", "CapPrm", "NoNewPrivs")
SPACES = ("user", "pid", "net", "mnt", "ipc", "uts")


def stand_in(folder: Path, **given: object) -> parsing.Parsing:
    file, room = folder / "file", folder / "room"
    file.write_text("person,wage\n1,2\n")
    room.mkdir(mode=0o700)
    return parsing.Parsing(
        modules={"parser": Path(__file__).with_name("stand_in.py")},
        call="parser",
        packages=(),
        file=file,
        limits=LIMITS,
        parameters=given,
        room=parsing.Room(room, 2**20),
    )


def look(seen: dict[str, object]) -> None:
    """Inspect the parser's process from outside."""
    for pid in meter.descendants(os.getpid()):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            if status["Name"].startswith("python") and status["NSpid"].split()[1:] not in ([], ["1"]):
                seen["status"] = {name: status[name].strip() for name in WATCHED}
                with contextlib.suppress(PermissionError):  # its own user cannot look into it
                    seen["shared"] = [name for name in SPACES if space(str(pid), name) == space("self", name)]


def space(pid: str, name: str) -> Path:
    return Path(f"/proc/{pid}/ns/{name}").readlink()


def main() -> None:
    seen: dict[str, object] = {}

    def heard(share: float) -> bool:
        look(seen)
        seen["share"] = share
        return True

    with tempfile.TemporaryDirectory() as name, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        canary = Path(name, "another-upload.part")
        canary.write_text("secret")
        paths = [
            str(canary),
            str(canary.parent),
            "/etc/passwd",
            "/proc/self",
            "/sys",
            "/home",
            "/root",
            "/var",
        ]
        work = stand_in(Path(name), paths=paths, port=listener.getsockname()[1], seconds=2.5)
        seen["answer"] = parsing.parse(work, heard)
        assert work.room is not None
        kept = parsing.take(work.room.path, "table", most=100)
        status = kept.stat()
        seen["kept"] = [kept.read_text(), status.st_uid == os.getuid(), oct(status.st_mode & 0o777)]
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
