"""Connect to anything. The only targets are listeners that the test itself opened on loopback."""

from tests.runner.sandbox.attacks import collected

ATTACKS = collected(
    "network",
    {
        "tcp_to_loopback": (
            """
import socket
def go():
    with socket.create_connection(("127.0.0.1", TARGET["port"]), timeout=2) as s:
        return s.recv(8)
breach(quietly(go))
""",
        ),
        "udp_to_loopback": (
            """
import socket
def go():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return s.sendto(b"out", ("127.0.0.1", TARGET["udp"]))
breach(quietly(go))
""",
        ),
        "abstract_unix_socket": (
            """
import socket
def go():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(2); s.connect("\\0" + TARGET["abstract"]); return s.recv(8)
breach(quietly(go))
""",
        ),
        "unix_socket_by_path": (
            """
import socket
def go():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(2); s.connect(TARGET["socket"]); return s.recv(8)
breach(quietly(go))
""",
        ),
        "own_listener": (
            """
import socket
def go():
    s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(1); return s.getsockname()
breach(quietly(go))
""",
        ),
        "netlink": (
            """
import socket
def go():
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); s.bind((0, 0)); return s.getsockname()
breach(quietly(go))
""",
        ),
        "vsock": (
            """
import socket
breach(quietly(lambda: socket.socket(40, socket.SOCK_STREAM)))
""",
            "the host may have no vsock",
        ),
        "packets_of_a_card": (
            """
import socket
breach(quietly(lambda: socket.socket(17, socket.SOCK_RAW, 0)))
""",
        ),
        "ciphers_of_the_kernel": (
            """
import socket
breach(quietly(lambda: socket.socket(38, socket.SOCK_SEQPACKET).bind(("hash", "sha256")) or True))
""",
            "the control's kernel may be built without them",
        ),
        "descriptor_through_a_socket": (
            """
import socket
def go():
    a, b = socket.socketpair()
    socket.send_fds(a, [b"x"], [0])
    return socket.recv_fds(b, 1, 1)[1]
breach(quietly(go))
""",
        ),
        "raw_packets": (
            """
import socket
breach(quietly(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)))
""",
        ),
        "socket_by_number": (
            """
breach(reached(number(41, 198), 2, 1, 0))
breach(reached(number(41, 198), 16, 3, 0))
""",
        ),
        "socket_on_32_bit_abi": (
            """
import mmap
def go():
    # int 0x80: socketcall's number on i386 is another system call on x86_64's table.
    if os.uname().machine != "x86_64":
        return None
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("b814000000" "cd80" "c3"))  # getpid, 20
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0
breach(go())
""",
            "the control's kernel may be built without 32-bit calls",
        ),
    },
)
