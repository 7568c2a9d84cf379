"""bin/test: install what tests need, run the checks, pytest, the coverage check, and pytest again for the chaos tests.

Chaos tests run in a pytest process with its own Postgres and Valkey: they kill them, and their workers would take the
runs of other tests. The other tests share up to four processes, one per processor, each with its own portal. A run of
all tests measures coverage.
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
    """Run every step, even after a failure; return the highest exit code."""
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
        say("Chaos tests are skipped in CI because they depend on timing. Run them with: bin/test -m chaos")
    elif not arguments:
        commands.append([*tests, "-m", "chaos", "tests/chaos"])
    codes = [
        subprocess.run(command, cwd=install.ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode
        for command in commands
    ]
    return max(abs(code) for code in codes)  # a process that a signal ended has a negative code


def browser() -> None:
    """Install Chromium for browser tests as root; otherwise raise Trouble that asks for it."""
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
