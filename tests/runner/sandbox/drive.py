"""Run attacks in the real sandbox as the current user, and print one JSON line for each.

    python -m tests.runner.sandbox.drive ENVIRONMENT [--without-LAYER | --gvisor | --by-command] [GROUP/NAME ...]

LAYER is seccomp (both filters), first-filter (from the start on), second-filter (on submitted code), landlock, or
limits (resource limits, where control groups stand behind them).

It does not need pytest, so it can run as another user, from a copy of the few files that it needs.
"""

import contextlib
import dataclasses
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from runner.contract import Capabilities, Executor, JobSpec, Limits
from runner.executors.bubblewrap import BubblewrapExecutor
from runner.executors.gvisor import GvisorExecutor
from runner.host import job, seccomp, selftest
from runner.host.cgroups import parents
from runner.host.meter import descendants
from tests.runner.sandbox.attacks import Attack
from tests.runner.sandbox.every import ATTACKS

LIMITS: dict[str, Any] = {
    "wall_s": 20,
    "cpu_s": 10,
    "memory_mb": 256,
    "pids": 32,
    "output_mb": 2,
    "output_files": 8,
    "log_mb": 0.5,
}
CANARY = "ROWCANARY-77"
FILTERS = {
    "--without-seccomp": tuple(seccomp.Profile),
    "--without-first-filter": (seccomp.Profile.START,),
    "--without-second-filter": (seccomp.Profile.CODE,),
}


class Host:
    """Listeners and files that attacks try to reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.canary = folder / "secret" / "canary"
        self.canary.parent.mkdir()
        self.canary.write_text(CANARY)
        self.wages = folder / "wages.csv"
        self.wages.write_text("person,wage\n1,10\n2,20\n")
        self.visits: list[str] = []
        self.tcp = self._listen(socket.AF_INET, ("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.abstract = f"weir-{os.getpid()}"
        self._listen(socket.AF_UNIX, f"\0{self.abstract}")
        self._listen(socket.AF_UNIX, str(folder / "socket"))
        threading.Thread(target=self._datagrams, daemon=True).start()

    def _listen(self, family: int, address: Any) -> socket.socket:
        waiting = socket.socket(family)
        waiting.bind(address)
        waiting.listen(8)
        threading.Thread(target=self._accept, args=(waiting,), daemon=True).start()
        return waiting

    def _accept(self, waiting: socket.socket) -> None:
        while True:
            visitor, _ = waiting.accept()
            with visitor, contextlib.suppress(OSError):
                self.visits.append("connection")
                visitor.sendall(b"in")

    def _datagrams(self) -> None:
        while self.udp.recvfrom(64):
            self.visits.append("datagram")

    def target(self) -> dict[str, Any]:
        return {
            "port": self.tcp.getsockname()[1],
            "udp": self.udp.getsockname()[1],
            "abstract": self.abstract,
            "socket": str(self.folder / "socket"),
            "canary": str(self.canary),
            "pid": os.getpid(),
            "host": os.uname().nodename,
        }

    def damage(self) -> list[str]:
        """What an attack has left on the host."""
        found = list(self.visits)
        if self.canary.read_text() != CANARY or self.canary.stat().st_mode & 0o7777 != self.mode:
            found.append("the canary was changed")
        if not self.wages.read_text().startswith("person,wage\n1,10"):
            found.append("the input was changed")
        return found

    @property
    def mode(self) -> int:
        return 0o644


@contextlib.contextmanager
def host() -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="weir-attacked-") as folder:
        Path(folder).chmod(0o711)
        yield Host(Path(folder))


def run(attack: Attack, place: Host, environment: Path, executor: Executor | None) -> dict[str, Any]:
    """Run it with this executor, or without one, with the command `python -m runner` in a new process."""
    with tempfile.TemporaryDirectory(prefix="weir-out-") as out:
        spec = JobSpec(
            run_id=attack.name,
            code=attack.source,
            inputs={"wages": place.wages},
            out=Path(out),
            environment=environment,
            parameters=place.target(),
            limits=Limits(**{**LIMITS, **attack.limits}),
        )
        result = dataclasses.asdict(executor.run(spec)) if executor else commanded(spec)
        contents = {
            file.name: file.read_bytes()[:4096].decode("utf-8", "replace") for file in Path(out).iterdir()
        }
    return {**result, "contents": contents, "damage": place.damage()}


def commanded(spec: JobSpec) -> dict[str, Any]:
    limits = spec.limits
    options: dict[str, object] = {
        "--wall": limits.wall_s,
        "--cpu": limits.cpu_s,
        "--memory-mb": limits.memory_mb,
        "--pids": limits.pids,
        "--output-mb": limits.output_mb,
        "--output-files": limits.output_files,
        "--log-mb": limits.log_mb,
        "--environment": spec.environment,
        "--out": spec.out,
    }
    words = [str(word) for option in options.items() for word in option]
    words += [f"--param={name}={json.dumps(value)}" for name, value in spec.parameters.items()]
    words += [f"--input={name}={path}" for name, path in spec.inputs.items()]
    with tempfile.NamedTemporaryFile("w", suffix=".py") as code:
        code.write(spec.code)
        code.flush()
        command = [sys.executable, "-m", "runner", code.name, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def leave_out(layer: str) -> None:
    """For the ablation: replace one layer by nothing. The product has no such switch."""
    setattr(selftest, "probe", lambda _: Capabilities(executor="ablated", layers=()))  # noqa: B010
    if layer in FILTERS:
        allow_all, build = struct.pack("=HBBI", seccomp.RETURN, 0, 0, seccomp.ALLOW), seccomp.build

        def some(machine: str, profile: seccomp.Profile) -> bytes:
            return allow_all if profile in FILTERS[layer] else build(machine, profile)

        setattr(seccomp, "build", some)  # noqa: B010
        return
    if layer == "--without-limits":
        if parents() is None:
            raise SystemExit(
                "Without control groups, resource limits alone keep a fork bomb from this machine."
            )
        setattr(job, "resource_limits", lambda _: {})  # noqa: B010
        return
    whole = job.harness

    def harness(name: str, *, compiled: bool) -> tuple[str, bytes]:
        path, content = whole(name, compiled=False)
        return (
            path,
            content + b"\n\ndef landlock(writable):\n    return 0\n" if name == "confine" else content,
        )

    setattr(job, "harness", harness)  # noqa: B010


def main(arguments: list[str]) -> None:
    layers = [word for word in arguments if word.startswith("--without-")]
    for layer in layers:
        leave_out(layer)
    environment, *names = [word for word in arguments if not word.startswith("--")]
    names = names or list(ATTACKS)
    os.umask(0o022)
    os.environ["WEIR_TEST_SECRET"] = CANARY
    executor: Executor = GvisorExecutor() if "--gvisor" in arguments else BubblewrapExecutor()
    runs = None if "--by-command" in arguments else executor
    with host() as place, ThreadPoolExecutor(max_workers=2) as pool:
        jobs = {name: pool.submit(run, ATTACKS[name], place, Path(environment), runs) for name in names}
        for name, running in jobs.items():
            print(json.dumps({"name": name, **running.result()}), flush=True)  # noqa: T201
    executor.sweep()
    left = [pid for pid in descendants(os.getpid()) if pid != os.getpid()]
    print(json.dumps({"name": "", "left": left}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
