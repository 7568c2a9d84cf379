"""What the sandbox costs, as ratios to bare Python in the same run. Prints wall and processor time.

`python benchmarks/runner.py [ROUNDS]`
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from runner.contract import JobSpec, Limits  # noqa: E402 the project is not installed
from runner.sandbox import BubblewrapExecutor  # noqa: E402
from runner.selftest import default_environment  # noqa: E402
from runner.zygote import run_blocks  # noqa: E402

ENVIRONMENT = default_environment()
PYTHON = str(ENVIRONMENT / "bin" / "python")
CASES = {"pass": "pass", "import numpy, pandas": "import numpy, pandas"}
BLOCKS = (454, 1000)
BLOCK_CODE = {
    "numpy": "def block(x):\n    return x.mean(axis=0)\n",
    "pandas": "def main(table):\n    return table.groupby('group').wage.mean()\n",
}


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def processor_s() -> float:
    """Of this process and of all its children that have ended."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def measured(step: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor milliseconds of one call."""
    wall, processor = time.perf_counter(), processor_s()
    step()
    return (time.perf_counter() - wall) * 1e3, (processor_s() - processor) * 1e3


def compare(name: str, bare: Callable[[], object], ours: Callable[[], object], rounds: int) -> None:
    """Both alternately, so that the load of the machine falls on both."""
    bare(), ours()
    pairs = [(measured(bare), measured(ours)) for _ in range(rounds)]
    (bare_wall, bare_cpu), (wall, cpu) = (
        tuple(statistics.median(pair[side][kind] for pair in pairs) for kind in (0, 1)) for side in (0, 1)
    )
    say(
        f"{name:32} bare {bare_wall:7.1f} ms   sandbox {wall:7.1f} ms   {wall - bare_wall:+7.1f} ms   "
        f"x {wall / bare_wall:5.2f}   processor {cpu - bare_cpu:+6.1f} ms, x {cpu / bare_cpu:4.2f}"
    )


def bare(code: str) -> None:
    subprocess.run([PYTHON, "-I", "-c", code], check=True)  # noqa: S603 our own text


def start(rounds: int) -> None:
    executor = BubblewrapExecutor()
    with tempfile.TemporaryDirectory() as out:
        for name, code in CASES.items():
            spec = JobSpec(run_id="1", code=code, inputs={}, out=Path(out), environment=ENVIRONMENT)
            compare(
                name,
                partial(bare, code),
                partial(executor.run, spec),
                rounds,
            )


def fork_loop(blocks: list[np.ndarray], code: str) -> None:
    """The same function in plain forked children: what a fork server without isolation would cost."""
    space: dict[str, Any] = {}
    exec(code, space)  # noqa: S102 our own text
    function = space.get("block") or space["main"]
    for block in blocks:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, np.array(function(block), dtype=np.float64).tobytes())
            os._exit(0)
        os.close(write)
        os.read(read, 4096)
        os.close(read)
        os.waitpid(child, 0)


def blocks_of(kind: str, count: int) -> list[Any]:
    generator = np.random.default_rng(1)
    if kind == "numpy":
        return [generator.normal(size=(100, 4)) for _ in range(count)]
    groups = np.array(["a", "b"] * 50)
    return [{"group": groups, "wage": generator.normal(size=100)} for _ in range(count)]


def zygote() -> None:
    for kind, code in BLOCK_CODE.items():
        for count in BLOCKS:
            blocks = blocks_of(kind, count)
            width = 4 if kind == "numpy" else 2
            limits = Limits(wall_s=60, cpu_s=5)
            ours, _ = measured(partial(run_blocks, code, blocks, width, limits))
            line = f"{count:5} blocks of {kind:7} {ours / 1e3:6.2f} s  {count / ours * 1e3:6.0f}/s"
            if kind == "numpy":
                plain, _ = measured(partial(fork_loop, blocks, code))
                line += f"   x {ours / plain:5.2f} of a plain fork loop"
            say(line)


if __name__ == "__main__":
    start(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
    zygote()
    say(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
