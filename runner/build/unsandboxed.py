"""Run build steps on a host without a sandbox: as child processes with a clean environment.

No step executes anything of a package, with or without a sandbox. What is missing here is the second line of defence.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from runner.build.steps import BASE, OPTIONS, VARIABLES, Step
from runner.host.interpreter import VERSION

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
TICK_S = 2.0
LOG_BYTES = 2**17


@dataclass(frozen=True, slots=True)
class Unsandboxed:
    missing: str

    def run(self, step: Step) -> None:
        with tempfile.TemporaryDirectory(prefix="weir-build-") as folder:
            for name, content in step.files.items():
                (Path(folder) / name).write_bytes(content)
            given = {name: f"{folder}/{name}" for name in step.files}
            given |= {name: str(path) for name, path in (*step.reads.items(), *step.writes.items())}
            given |= dict(step.words) | ({"pip": str(step.pip.parent)} if step.pip else {})
            self._run(step, [f"{name}={value}" for name, value in given.items()], Path(folder))

    def _run(self, step: Step, words: list[str], folder: Path) -> None:
        with (folder / ".log").open("w+b") as log:
            child = subprocess.Popen(  # noqa: S603 the host's own Python, a script of ours
                [BASE / "bin" / f"python{VERSION}", *OPTIONS, step.source, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=VARIABLES | _proxies(),
                cwd=folder,
                umask=0o022,
                start_new_session=True,
            )
            try:
                _await(child, step)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            if child.returncode != 0:
                log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_BYTES))
                raise step.failed(log.read().decode("utf-8", "replace"))


def _await(child: "subprocess.Popen[bytes]", step: Step) -> None:
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(TICK_S)
            return
        step.check()


def _proxies() -> dict[str, str]:
    names = [*PROXIES, *(name.upper() for name in PROXIES)]
    return {name: os.environ[name] for name in names if name in os.environ}
