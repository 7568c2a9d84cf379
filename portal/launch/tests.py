"""bin/test: everything that tests need, the checks, then pytest, then pytest once more for chaos.

Chaos has a process, and with it a Postgres and a Valkey, of its own: it kills them, and its workers would take the
runs of every other test. Otherwise as many processes share the tests as the machine has processors, up to four: each
starts a portal. Where all tests run, coverage counts what they reach, and is judged at the end.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from portal.launch import install
from portal.launch.console import Stopwatch, Trouble, say

BROWSER_PACKAGE = "chromium-headless-shell"  # without the services a desktop browser starts for itself
BROWSER = Path("/usr/bin") / BROWSER_PACKAGE


def main(arguments: list[str]) -> int:
    """The exit code counts all: checks that fail do not keep the tests from running, nor those chaos."""
    try:
        install.everything(requirements="dev.txt")
        browser()
    except Trouble as trouble:
        say(f"The tests did not run. {trouble}")
        return 1
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    checks = [sys.executable, str(install.ROOT / "bin" / "check")]
    tests = [str(install.PYTHON), "-m", "pytest"]
    processes = min(len(os.sched_getaffinity(0)), 4)
    shared = ["-n", str(processes), "--dist", "loadfile", "--no-loadscope-reorder"]
    counted = ["--cov", "--cov-report=", "--durations=20"]
    coverage = [sys.executable, "-m", "portal.launch.coverage"]
    commands = [[*tests, *arguments]] if arguments else [checks, [*tests, *shared, *counted], coverage]
    if not arguments and os.environ.get("CI"):
        say("Chaos is left out where CI is set: it kills by the clock. Run it with: bin/test -m chaos")
    elif not arguments:
        commands.append([*tests, "-m", "chaos", "tests/chaos"])
    codes = [
        subprocess.run(command, cwd=install.ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode
        for command in commands
    ]
    return max(codes)


def browser() -> None:
    """Chromium for the journeys: installed as root, otherwise asked for."""
    if BROWSER.exists():
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Trouble(f"Browser tests need Chromium. Install it as root: apt-get install {BROWSER_PACKAGE}")
    watch = Stopwatch()
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-qq", "--no-install-recommends", BROWSER_PACKAGE],
    ):
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Trouble(f"Chromium could not be installed:\n{done.stderr.strip()[-1000:]}")
    watch.done("Chromium")
