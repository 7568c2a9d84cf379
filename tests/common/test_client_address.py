"""The client's address, behind our own proxies and with headers that anybody may have written."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import RequestFactory

from common.client_address import client_address, network_of
from portal import env, request_limits

PROXIES = [ip_network(text) for text in ("127.0.0.1", "10.1.0.0/16", "fd00::/8")]
CLIENT = "203.0.113.7"


def seen(settings: Any, at: str, *headers: str, proxies: Any = PROXIES) -> str:
    settings.PROXIES = proxies
    given = {"HTTP_X_FORWARDED_FOR": ",".join(headers)} if headers else {}
    found = client_address(RequestFactory().get("/", REMOTE_ADDR=at, **given))
    each = [(b"x-forwarded-for", header.encode()) for header in headers]
    assert request_limits._address({"client": [at, 1], "headers": [(b"accept", b"*/*"), *each]}) == found
    return found


@pytest.mark.parametrize(
    ("at", "headers", "expected"),
    [
        (CLIENT, [], CLIENT),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", [CLIENT], CLIENT),
        ("127.0.0.1", [f"{CLIENT}, 10.1.2.3"], CLIENT),
        ("127.0.0.1", [CLIENT, "10.1.2.3", "fd00::5"], CLIENT),
        ("::ffff:127.0.0.1", [CLIENT], CLIENT),
        ("127.0.0.1", [f"::ffff:{CLIENT}"], CLIENT),
        ("127.0.0.1", [f"{CLIENT}:52011"], CLIENT),
        ("127.0.0.1", ["2001:db8::7"], "2001:db8::7"),
        ("127.0.0.1", ["[2001:db8::7]:443"], "2001:db8::7"),
        ("127.0.0.1", ["[2001:DB8:0:0::7]"], "2001:db8::7"),
        ("127.0.0.1", ["fe80::1%eth0"], "fe80::1"),
        ("127.0.0.1", [f"  {CLIENT}  "], CLIENT),
    ],
)
def test_the_client_is_the_last_who_is_none_of_ours(
    settings: Any, at: str, headers: list[str], expected: str
) -> None:
    assert seen(settings, at, *headers) == expected


@pytest.mark.parametrize(
    ("at", "headers", "expected"),
    [
        (CLIENT, ["198.51.100.1"], CLIENT),  # nobody of ours wrote it
        (CLIENT, ["127.0.0.1"], CLIENT),
        ("127.0.0.1", ["198.51.100.1", CLIENT], CLIENT),  # the first is the client's own word
        ("127.0.0.1", ["198.51.100.1", "10.1.9.9", CLIENT], CLIENT),  # also when it names a proxy of ours
        ("127.0.0.1", ["198.51.100.1", CLIENT, "10.1.2.3"], CLIENT),
        ("127.0.0.1", ["unknown"], "127.0.0.1"),
        ("127.0.0.1", [CLIENT, "garbage"], "127.0.0.1"),  # not over the garbage
        ("127.0.0.1", [CLIENT, "_hidden", "10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["", ""], "127.0.0.1"),
        ("127.0.0.1", ["1.2.3.4.5"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.007"], "127.0.0.1"),
        ("127.0.0.1", ["0x7f000001"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.7 OR 1=1"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.7\x00"], "127.0.0.1"),
        ("127.0.0.1", ["10.1.0.1"] * 50, "10.1.0.1"),
        ("127.0.0.1", [",".join(["198.51.100.1"] * 5000), CLIENT], CLIENT),
        ("", [CLIENT], "0.0.0.0"),  # a Unix socket has no address
        ("127.0.0.1", ["10.1.2.3"], "10.1.2.3"),  # all are ours: the one furthest away
    ],
)
def test_what_a_client_writes_is_not_believed(
    settings: Any, at: str, headers: list[str], expected: str
) -> None:
    assert seen(settings, at, *headers) == expected


def test_without_proxies_no_header_counts(settings: Any) -> None:
    assert seen(settings, "127.0.0.1", CLIENT, proxies=[]) == "127.0.0.1"


def test_a_request_without_any_address_has_one_that_says_so(settings: Any) -> None:
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR=CLIENT)
    del request.META["REMOTE_ADDR"]
    assert client_address(request) == "0.0.0.0"


@pytest.mark.parametrize("name", ["X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP", "Client-IP"])
def test_other_headers_are_not_read(settings: Any, name: str) -> None:
    settings.PROXIES = PROXIES
    request = RequestFactory().get("/", REMOTE_ADDR="127.0.0.1", headers={name: CLIENT})
    assert client_address(request) == "127.0.0.1"


def test_the_setting_takes_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_PROXIES", "127.0.0.1, 10.1.0.0/16,fd00::/8")
    assert env.networks("WEIR_PROXIES") == PROXIES
    monkeypatch.delenv("WEIR_PROXIES")
    assert env.networks("WEIR_PROXIES") == []


@pytest.mark.parametrize("value", ["proxy.example", "10.1.0.1/16", "1", "127.0.0.1;10.0.0.1", "*"])
def test_the_setting_refuses_what_it_does_not_understand(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WEIR_PROXIES", value)
    with pytest.raises(env.BadSetting, match="WEIR_PROXIES must be a comma-separated list of addresses"):
        env.networks("WEIR_PROXIES")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (CLIENT, CLIENT),
        (f"::ffff:{CLIENT}", CLIENT),
        ("2001:db8::7", "2001:db8::/64"),
        ("2001:db8:0:0:ffff:1:2:3", "2001:db8::/64"),
        ("2001:db8:0:1::7", "2001:db8:0:1::/64"),
        ("nowhere", "0.0.0.0"),
    ],
)
def test_strangers_are_counted_by_their_network(address: str, network: str):
    assert network_of(address) == network
