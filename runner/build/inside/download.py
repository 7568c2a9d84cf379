"""Have pip fetch wheels. Nothing is built or installed here, and of what comes nothing is opened but metadata.

Arguments are name=value: `pip` (the folder that pip lies in), `conf`, `list`, `cert`, `client` (files), `wheels` and
`tmp` (folders to write to), `control` (the number of a socket). With `control` there is no network but a port of our
own, whose listening socket is handed to the host: there somebody answers who knows where the index is.
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
    """A port of this network, for whose callers the host answers."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    with socket.socket(fileno=control) as host:
        socket.send_fds(host, [b"ready 0"], [listener.fileno()])
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _arguments(given: dict[str, str]) -> list[str]:
    """Only wheels, and only those that are listed: what they need has to be listed too."""
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
