"""Take one layer away: what still holds, and what hangs on that layer alone."""

import pytest

from tests.sandbox import people
from tests.sandbox.every import ATTACKS
from tests.sandbox.test_attacks import CONTROLLED

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

# Kernel surface that no namespace and no Landlock rule covers, or that works without reaching anything beyond the run.
SECCOMP_ALONE = {
    *(
        "network/udp_to_loopback",
        "network/netlink",
        "network/vsock",
        "network/raw_packets",
        "network/own_listener",
    ),
    *("network/socket_by_number", "network/socket_on_32_bit_abi"),
    *("files/open_by_handle", "files/name_to_handle", "files/watch_shared_files", "files/lock_shared_files"),
    *("files/extended_attributes", "files/flush_every_disk", "files/lease_on_shared_files"),
    *("processes/trace_a_child", "processes/trace_the_parent", "processes/descriptor_of_init"),
    *("processes/read_memory_of_init", "processes/execute_from_memory"),
    *(name for name in ATTACKS if name.startswith("kernel/")),
}


def test_without_landlock_everything_holds() -> None:
    lines = people.as_ourselves("--without-landlock", *CONTROLLED)
    got_through = {line["name"] for line in lines if line["name"] and ATTACKS[line["name"]].judge(line)}
    assert got_through == set()


def test_without_seccomp_the_host_is_still_out_of_reach() -> None:
    lines = [line for line in people.as_ourselves("--without-seccomp", *CONTROLLED) if line["name"]]
    assert {line["name"] for line in lines if ATTACKS[line["name"]].judge(line)} <= SECCOMP_ALONE
    assert [line["damage"] for line in lines if line["damage"]] == []
