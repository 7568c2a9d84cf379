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
NETWORK = "network"
"""What `demo` is for three portals that know each other."""
HOSPITALS = ("north", "west", "south")
"""Their names, by which portal.demo.hospitals knows them. Each has a folder of its own."""


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
        default=os.environ.get("WEIR_STATE"),
        metavar="DIR",
        help="folder for all data (default: var; with --network-demo var/network)",
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
    demo.add_argument(
        "--network-demo",
        action="store_const",
        const=NETWORK,
        dest="demo",
        help="start three demo portals that know each other, on this port and the next two",
    )
    parser.set_defaults(demo="auto")
    chosen = parser.parse_args(arguments)
    default = ROOT / "var" / NETWORK if chosen.demo == NETWORK else ROOT / "var"
    chosen.state = (chosen.state or default).expanduser().absolute()
    return chosen


def portals(chosen: argparse.Namespace) -> list[argparse.Namespace]:
    """Return the options of each portal of the network demo.

    Each has a loopback address of its own: browsers give cookies to a host, whatever its port, and guests are named
    after the host that they come from.
    """
    return [
        argparse.Namespace(
            host=f"127.0.0.{number + 1}", port=chosen.port + number, state=chosen.state / name, demo=name
        )
        for number, name in enumerate(HOSPITALS)
    ]


def check(chosen: argparse.Namespace) -> None:
    """Raise Trouble if this start cannot succeed."""
    if chosen.demo != NETWORK:
        _check(chosen)
        return
    if chosen.host != "127.0.0.1":
        raise Trouble("The network demo is for this machine only. Start it without --host.")
    if given := [name for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL") if name in os.environ]:
        raise Trouble(f"Each portal of the network demo needs servers of its own. Unset {', '.join(given)}.")
    for each in portals(chosen):
        _check(each)


def _check(chosen: argparse.Namespace) -> None:
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
