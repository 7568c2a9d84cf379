"""Download wheels with pip. Nothing is built or installed here, and only metadata of the wheels is opened.

Arguments are name=value: `pip` (the folder that contains pip), `conf`, `list`, `cert`, `client` (files), `wheels` and
`tmp` (folders to write to), `control` (the number of a socket). With `control` there is no network except one local
port, whose listening socket is sent to the host: a proxy there connects to the index.
"""

from __future__ import annotations

import os
import resource
import runpy
import socket
import sys

MEMORY = 2 * 2**30
LARGEST_WHEEL = 6 * 2**30
QUIET = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off"]


def _proxy(control: int) -> str:
    """Open a local port, send its socket to the host, which serves it, and return its URL."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    with socket.socket(fileno=control) as host:
        socket.send_fds(host, [b"ready 0"], [listener.fileno()])
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _arguments(given: dict[str, str]) -> list[str]:
    """Return pip's arguments: only wheels, and no dependencies, so that these must be listed, too."""
    named = ["--only-binary", ":all:", "--no-deps", "--dest", given["wheels"], "-r", given["list"]]
    for name, option in (("cert", "--cert"), ("client", "--client-cert")):
        named += [option, given[name]] if name in given else []
    named += ["--proxy", _proxy(int(given["control"]))] if "control" in given else []
    return ["pip", "download", *QUIET, *named]


def main() -> None:
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_WHEEL, LARGEST_WHEEL))
    os.environ.update(HOME=given["tmp"], TMPDIR=given["tmp"], PIP_CONFIG_FILE=given["conf"])
    sys.path.append(given["pip"])
    sys.argv[:] = _arguments(given)
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


main()
