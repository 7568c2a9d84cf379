"""The positive control: run attacks with plain Python inside a stand-in for the host, where they must succeed.

Refuses to run anywhere else: it must be root in a user namespace with the stand-in's host name.
"""

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.runner.sandbox.drive import CANARY, Host
from tests.runner.sandbox.every import ATTACKS

SECONDS = 10


def is_stand_in() -> bool:
    mapped = Path("/proc/self/uid_map").read_text().split()
    return os.uname().nodename == "stand-in" and mapped[:1] == ["0"] and mapped[2] == "1"


def apart() -> None:
    """A mount namespace for each attack, so that one does not spoil the stand-in for the next."""
    libc = ctypes.CDLL(None)
    assert libc.unshare(0x00020000) == 0
    assert libc.mount(b"none", b"/", None, 16384 | (1 << 18), None) == 0


def seen(name: str, host: Host, folder: Path) -> dict[str, object]:
    """Whether the attack got somewhere."""
    script = folder / "attack.py"
    script.write_text(ATTACKS[name].source)
    data = folder / "data"
    data.mkdir(exist_ok=True)
    (data / "wages.csv").write_text("person,wage\n1,10\n")
    with contextlib.suppress(subprocess.TimeoutExpired):
        return _attack(name, host, script)
    return {"name": name, "seen": False, "output": "it took too long"}


def _attack(name: str, host: Host, script: Path) -> dict[str, object]:
    folder = script.parent
    done = subprocess.run(
        [sys.executable, "-B", str(script)],
        env={
            "WEIR_PARAMETERS": json.dumps(host.target()),
            "WEIR_DATA": str(folder / "data"),
            "WEIR_OUT": str(folder),
            "WEIR_TEST_SECRET": CANARY,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        pass_fds=[os.open("/", os.O_RDONLY)],
        preexec_fn=apart,
    )
    return {"name": name, "seen": "BREACHED" in done.stdout, "output": (done.stdout + done.stderr)[-400:]}


def main(names: list[str]) -> None:
    if not is_stand_in():
        raise SystemExit("The control runs in its stand-in for a host only.")
    Path("/etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as folder:
        host = Host(Path(place))
        for name in names:
            print(json.dumps(seen(name, host, Path(folder))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
