"""The real web server on the test database, and ports on loopback."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from django.db import connection

from portal.launch.processes import Child, wait_until


def free_port() -> int:
    """A port that nobody listens on just now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens on this port."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def database_url(name: str = "") -> str:
    """The URL of the database with this name; without a name, of the one that this test run uses."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path="/" + quote(name or connection.settings_dict["NAME"])))


def web_command(port: int, module: str = "portal.server") -> list[str]:
    """How the web server is started."""
    return [sys.executable, "-m", module, "--port", str(port)]


@contextmanager
def web_server(port: int, log: Path, *, module: str = "portal.server", **environment: str) -> Iterator[None]:
    """The web server alone, with these variables of the environment, until the block ends."""
    env = {**os.environ, "DATABASE_URL": database_url(), **environment}
    web = Child("The web server", web_command(port, module), log, env=env)
    web.start()
    try:
        wait_until(lambda: listens(port), web, seconds=60)
        yield
    finally:
        web.signal_stop()
        web.finish()
