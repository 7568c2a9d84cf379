"""The filters of system calls, run as the kernel does."""

import errno
import platform
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.host import seccomp
from runner.host.seccomp import Profile
from runner.host.syscalls import ALLOWED, BY_ARGUMENT, DENIED, MACHINES, START_ONLY


def action_of(machine: str, profile: Profile, number: int, *arguments: int, arch: int | None = None) -> int:
    """Run a filter as the kernel does."""
    data = struct.pack(
        "=iIQ6Q", number, arch or MACHINES[machine][0], 0, *arguments, *[0] * (6 - len(arguments))
    )
    program = list(struct.iter_unpack("=HBBI", seccomp.build(machine, profile)))
    place = accumulator = 0
    while True:
        code, yes, no, value = program[place]
        place += 1
        if code == seccomp.RETURN:
            return value
        if code == seccomp.LOAD:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == seccomp.JUMP:
            place += value
        else:
            tests = {
                seccomp.EQUAL: accumulator == value,
                seccomp.AT_LEAST: accumulator >= value,
                seccomp.ANY_BIT: bool(accumulator & value),
            }
            place += yes if tests[code] else no


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("profile", Profile)
def test_filter_knows_every_call(machine: str, profile: Profile) -> None:
    numbers = MACHINES[machine][1]
    blocked = set(seccomp.SIBLINGS_SHARE) if profile is Profile.BLOCK else set()
    for name in set(ALLOWED) & set(numbers) - blocked:
        assert action_of(machine, profile, numbers[name]) == seccomp.ALLOW, name
    own = {Profile.BLOCK_SERVER: set(seccomp.PARTING), Profile.FETCH: set(seccomp.CALLS)}.get(profile, set())
    for name in set(DENIED) & set(numbers) - own:
        assert action_of(machine, profile, numbers[name]) in (
            seccomp.ERRNO | errno.EPERM,
            seccomp.ERRNO | errno.EACCES,
        ), name
    for name in set(START_ONLY) & set(numbers):
        assert (action_of(machine, profile, numbers[name]) == seccomp.ALLOW) is profile.is_ours, name


@pytest.mark.parametrize("machine", MACHINES)
@given(number=st.integers(0, 2**30 - 1))
def test_unknown_calls_do_not_exist(machine: str, number: int) -> None:
    known = set(MACHINES[machine][1].values())
    if number not in known:
        assert action_of(machine, Profile.CODE, number) == seccomp.ERRNO | errno.ENOSYS


def test_another_abi_kills() -> None:
    assert action_of("x86_64", Profile.CODE, 1, arch=0x40000003) == seccomp.KILL
    assert action_of("x86_64", Profile.CODE, seccomp.X32 + 1) == seccomp.KILL
    assert action_of("aarch64", Profile.CODE, 1, arch=0x40000028) == seccomp.KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_a_block_may_start_threads_and_nothing_else(machine: str) -> None:
    clone = MACHINES[machine][1]["clone"]
    assert action_of(machine, Profile.BLOCK, clone, seccomp.THREAD) == seccomp.ALLOW
    refused = seccomp.ERRNO | errno.EPERM
    for flags in (0, 17, 0x4111, seccomp.THREAD | 17, seccomp.THREAD & ~0x10000, seccomp.THREAD | 0x10000000):
        assert action_of(machine, Profile.BLOCK, clone, flags) == refused
    assert action_of(machine, Profile.BLOCK, 435) == seccomp.ERRNO | errno.ENOSYS  # clone3


def test_arguments_are_judged() -> None:
    numbers = MACHINES["x86_64"][1]

    def action(name: str, *arguments: int, profile: Profile = Profile.CODE) -> int:
        return action_of("x86_64", profile, numbers[name], *arguments)

    assert action("clone", 17) == seccomp.ALLOW
    assert action("clone", 0x3D0F00) == seccomp.ALLOW
    assert action("clone", 0x10000000 | 17) == seccomp.ERRNO | errno.EPERM
    assert action("ioctl", 0, 0x5412) == seccomp.ERRNO | errno.ENOTTY
    assert action("ioctl", 0, 0x5401) == seccomp.ALLOW
    assert action("socketpair", 1) == seccomp.ALLOW
    assert action("socketpair", 2) == seccomp.ERRNO | errno.EACCES
    assert action("flock", 3, 2) == seccomp.ERRNO
    assert action("fcntl", 3, 6) == seccomp.ERRNO
    assert action("fcntl", 3, 1024) == seccomp.ERRNO | errno.EPERM
    assert action("fcntl", 3, 1036) == seccomp.ERRNO | errno.EPERM
    assert action("futex", 0, 128 | 256) == seccomp.ALLOW
    assert action("futex", 0, 9 | 256) == seccomp.ERRNO | errno.EAGAIN
    assert action("futex", 0, 1) == seccomp.ERRNO
    assert action("futex", 0, 4) == seccomp.ERRNO | errno.ENOSYS
    assert action("madvise", 0, 4096, 12) == seccomp.ERRNO | errno.EINVAL
    assert action("madvise", 0, 4096, 4) == seccomp.ALLOW
    assert action("fadvise64", 3, 0, 0, 4) == seccomp.ERRNO
    assert action("sendmsg") == seccomp.ERRNO | errno.EACCES
    assert action("statfs") == seccomp.ERRNO | errno.ENOSYS
    assert action("sendmsg", profile=Profile.START) == seccomp.ALLOW
    assert action("fcntl", 3, 3) == seccomp.ALLOW
    assert action("prlimit64", 1) == seccomp.ERRNO | errno.EPERM
    assert action("prctl", 22) == seccomp.ERRNO | errno.EPERM
    assert action("prctl", 22, profile=Profile.START) == seccomp.ALLOW


def test_a_build_calls_by_the_internet_protocol_alone() -> None:
    numbers = MACHINES["x86_64"][1]
    assert action_of("x86_64", Profile.FETCH, numbers["socket"], 2) == seccomp.ALLOW
    for family in (1, 10, 16, 17, 40):  # of this host, IPv6, the kernel's, raw packets, of virtual machines
        refused = action_of("x86_64", Profile.FETCH, numbers["socket"], family)
        assert refused == seccomp.ERRNO | errno.EAFNOSUPPORT


def test_each_call_is_on_one_list() -> None:
    names = [*ALLOWED, *BY_ARGUMENT, *DENIED, *START_ONLY]
    assert len(names) == len(set(names))
    assert platform.machine() in MACHINES
