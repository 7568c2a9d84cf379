"""The parts of the sandbox that can be tested without starting one."""

import builtins
import errno
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner import environments
from runner.build import CannotBuild
from runner.contract import CloseCode, Limits, SandboxUnavailable, Status
from runner.host import bwrap_options, seccomp, state
from runner.host.job import TABLE_NAME, kind_of
from runner.host.linux import process_start
from runner.host.logs import Log
from runner.host.outcome import Ended, judge
from runner.host.seccomp import Profile
from runner.host.syscalls import ALLOWED, BY_ARGUMENT, DENIED, MACHINES, START_ONLY

LIMITS = Limits(cpu_s=10)


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


def test_arguments_are_judged() -> None:
    numbers = MACHINES["x86_64"][1]

    def action(name: str, *arguments: int, profile: Profile = Profile.CODE) -> int:
        return action_of("x86_64", profile, numbers[name], *arguments)

    assert action("clone", 17) == seccomp.ALLOW
    assert action("clone", 17, profile=Profile.BLOCK) == seccomp.ERRNO | errno.EPERM
    assert action("clone", 0x3D0F00) == seccomp.ALLOW
    assert action("clone", 0x3D0F00, profile=Profile.BLOCK) == seccomp.ERRNO | errno.EPERM
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


@given(st.lists(st.binary(max_size=300), max_size=30), st.integers(8, 400))
def test_log_keeps_both_ends_and_counts_all(parts: list[bytes], limit: int) -> None:
    log = Log(limit)
    for part in parts:
        log.add(part)
    whole = b"".join(parts)
    assert log.written == len(whole)
    text = log.text()
    assert len(text) <= limit + 60
    assert not any(ord(character) < 32 and character not in "\n\t" for character in text)


def test_log_says_what_it_left_out() -> None:
    log = Log(8)
    for character in b"0123456789abcdef":
        log.add(bytes([character]))
    assert log.text() == "012345\n… 8 bytes omitted …\nef"


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (Ended(), (Status.SUCCEEDED, None, 0, None)),
        (Ended(cancelled=True, returned=137), (Status.CANCELLED, None, None, 9)),
        (Ended(stopped=CloseCode.TIME_LIMIT, returned=137), (Status.FAILED, CloseCode.TIME_LIMIT, None, 9)),
        (Ended(ready=False, returned=1), (Status.FAILED, CloseCode.INTERNAL, 1, None)),
        (Ended(returned=137, out_of_memory=True), (Status.FAILED, CloseCode.MEMORY_LIMIT, None, 9)),
        (Ended(returned=159), (Status.FAILED, CloseCode.POLICY_BLOCKED, None, 31)),
        (Ended(returned=152, cpu_s=9.9), (Status.FAILED, CloseCode.TIME_LIMIT, None, 24)),
        (Ended(returned=152, cpu_s=0.1), (Status.FAILED, CloseCode.EXIT_NONZERO, None, 24)),
        (Ended(returned=139, report="exit 139"), (Status.FAILED, CloseCode.EXIT_NONZERO, 139, None)),
        (Ended(returned=1, report="exit 0"), (Status.FAILED, CloseCode.EXIT_NONZERO, 1, None)),
        (Ended(returned=1, disk_was_full=True), (Status.FAILED, CloseCode.DISK_LIMIT, 1, None)),
        (Ended(returned=1, refused_processes=True), (Status.FAILED, CloseCode.PROCESS_LIMIT, 1, None)),
        (Ended(returned=0, out_of_memory=True), (Status.SUCCEEDED, None, 0, None)),
    ],
)
def test_outcome(ended: Ended, told: tuple[object, ...]) -> None:
    outcome = judge(ended, LIMITS, 10)
    assert (outcome.status, outcome.code, outcome.exit_code, outcome.signal) == told


@given(st.text(max_size=80))
def test_report_is_believed_in_its_vocabulary_only(report: str) -> None:
    outcome = judge(Ended(returned=1, report="exception " + report), LIMITS, 10)
    assert outcome.error_class in {*dir(builtins), ""}
    assert outcome.error_line is None or 1 <= outcome.error_line <= 10


def test_setuid_bubblewrap_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bwrap"
    path.write_text("")
    path.chmod(0o4755)
    monkeypatch.setenv("WEIR_BWRAP", str(path))
    with pytest.raises(SandboxUnavailable, match="setuid"):
        bwrap_options.find()
    monkeypatch.setenv("WEIR_BWRAP", str(tmp_path / "nothing"))
    with pytest.raises(SandboxUnavailable, match="cannot be read"):
        bwrap_options.find()


def test_state_folder_belongs_to_us_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    monkeypatch.setenv("WEIR_SANDBOX_STATE", str(folder))
    with pytest.raises(SandboxUnavailable, match="only this user can write"):
        state.base()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.setenv("WEIR_SANDBOX_STATE", str(tmp_path / "link"))
    with pytest.raises(SandboxUnavailable, match="only this user can write"):
        state.base()


def test_only_what_the_dead_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_SANDBOX_STATE", str(tmp_path / "state"))
    ours = state.base() / state.new_name()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        started = process_start(other.pid)
        theirs = state.base() / f"weir-{other.pid}-{started}-0011223344556677"
        ours.mkdir()
        theirs.mkdir()
        (theirs / "copy").write_text("x")
        state.sweep_stages()
        assert theirs.exists()
    state.sweep_stages()
    assert not theirs.exists()
    assert ours.exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "x\0", "a\nb", "-x", "x" * 200])
def test_names_of_tables(name: str) -> None:
    assert TABLE_NAME.fullmatch(name) is None


def test_kind_is_told_by_content(tmp_path: Path) -> None:
    for content, kind in ((b"PAR1xx", ".parquet"), (b"ARROW1", ".arrow"), (b"a,b\n", ".csv"), (b"", ".csv")):
        (tmp_path / "file").write_bytes(content)
        assert kind_of(tmp_path / "file") == kind


def test_environment_is_described_by_its_manifest(tmp_path: Path) -> None:
    assert environments.describe(tmp_path, "small") is None
    with pytest.raises(CannotBuild, match="not a valid"):
        environments.describe(tmp_path, "../x")
    with pytest.raises(CannotBuild, match="cannot be read"):
        environments.build("small", tmp_path / "nothing.txt", tmp_path)


def test_empty_environment_is_built_once(tmp_path: Path) -> None:
    listed = tmp_path / "small.txt"
    listed.write_text("")
    built = environments.build("small", listed, tmp_path / "root")
    assert (built.name, built.packages) == ("small", {})
    changed = (built.path / environments.MANIFEST).stat().st_mtime_ns
    environments.build("small", listed, tmp_path / "root")
    assert (built.path / environments.MANIFEST).stat().st_mtime_ns == changed
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == [".lock", "small"]


@pytest.mark.skipif(os.getuid() != 0, reason="Without root, runs have the user of the worker.")
def test_a_state_folder_that_runs_cannot_reach_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("WEIR_SANDBOX_STATE", str(closed / "state"))
    with pytest.raises(SandboxUnavailable, match="they may not enter"), state.own_uid():
        pass
