"""The sandbox and the fork server against bare Python and a bare fork loop; runs through Celery."""

import itertools
import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import Goal, Measure, Of, compared, process_cpu_seconds, took, versus, wall_only
from benchmarks.parts.lane import TRIVIAL
from benchmarks.surroundings import worker
from portal.launch.processes import Child
from requests_app import services
from requests_app.models import Run, Worker
from runner.contract import Block, BlockColumn, ColumnKind, JobSpec, Limits
from runner.executors.blocks import run_blocks
from runner.executors.bubblewrap import BubblewrapExecutor
from runner.host import bwrap_options
from runner.host.selftest import default_environment
from tests import make
from tests.makers import datasets as made_datasets
from tests.makers import requests as made

CASES = {"pass": "pass", "import numpy, pandas": "import numpy, pandas"}
BLOCK_CODE = {
    "numpy": "def main(table):\n    return table.to_numpy().mean(axis=0)\n",
    "pandas": "def main(table):\n    return table.groupby('group').wage.mean()\n",
}
Content = dict[str, np.ndarray]
WIDTH = {"numpy": 4, "pandas": 2}
PATIENCE = 120.0
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def measures(chosen: Namespace) -> Iterator[Measure]:
    yield from map(wall_only, starts(3 if chosen.quick else 15))
    yield from map(wall_only, layers(3 if chosen.quick else 15))
    yield from map(wall_only, blocks((50,) if chosen.quick else (454, 1000), 1 if chosen.quick else 3))
    for hands in (2, 4, 8):
        yield through_celery(10 if chosen.quick else 60, hands)


# One sandbox


def starts(rounds: int) -> Iterator[Measure]:
    executor = BubblewrapExecutor()
    executor.probe()
    for name, code in CASES.items():
        with tempfile.TemporaryDirectory() as out:
            job = spec(code, Path(out))
            ours, floor = compared(partial(executor.run, job), partial(bare, code), rounds)
        yield versus(f"sandboxed `{name}` over bare Python", ours, floor, Goal(limit=40, of=Of.BEYOND))


def spec(code: str, out: Path) -> JobSpec:
    return JobSpec(run_id="1", code=code, inputs={}, out=out, environment=default_environment())


def bare(code: str) -> None:
    """Start plain Python with the project's list of packages, as a developer would."""
    subprocess.run([python(), "-I", "-c", with_packages() + code], check=True)  # noqa: S603 our own text


def python() -> str:
    return str(Path(sys.base_prefix, "bin", f"python{VERSION}"))


def with_packages() -> str:
    packages = default_environment() / "lib" / f"python{VERSION}" / "site-packages"
    return f"import sys; sys.path.append({str(packages)!r})\n"


def layers(rounds: int) -> Iterator[Measure]:
    """Measure each layer between bare Python and a run against the layer before it."""
    plain = [python(), "-I", "-c", "pass"]
    open_box = [str(bwrap_options.find()), "--bind", "/", "/", "--dev", "/dev"]
    commands = {
        "bubblewrap, nothing unshared": open_box,
        "  and all namespaces": [*open_box, "--unshare-all", "--proc", "/proc"],
        "  and no capabilities, a new session": [
            *open_box, "--unshare-all", "--proc", "/proc", "--cap-drop", "ALL", "--new-session", "--die-with-parent",
        ],
    }  # fmt: skip
    before: list[str] = []
    for name, box in commands.items():
        ours, floor = compared(
            partial(subprocess.run, [*box, *plain], check=True),
            partial(subprocess.run, [*before, *plain], check=True),
            rounds,
        )
        yield versus(name, ours, floor, note="floor: the line before")
        before = box
    with tempfile.TemporaryDirectory() as out:
        ours, floor = compared(
            partial(BubblewrapExecutor().run, spec("pass", Path(out))),
            partial(subprocess.run, [*before, *plain], check=True),
            rounds,
        )
    yield versus(
        "  and seccomp, Landlock, limits, groups, watch, gates", ours, floor, note="floor: the line before"
    )


# Many small runs


def blocks(counts: tuple[int, ...], rounds: int) -> Iterator[Measure]:
    for kind, count in itertools.product(BLOCK_CODE, counts):
        code, content = BLOCK_CODE[kind], blocks_of(kind, count)
        limits = Limits(wall_s=60, cpu_s=5)
        ours, floor = compared(
            partial(all_answered, code, content, WIDTH[kind], limits),
            partial(fork_loop, content, code),
            rounds if kind == "numpy" else 1,
        )
        goal = Goal(limit=1.43, of=Of.RATIO) if (kind, count) == ("numpy", 454) else None
        yield versus(
            f"{count} isolated blocks of {kind}", ours, floor, goal, f"{count / ours.wall * 1e3:.0f}/s"
        )


def all_answered(code: str, content: list[Content], width: int, limits: Limits) -> None:
    answers, _ = run_blocks(code, [as_block(each) for each in content], width, limits)
    if not np.isfinite(answers).all():
        raise RuntimeError("A block has failed.")


def blocks_of(kind: str, count: int) -> list[Content]:
    generator = np.random.default_rng(1)
    if kind == "numpy":
        return [{name: generator.normal(size=100) for name in "abcd"} for _ in range(count)]
    return [{"group": np.array([0, 1] * 50), "wage": generator.normal(size=100)} for _ in range(count)]


def as_block(content: Content) -> Block:
    kinds: dict[str, ColumnKind] = {"f": "number", "i": "whole"}
    return {
        name: BlockColumn(values=values, kind=kinds[values.dtype.kind]) for name, values in content.items()
    }


def fork_loop(content: list[Content], code: str) -> None:
    """Run the same function in plain forked children, one after the other, of a process that imported the libraries."""
    with tempfile.TemporaryDirectory() as room:
        path = Path(room) / "blocks.npz"
        columns = {f"{k}.{name}": values for k, each in enumerate(content) for name, values in each.items()}
        np.savez(path, **columns)
        command = [python(), "-I", "-c", with_packages() + FORKING, str(path), code]
        subprocess.run(command, check=True)  # noqa: S603 our own text


FORKING = """
import os, sys
import numpy, pandas
path, code = sys.argv[1:]
toy = pandas.DataFrame({"a": [1, 1, 2], "b": [1.0, 2.0, 3.0]})
toy.groupby("a").b.mean()
found = {}
for name, array in numpy.load(path).items():
    number, _, column = name.partition(".")
    found.setdefault(int(number), {})[column] = array
space = {}
exec(code, space)
for columns in found.values():
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, numpy.array(space["main"](pandas.DataFrame(columns)), dtype=float).tobytes())
        os._exit(0)
    os.close(write)
    os.read(read, 4096)
    os.close(read)
    os.waitpid(child, 0)
"""


# Through Celery


def through_celery(count: int, hands: int) -> Measure:
    """Trials a second of trivial code, from the first claim to the last end (ends of private runs are in steps)."""
    admin, people = make.admin(), [make.scientist() for _ in range(count + 2 * hands)]
    places = [made_datasets.dataset() for _ in range(4)]
    items = [
        made.code_request(at="approved", dataset=places[k % 4], author=people[k], code=TRIVIAL)
        for k in range(count + 2 * hands)
    ]
    with worker("sandbox", hands=hands) as child:
        until(lambda: Worker.objects.able().exists())
        all_end([made.trial(item) for item in items[count:]])  # each process has tried its sandbox by then
        services.pause_runs(by=admin, reason="All of them wait before the clock starts.")
        waiting = [made.trial(item) for item in items[:count]]
        before = processor_time(child)
        begun = time.monotonic()
        services.resume_runs(by=admin)
        done = all_end(waiting)
        wall = time.monotonic() - begun
        cpu, servers = (after - one for after, one in zip(processor_time(child), before, strict=True))
    begun_at = min(run.started_at for run in done if run.started_at)
    ended_at = max(run.finished_at for run in done if run.finished_at)
    rate = count / (ended_at - begun_at).total_seconds()
    with ThreadPoolExecutor(2) as pool:
        floor = took(lambda: list(pool.map(lambda _: bare("pass"), range(count))))
    each = (cpu + servers) / count
    return Measure(
        name=f"runs through Celery, {hands} at a time",
        ours=rate,
        unit="/s",
        floor=count / floor.wall * 1e3,
        goal=Goal(limit=20, at_least=True),
        note=f"cpu {each * 1e3:.0f} ms a run, of it the servers {servers / count * 1e3:.0f}: {2 / each:.0f}/s on two "
        f"idle cores; {wall:.1f} s from the first message; floor: bare Python, 2 at a time",
    )


def all_end(runs: list[Run]) -> list[Run]:
    mine = Run.objects.filter(pk__in=[run.pk for run in runs])
    until(lambda: not mine.filter(state__in=Run.LIVE).exists())
    done = list(mine.filter(state=Run.State.SUCCEEDED))
    if len(done) != len(runs):
        raise RuntimeError(f"Only {len(done)} of {len(runs)} runs succeeded.")
    return done


def processor_time(worker: Child) -> tuple[float, float]:
    """Seconds of the worker with its sandboxes; of Postgres and Valkey, which are children of this process too."""
    pid = worker.process.pid if worker.process else 0
    beside = [other for other in children(os.getpid()) if other != pid]
    return process_cpu_seconds(pid), sum(map(process_cpu_seconds, beside))


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def until(condition: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("It took too long.")
        time.sleep(0.1)
