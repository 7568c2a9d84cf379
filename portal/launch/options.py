"""Options of bin/launch, and checks of whether this machine can start it."""

import argparse
import errno
import ipaddress
import os
import shutil
import socket
from pathlib import Path

from portal.launch.console import Trouble

ROOT = Path(__file__).resolve().parent.parent.parent
STATE_BYTES = 512 * 1024**2


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bin/launch",
        description="Start Weir and everything it needs, and run until Ctrl-C.",
        epilog="Set DATABASE_URL and REDIS_URL in the environment to use existing servers.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(os.environ.get("WEIR_STATE", ROOT / "var")),
        metavar="DIR",
        help="folder for all data (default: var)",
    )
    demo = parser.add_mutually_exclusive_group()
    demo.add_argument(
        "--demo",
        action="store_const",
        const="yes",
        dest="demo",
        help="create demo people and data (default if the database is empty and the host is this machine)",
    )
    demo.add_argument("--no-demo", action="store_const", const="no", dest="demo", help="start empty")
    parser.set_defaults(demo="auto")
    chosen = parser.parse_args(arguments)
    chosen.state = chosen.state.expanduser().absolute()
    return chosen


def check(chosen: argparse.Namespace) -> None:
    """Raise Trouble if this start cannot succeed."""
    if not 0 < chosen.port < 65536:
        raise Trouble(f"{chosen.port} is not a port. Choose one between 1 and 65535.")
    port_is_free(chosen.host, chosen.port)
    folder = next(path for path in [chosen.state, *chosen.state.parents] if path.exists())
    if chosen.state.exists() and not chosen.state.is_dir():
        raise Trouble(f"{chosen.state} is a file. Choose a folder with --state.")
    if chosen.state.exists() and chosen.state.stat().st_uid != os.geteuid():
        raise Trouble(
            f"{chosen.state} belongs to another user. Start as that user, or choose a folder with --state."
        )
    if not os.access(folder, os.W_OK):
        raise Trouble(f"{folder} is not writable. Choose a folder of your own with --state.")
    free = shutil.disk_usage(folder).free
    if free < STATE_BYTES:
        raise Trouble(
            f"The disk of {folder} has {free // 1024**2} MB left, but 512 MB are needed. Free some space first."
        )


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def port_is_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Trouble(_why_not(error, host, port)) from error


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is in use. Stop the program that uses it, or choose another port: "
            f"bin/launch --port {port + 1}"
        )
    if error.errno == errno.EACCES:
        return f"Port {port} is reserved for root. Choose one above 1023: bin/launch --port 8000"
    return f"Cannot listen on {host}, port {port}: {error.strerror or error}. Choose another with --host or --port."
