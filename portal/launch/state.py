"""The state folder: its lock (one launcher at a time), its secrets, and a folder for sockets with a short path."""

import fcntl
import json
import os
import re
import secrets
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from portal.launch.console import Trouble, say

LONGEST_SOCKET_FOLDER = 80
"""Linux limits the path of a socket to 108 bytes."""
LOG_BYTES = 20 * 1024**2
LEFTOVER_SECONDS = 30
SECRETS = ("WEIR_SECRET_KEY", "WEIR_POSTGRES_PASSWORD", "WEIR_VALKEY_PASSWORD")


@dataclass
class State:
    """A state folder, locked by this launcher until it ends."""

    path: Path
    lock: int = field(init=False, default=-1)
    settings: dict[str, str] = field(init=False, default_factory=dict)

    @property
    def file(self) -> Path:
        return self.path / "settings.json"

    def claim(self) -> None:
        """Take the lock. The servers inherit it, so it is free once the last of them has ended."""
        for name in ("", "log", "run", "static"):
            (self.path / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        self.lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + LEFTOVER_SECONDS
        waited = False
        while not self._locked():
            holder = os.pread(self.lock, 20, 0).decode()
            if _is_alive(holder) or time.monotonic() > deadline:
                raise Trouble(
                    f"Weir is already running on {self.path} (process {holder}). "
                    "Stop it first, or choose another folder with --state."
                )
            if not waited:
                say("  Waiting for the servers of a killed launcher to stop…")
            waited = True
            time.sleep(0.1)
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, str(os.getpid()).encode(), 0)

    def load(self) -> None:
        """Read the settings and generate missing secrets."""
        if self.file.is_file():
            self.settings = json.loads(self.file.read_text())
        for name in SECRETS:
            self.settings.setdefault(name, secrets.token_hex(32))

    def save(self) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump(self.settings, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self.file)

    def sockets(self) -> Path:
        """Return the folder for sockets: in the state folder, unless its path is too long or unsafe in a URL."""
        folder = self.path / "run"
        if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER and re.fullmatch(
            r"[\w/.-]+", str(folder), re.ASCII
        ):
            return folder
        return Path(tempfile.mkdtemp(prefix="weir-"))

    def log(self, name: str) -> Path:
        path = self.path / "log" / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def _locked(self) -> bool:
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _is_alive(pid: str) -> bool:
    return pid.isdecimal() and Path("/proc", pid).exists()
