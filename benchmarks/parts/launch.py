"""bin/launch: the time until "ready", of a second start and of a stop; with --cold from a fresh clone."""

import os
import signal
import subprocess
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Goal, Measure, Took, bare_python, median, repeated, versus
from benchmarks.surroundings import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 900
QUIET = {"DATABASE_URL", "REDIS_URL", "WEIR_STATE", "WEIR_SECRET_KEY"}


def measures(chosen: Namespace) -> Iterator[Measure]:
    demo = "--no-demo" if chosen.quick else "--demo"
    floor = repeated(bare_python, 3)
    with tempfile.TemporaryDirectory(prefix="weir-launch-") as room:
        if chosen.cold:
            clone = Path(room) / "clone"
            subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)  # noqa: S603, S607 our own
            cold, _ = start_and_stop(clone, Path(room) / "cold", "--demo")
            yield versus("first start in a fresh clone, with the demo", cold, note="installs everything")
        state = Path(room) / "state"
        first, _ = start_and_stop(ROOT, state, demo)
        yield versus(f"first start on an empty state, {demo[2:]}", first, floor)
        pairs = [start_and_stop(ROOT, state, demo) for _ in range(1 if chosen.quick else 3)]
        yield versus("second start", median([pair[0] for pair in pairs]), floor, Goal(limit=10_000))
        yield versus("stop", median([pair[1] for pair in pairs]), floor)


def start_and_stop(root: Path, state: Path, demo: str) -> tuple[Took, Took]:
    """Time the start until "ready", and the stop after Ctrl-C."""
    env = {name: value for name, value in os.environ.items() if name not in QUIET}
    env |= {"PYTHONUNBUFFERED": "1"}
    command = [str(root / "bin" / "launch"), "--port", str(free_port()), "--state", str(state), demo]
    begun = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 our own
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=env,
    ) as child:
        said = []
        for line in child.stdout or ():
            said.append(line)
            if "Weir is ready" in line:
                break
        else:
            raise RuntimeError("".join(said[-10:]))
        ready = time.perf_counter()
        cpu = cpu_of_tree(child.pid)
        child.send_signal(signal.SIGINT)
        for _ in child.stdout or ():
            pass
        child.wait(PATIENCE)
    stopped = time.perf_counter()
    return Took((ready - begun) * 1e3, cpu * 1e3), Took((stopped - ready) * 1e3, 0.0)


def cpu_of_tree(pid: int) -> float:
    """Processor time of a process, of those below it, and of those of them that have ended."""
    ticks = os.sysconf("SC_CLK_TCK")
    parents, times = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        number = int(path.parent.name)
        parents[number], times[number] = int(fields[1]), sum(map(int, fields[11:15]))
    family, new = set(), {pid}
    while new:
        family |= new
        new = {number for number, parent in parents.items() if parent in family} - family
    return sum(times.get(number, 0) for number in family) / ticks
