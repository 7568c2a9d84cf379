"""gVisor fulfils the contract and withstands the attacks, with its own kernel."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.contract import CloseCode, SandboxUnavailable
from runner.executors import gvisor
from runner.host.linux import process_start
from runner.host.meter import descendants
from runner.host.state import base
from tests.runner.executors.test_contract import LIMITS, ExecutorContract
from tests.runner.sandbox import drive, people
from tests.runner.sandbox.every import ATTACKS

ROOT = Path(__file__).resolve().parents[3]


def reason() -> str:
    try:
        gvisor.find()
    except SandboxUnavailable as why:
        return str(why)
    return ""


without_gvisor = pytest.mark.skipif(bool(reason()), reason=f"Not tested here: {reason()}")
pytestmark = pytest.mark.sandbox


@without_gvisor
class TestGvisor(ExecutorContract):
    executor = gvisor.GvisorExecutor()
    limits = replace(LIMITS, wall_s=120, cpu_s=120)
    """A build that catches system calls by ptrace, as Debian's does, imports the libraries slowly."""

    def test_code_sees_another_kernel(self, tmp_path: Path) -> None:
        self.run(tmp_path / "out", "import os; open('a.txt', 'w').write(os.uname().release)")
        assert (tmp_path / "out" / "a.txt").read_text() != os.uname().release

    @pytest.mark.parametrize(
        ("code", "told"),
        [
            ("while True: pass", CloseCode.TIME_LIMIT),
            ("x = bytearray(b'x') * (2 << 30)", CloseCode.MEMORY_LIMIT),
            ("open('/out/x', 'wb').write(bytes(32 << 20))", CloseCode.DISK_LIMIT),
            ("while True: print('x' * 10000)", CloseCode.OUTPUT_TOO_BIG),
            (
                "import ctypes; ctypes.CDLL(None).syscall(1000000)\nopen('x.exe', 'w').write('x')",
                CloseCode.OUTPUT_TYPE,
            ),
        ],
    )
    def test_limits(self, tmp_path: Path, code: str, told: CloseCode) -> None:
        limits = replace(LIMITS, wall_s=4, memory_mb=512)
        assert self.run(tmp_path / "out", code, limits=limits).code is told


@without_gvisor
def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_SANDBOX_STATE", str(tmp_path / "state"))
    TestGvisor().run(tmp_path / "out", "print(1)")
    assert [path.name for path in base().iterdir()] == ["runsc"]
    assert list((base() / "runsc").iterdir()) == []


WORKER = """
import sys
from pathlib import Path
from runner import gvisor, selftest
spec = selftest.spec_of("import time; time.sleep(600)", selftest.default_environment(), selftest.ATTEMPT)
with gvisor.launched(spec, lambda: print("started", flush=True)) as watch:
    watch.run()
"""


@without_gvisor
def test_killed_worker_takes_its_sandbox_along() -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, stdout=subprocess.PIPE)
    assert worker.stdout.readline() == b"started\n"
    inside = descendants(worker.pid)[1:]
    assert inside != []
    worker.kill()
    worker.wait()
    worker.stdout.close()
    deadline = time.monotonic() + 20
    while left := [pid for pid in inside if process_start(pid) is not None]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)
    gvisor.GvisorExecutor().sweep()
    assert [path for path in base().rglob("weir-*") if f"weir-{worker.pid}-" in path.name] == []


OF_ITS_OWN_KERNEL = {
    "files/sysfs", "files/environment_of_init", "files/mounts_name_host_paths", "files/block_devices_and_memory",
    "files/own_program_file", "files/descriptors_as_files", "processes/see_the_host", "kernel/load_average_file",
}  # fmt: skip
"""What these see is gVisor's: its devices, its load, the courier. Nothing of it is the host's."""
SLOW = {"resources/very_many_files"}
"""By ptrace it takes longer to make so many files than a run may take."""


@pytest.fixture(scope="module")
def attacked() -> dict[str, dict[str, Any]]:
    return {line["name"]: line for line in people.as_ourselves("--gvisor")}


@without_gvisor
@pytest.mark.slow
@pytest.mark.parametrize("name", list(ATTACKS))
def test_attack_is_held(name: str, attacked: dict[str, dict[str, Any]]) -> None:
    result = attacked[name]
    assert result["damage"] == []
    assert drive.CANARY not in result["stdout"]
    if name in SLOW:
        assert result["status"] == "failed"
    elif name in OF_ITS_OWN_KERNEL:
        assert os.uname().nodename not in result["stdout"]
    else:
        assert ATTACKS[name].judge(result) is None


@without_gvisor
@pytest.mark.slow
def test_attacks_leave_nothing(attacked: dict[str, dict[str, Any]]) -> None:
    assert attacked[""]["left"] == []


@without_gvisor
@pytest.mark.skipif(os.getuid() != 0, reason="Only root can become somebody else.")
def test_without_root() -> None:
    if people.public_python() is None:
        pytest.skip("No Python of the environment's version can be started by every user of this host.")
    names = (
        "network/tcp_to_loopback",
        "files/read_canary",
        "processes/signal_the_worker",
        "outputs/link_to_canary",
    )
    with people.readable_copy() as copy:
        lines = people.as_nobody(copy, "--gvisor", *names)
    assert [line["name"] for line in lines] == [*names, ""]
    for line in lines[:-1]:
        assert (ATTACKS[line["name"]].judge(line), line["damage"]) == (None, [])


def test_without_runsc_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_RUNSC", "/nowhere/runsc")
    with pytest.raises(SandboxUnavailable, match="runsc is not installed"):
        gvisor.find()
