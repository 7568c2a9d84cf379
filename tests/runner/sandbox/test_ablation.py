"""Remove one layer: what still holds, and what depends on that layer alone."""

import pytest

from runner.host.cgroups import parents
from tests.runner.sandbox import people
from tests.runner.sandbox.every import ATTACKS
from tests.runner.sandbox.test_attacks import CONTROLLED, COUNTED

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
    *("files/wait_on_a_shared_page", "files/push_out_shared_pages", "files/hint_on_a_shared_file"),
    *("files/free_space_of_the_hosts_disk", "network/descriptor_through_a_socket"),
    *("files/extended_attributes", "files/flush_every_disk", "files/lease_on_shared_files"),
    *("processes/trace_a_child", "processes/trace_the_parent", "processes/descriptor_of_init"),
    *("processes/read_memory_of_init", "processes/execute_from_memory"),
    *(name for name in ATTACKS if name.startswith("kernel/")),
}


STARTING = {"network/descriptor_through_a_socket", "kernel/options_of_a_process", "kernel/another_filter"}
"""What our own start-up must be able to do: send descriptors, forbid core dumps, load the second filter."""


def got_through(*arguments: str) -> set[str]:
    """The attacks that get further than they should. None of them has touched the host."""
    lines = [line for line in people.as_ourselves(*arguments) if line["name"]]
    assert [line["damage"] for line in lines if line["damage"]] == []
    return {line["name"] for line in lines if ATTACKS[line["name"]].judge(line)}


def test_without_landlock_everything_holds() -> None:
    assert got_through("--without-landlock", *CONTROLLED) == set()


def test_without_seccomp_the_host_is_still_out_of_reach() -> None:
    assert got_through("--without-seccomp", *CONTROLLED) <= SECCOMP_ALONE


def test_either_filter_holds_without_the_other() -> None:
    assert got_through("--without-first-filter", *CONTROLLED) == set()
    assert got_through("--without-second-filter", *CONTROLLED) == STARTING


@pytest.mark.skipif(parents() is None, reason="Without control groups, resource limits are the only ones.")
def test_without_resource_limits_groups_hold() -> None:
    told_otherwise = {"resources/giant_hole"}  # refused for its size when it comes out
    assert got_through("--without-limits", *COUNTED) <= told_otherwise
