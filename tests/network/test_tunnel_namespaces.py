"""The tunnel itself: three portals and a stranger, each a network namespace with a WireGuard of its own.

The files are those that the portal writes. A service that listens on a portal's address in the tunnel answers the
members through the tunnel, and nobody else, and not beside it.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile

import pytest

from network import tunnels
from network.tunnels import Endpoint, Member

APPLY = Path(__file__).parents[2] / "deploy" / "systemd" / "apply-wireguard"
TOOLS = ("ip", "wg", "wg-quick", "wireguard-go")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes network namespaces"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
PORT, SERVICE = 51820, 8000
SERVE = f"""
import http.server, socket, sys
class Server(http.server.HTTPServer):
    address_family = socket.AF_INET6
Server((sys.argv[1], {SERVICE}), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
ASK = f"""
import socket, sys
try:
    socket.create_connection((sys.argv[1], {SERVICE}), timeout=float(sys.argv[2])).close()
except OSError:
    sys.exit(1)
"""


class Host:
    """A machine with an outer address, and WireGuard with a key of its own."""

    def __init__(self, number: int, tag: str, folder: Path) -> None:
        self.name, self.outer = f"weir-{tag}-{number}", f"198.51.100.{number}"
        self.folder = folder / self.name
        self.folder.mkdir(mode=0o700)
        private = subprocess.run(["wg", "genkey"], capture_output=True, check=True).stdout
        self.key = self.folder / "weir.key"
        self.key.write_bytes(private)
        self.key.chmod(0o600)
        public = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, check=True).stdout
        self.member = Member(tunnels.key(public.decode().strip()), Endpoint(self.outer, PORT))
        self.interface = f"w{tag}{number}"  # their sockets share one folder

    def run(self, *command: str, check: bool = True) -> bool:
        """Run a command in this machine's namespace. Returns whether it succeeded."""
        env = {**os.environ, "WG_QUICK_USERSPACE_IMPLEMENTATION": "wireguard-go"}
        full = ["ip", "netns", "exec", self.name, *command]
        with TemporaryFile("w+") as said:  # a pipe would stay open as long as WireGuard's process has it
            code = subprocess.call(full, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=env)
            said.seek(0)
            assert not check or code == 0, f"{' '.join(command)}\n{said.read()}"
        return code == 0

    def join(self, members: list[Member]) -> None:
        """Start the tunnel with the file that the portal exports."""
        good, left_out = tunnels.distinct(self.member.public, members)
        assert not left_out
        file = self.folder / f"{self.interface}.conf"
        file.write_text(tunnels.quick_file(self.member.public, PORT, str(self.key), good))
        file.chmod(0o600)
        self.run("wg-quick", "up", str(file))

    def apply(self, members: list[Member]) -> None:
        """Change the members while the tunnel is up, as the timer does."""
        file = self.folder / "peers.conf"
        file.write_text(tunnels.peers_file(members))
        self.run(str(APPLY), self.interface, str(self.key), str(file))

    def reaches(self, address: object, *, seconds: float) -> bool:
        return self.run("python3", "-c", ASK, str(address), str(seconds), check=False)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Host]]:
    """Four machines on one wire. Each tunnel's processes and links end with the namespaces."""
    tag = token_hex(3)
    wire = f"weir-{tag}-0"
    every = [Host(number, tag, tmp_path) for number in range(1, 5)]
    with ExitStack() as leave:
        ip("netns", "add", wire)
        leave.callback(ip, "netns", "del", wire)
        ip("-n", wire, "link", "add", "wire", "type", "bridge")
        ip("-n", wire, "link", "set", "wire", "up")
        for number, host in enumerate(every, start=1):
            ip("netns", "add", host.name)
            leave.callback(ip, "netns", "del", host.name)
            ip(
                "-n",
                host.name,
                "link",
                "add",
                "outer",
                "type",
                "veth",
                "peer",
                "name",
                f"port{number}",
                "netns",
                wire,
            )
            ip("-n", wire, "link", "set", f"port{number}", "master", "wire", "up")
            ip("-n", host.name, "address", "add", f"{host.outer}/24", "dev", "outer")
            ip("-n", host.name, "link", "set", "outer", "up")
            ip("-n", host.name, "link", "set", "lo", "up")
            leave.callback(
                host.run, "wg-quick", "down", str(host.folder / f"{host.interface}.conf"), check=False
            )
        yield every


@pytest.fixture
def service(hosts: list[Host]) -> Iterator[Host]:
    """The first machine serves on its address in the tunnel."""
    first, second, third, stranger = hosts
    members = [host.member for host in (first, second, third)]
    for host in (first, second, third):
        host.join([each for each in members if each != host.member])
    stranger.join(members)  # it knows their keys, and nobody knows its own
    command = ["ip", "netns", "exec", first.name, "python3", "-c", SERVE, str(first.member.address)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while not first.reaches(first.member.address, seconds=1):
            assert time.monotonic() < until, "the service did not start"
            time.sleep(0.1)
        yield first
    finally:
        server.kill()
        server.wait()


def test_members_alone_reach_a_service_in_the_tunnel(service: Host, hosts: list[Host]):
    _first, second, third, stranger = hosts
    inside = service.member.address
    assert second.reaches(inside, seconds=10)
    assert third.reaches(inside, seconds=10)
    assert not stranger.reaches(inside, seconds=3)
    assert not second.reaches(service.outer, seconds=3)  # beside the tunnel nothing listens

    service.apply([second.member])
    assert not third.reaches(inside, seconds=3)
    assert second.reaches(inside, seconds=10)

    unknown = Member(os.urandom(32), Endpoint("nowhere.invalid", PORT))  # it keeps nobody out and nobody in
    service.apply([unknown, second.member, third.member])
    assert third.reaches(inside, seconds=20)


@pytest.mark.parametrize(
    "line",
    [
        "PostUp = touch /tmp/weir-was-here",
        "PrivateKey = x",
        "AllowedIPs = ::/0",
        "Endpoint = $(id):1",
        "[Interface]",
    ],
)
def test_root_takes_no_other_line_from_the_portal(tmp_path: Path, line: str):
    key, file = tmp_path / "weir.key", tmp_path / "peers.conf"
    key.write_text("x")
    file.write_text(f"[Peer]\n{line}\n")
    done = subprocess.run([APPLY, "weir0", key, file], capture_output=True, text=True, check=False)
    assert (done.returncode, "a line that the portal does not write" in done.stderr) == (1, True)
