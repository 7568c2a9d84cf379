"""Addresses of other portals: one way to write each, and public ones alone, unless the host lists them."""

import ipaddress
import socket
import threading
from typing import Any

import pytest

from common.errors import Refused
from network import addresses

PRIVATE = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("127.0.0.0/8")]


def resolving_to(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    rows = [(0, 0, 0, "", (text, 0)) for text in found]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("https://weir.example.org", "https://weir.example.org"),
        (" Weir.Example.ORG/ ", "https://weir.example.org"),
        ("https://weir.example.org:443/", "https://weir.example.org"),
        ("weir.example.org:8443", "https://weir.example.org:8443"),
        ("https://[2001:0DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://192.0.2.7", "https://192.0.2.7"),
    ],
)
def test_an_address_has_one_form(typed: str, address: str) -> None:
    assert addresses.exact(typed) == address
    assert addresses.exact(address) == address


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "https://",
        "https://weir.example.org/portal",
        "https://weir.example.org?x=1",
        "https://weir.example.org/?",
        "https://weir.example.org#top",
        "https://admin:secret@weir.example.org",
        "https://weir.example.org:0",
        "https://weir.example.org:99999",
        "https://weir_1.example.org",
        "https://-x.example.org",
        "https://münchen.example.org",
        "https://0177.0.0.1",
        "https://2130706433",
        "https://[::1",
        "ftp://weir.example.org",
        "javascript:alert(1)",
        "https://" + "a." * 120 + "org",
        "https://x.example.org\r\nHost: y",
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(Refused, match="not the address of a portal"):
        addresses.exact(typed)


def test_http_is_for_private_networks_and_the_demo(settings: Any) -> None:
    for typed in ("http://weir.example.org", "http://127.0.0.1:8000", "http://localhost:8000"):
        with pytest.raises(Refused, match="https:// only"):
            addresses.exact(typed)
    settings.NETWORK_PRIVATE = PRIVATE
    assert addresses.exact("http://10.1.2.3:8000") == "http://10.1.2.3:8000"
    with pytest.raises(Refused, match="https:// only"):
        addresses.exact("http://localhost:8000")
    settings.NETWORK_PRIVATE, settings.DEMO = [], True
    assert addresses.exact("http://127.0.0.1:8000") == "http://127.0.0.1:8000"
    assert addresses.exact("http://localhost:8000") == "http://localhost:8000"
    with pytest.raises(Refused, match="https:// only"):
        addresses.exact("http://192.168.1.1")


def test_a_public_address_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, "193.99.144.85", "2a02:2e0:3fe:1001::1")
    assert addresses.resolve("https://weir.example.org") == "193.99.144.85"


@pytest.mark.parametrize(
    "found",
    [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.168.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
    ],
)
def test_other_addresses_are_refused_also_beside_a_public_one(
    monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    for several in ((found,), ("193.99.144.85", found), (found, "193.99.144.85")):
        resolving_to(monkeypatch, *several)
        with pytest.raises(Refused, match="which is not public"):
            addresses.resolve("https://weir.example.org")


def test_the_host_lists_private_networks(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.NETWORK_PRIVATE = PRIVATE
    resolving_to(monkeypatch, "::ffff:10.0.0.1")
    assert addresses.resolve("https://weir.example.org") == "10.0.0.1"
    resolving_to(monkeypatch, "10.0.0.1", "192.168.0.1")
    with pytest.raises(Refused, match=r"192\.168\.0\.1, which is not public"):
        addresses.resolve("https://weir.example.org")


def test_an_address_that_is_written_out_is_checked_as_well() -> None:
    with pytest.raises(Refused, match=r"169\.254\.169\.254, which is not public"):
        addresses.resolve("https://169.254.169.254")
    with pytest.raises(Refused, match="::1, which is not public"):
        addresses.resolve("https://[::1]:8000")


def test_the_demo_calls_itself(settings: Any) -> None:
    settings.DEMO = True
    assert addresses.resolve("http://127.0.0.1:8000") == "127.0.0.1"


def test_a_name_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Refused, match=r"no address for weir\.example\.org"):
        addresses.resolve("https://weir.example.org")


def test_a_resolver_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(20))
    try:
        with pytest.raises(Refused, match="could not be looked up in time"):
            addresses.resolve("https://weir.example.org", seconds=0.05)
    finally:
        ended.set()
