"""WireGuard files: addresses from keys, and cards that try to write lines of their own."""

import hashlib
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network import tunnels
from network.tunnels import Endpoint, Member

KEY, OTHER, THIRD = (bytes([n]) * 32 for n in (1, 2, 3))
KEYS = st.binary(min_size=32, max_size=32)
NOT_QUITE = [text for end in "\n =#" for text in (tunnels.encoded(KEY) + end, end + tunnels.encoded(KEY))]
NOT_A_PORT = [
    "",
    ":",
    "a",
    "a:",
    "a:0",
    "a:65536",
    "a:01",
    "a:+1",
    "a: 1",
    "a:1 ",
    "a:1\n",
    "a:\u0661",
    "[::1]\n:1",
]
NOT_A_HOST = [
    f"{host}:1"
    for host in [
        *(
            "",
            "A.example",
            "a b",
            "a\nPostUp = sh",
            "-a",
            "a-",
            "a..b",
            "a.",
            "a_b",
            "a#",
            "%i",
            "1.2.3",
            "1",
        ),
        *(
            "2001:db8::1",
            "[a]",
            "[192.0.2.1]",
            "[fe80::1%eth0]",
            "fe80::1%eth0",
            "[]",
            "256.1.1.1",
            "0x7f.1",
            "a.1",
        ),
        *("a" * 64 + ".b", ("a" * 60 + ".") * 5 + "b", "[2001:db8::1]:1", "[::1"),
    ]
]


def test_an_address_is_the_prefix_and_eighty_bits_of_the_keys_hash():
    assert tunnels.address(KEY) == IPv6Address("fd77:6569:7200:72cd:6e84:22c4:7fb:6d09")
    assert tunnels.address(KEY).packed[6:] == hashlib.sha256(KEY).digest()[:10]


@given(KEYS)
def test_a_key_is_read_as_it_is_written(key: bytes):
    assert tunnels.key(tunnels.encoded(key)) == key
    assert tunnels.address(key) in tunnels.PREFIX


@pytest.mark.parametrize(
    "text",
    ["", "AAAA", "A" * 44, *(tunnels.encoded(b"k" * n) for n in (31, 33)), *NOT_QUITE],
)
def test_what_is_no_key_is_refused(text: str):
    with pytest.raises(ValueError, match="not a public key of WireGuard"):
        tunnels.key(text)


@pytest.mark.parametrize(
    "text",
    ["vpn.example.org:51820", "a:1", "192.0.2.1:65535", "[2001:db8::1]:51820", "xn--mnchen-3ya.example:443"],
)
def test_an_endpoint_is_read_as_it_is_written(text: str):
    assert str(tunnels.endpoint(text)) == text


@pytest.mark.parametrize("text", [*NOT_A_PORT, *NOT_A_HOST])
def test_what_is_no_endpoint_is_refused(text: str):
    with pytest.raises(ValueError, match="not the address of a WireGuard server"):
        tunnels.endpoint(text)


@given(st.text(max_size=80))
def test_no_endpoint_adds_a_line(text: str):
    try:
        found = tunnels.endpoint(text)
    except ValueError:
        return
    assert str(found) == text.lower() or isinstance(found.host, IPv6Address)
    assert not set(str(found)) & set("\n\r \t=#%")


def test_a_key_that_two_portals_claim_belongs_to_neither():
    members = [
        Member(OTHER, None),
        Member(THIRD, Endpoint("a.example", 1)),
        Member(OTHER, Endpoint("b.example", 2)),
    ]
    good, left_out = tunnels.distinct(KEY, members)
    assert (good, left_out) == ([members[1]], [members[0], members[2]])


def test_nobody_has_this_portals_own_key():
    assert tunnels.distinct(KEY, [Member(KEY, None)]) == ([], [Member(KEY, None)])


def test_the_whole_file():
    members = [Member(OTHER, Endpoint("vpn.example.org", 51820)), Member(THIRD, None)]
    assert tunnels.quick_file(KEY, 51821, "/etc/wireguard/weir.key", members).splitlines() == [
        "[Interface]",
        "Address = fd77:6569:7200:72cd:6e84:22c4:7fb:6d09/48",
        "ListenPort = 51821",
        "PostUp = wg set %i private-key /etc/wireguard/weir.key",
        "",
        "[Peer]",
        "PublicKey = AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
        f"AllowedIPs = {tunnels.address(OTHER)}/128",
        "Endpoint = vpn.example.org:51820",
        "PersistentKeepalive = 25",
        "",
        "[Peer]",
        "PublicKey = AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=",
        f"AllowedIPs = {tunnels.address(THIRD)}/128",
        "PersistentKeepalive = 25",
    ]


@pytest.mark.parametrize("path", ["weir.key", "/a b", "/a;sh", "/a\nPostUp = sh", "/a%i", "/$(sh)", "/"])
def test_a_path_that_a_shell_reads_otherwise_is_refused(path: str):
    with pytest.raises(ValueError, match="path of the key file"):
        tunnels.quick_file(KEY, 51820, path, [])
