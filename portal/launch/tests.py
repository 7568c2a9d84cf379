"""bin/test: install what tests need, run pytest and beside it the checks, then the coverage and the chaos tests.

Chaos tests run in a pytest process with its own Postgres and Valkey: they kill them, and their workers would take the
runs of other tests. The other tests share one process more than there are processors, up to five, each with its own
portal: much of their time is spent waiting for servers, sandboxes and public times. A run of all tests measures
coverage, but not in CI: counting lines doubles the time of Python code. Nor do tests run there that draw many samples:
run them before a change of the engine or the masks is taken.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portal.launch import install
from portal.launch.console import Stopwatch, Trouble, say

BROWSER_PACKAGE = "chromium-headless-shell"  # without the services a desktop browser starts for itself
BROWSER = Path("/usr/bin") / BROWSER_PACKAGE
TUNNEL_PACKAGES = ("wireguard-tools", "wireguard-go", "iproute2")
LAST = 19
"""The priority of a process that runs when no other wants to."""


def main(arguments: list[str]) -> int:
    """Run every step, even after a failure; return the highest exit code."""
    try:
        install.everything(requirements="dev.txt")
        packages()
    except Trouble as trouble:
        say(f"The tests did not run. {trouble}")
        return 1
    tests = [str(install.PYTHON), "-m", "pytest"]
    if arguments:
        return _run([*tests, *arguments])
    processes = min(len(os.sched_getaffinity(0)) + 1, 5)
    shared = ["-n", str(processes), "--dist", "loadfile", "--no-loadscope-reorder"]
    in_ci = bool(os.environ.get("CI"))
    counted = ["-m", "not chaos and not statistical"] if in_ci else ["--cov", "--cov-report="]
    with checks() as codes:
        codes.append(_run([*tests, *shared, *counted, "--durations=20"]))
    if in_ci:
        say(
            "In CI, coverage is not counted and tests that draw many samples do not run, for time; chaos tests do not, "
            "because they depend on timing."
        )
        say("Run bin/test without CI for all of them, or: bin/test -m 'statistical or chaos'")
    else:
        codes.append(_run([sys.executable, "-m", "portal.launch.coverage"]))
        codes.append(_run([*tests, "-m", "chaos", "tests/chaos"]))
    return max(codes)


def _run(command: list[str]) -> int:
    done = subprocess.run(command, cwd=install.ROOT, env=_env(), stdin=subprocess.DEVNULL, check=False)
    return abs(done.returncode)  # a process that a signal ended has a negative code


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


@contextmanager
def checks() -> Iterator[list[int]]:
    """Run the checks on what processor time the block leaves. Yields a list, to which their exit code is added.

    What they say is printed at the end, where it stands by itself.
    """
    codes: list[int] = []
    with tempfile.TemporaryFile() as said:
        beside = subprocess.Popen(
            [sys.executable, str(install.ROOT / "bin" / "check")],
            cwd=install.ROOT,
            env=_env(),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        os.setpriority(os.PRIO_PROCESS, beside.pid, LAST)
        try:
            yield codes
        finally:
            codes.append(abs(beside.wait()))
            said.seek(0)
            say(said.read().decode(errors="replace").rstrip())


def packages() -> None:
    """Install Chromium for browser tests and, as root, WireGuard for those of tunnels, which only root can run.

    Raises Trouble if Chromium is missing and cannot be installed.
    """
    may_install = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if not BROWSER.exists() and not may_install:
        raise Trouble(f"Browser tests need Chromium. Install it as root: apt-get install {BROWSER_PACKAGE}")
    wanted = [] if BROWSER.exists() else [BROWSER_PACKAGE]
    if may_install and not all(shutil.which(tool) for tool in ("wg", "wireguard-go", "ip")):
        wanted.extend(TUNNEL_PACKAGES)
    if not wanted:
        return
    watch = Stopwatch()
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-qq", "--no-install-recommends", *wanted],
    ):
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Trouble(f"{', '.join(wanted)} could not be installed:\n{done.stderr.strip()[-1000:]}")
    watch.done(", ".join(wanted))
