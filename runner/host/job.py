"""Turn a job into what bubblewrap is told: mounts, files, limits and variables of one sandbox."""

import importlib.util
import json
import marshal
import math
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from runner.contract import JobSpec, Limits
from runner.host import bwrap_options, seccomp
from runner.host.cgroups import INIT, parents
from runner.host.interpreter import Interpreter, interpreter
from runner.host.linux import memory_file
from runner.host.local_sandbox import Command
from runner.host.state import Stage

HARNESS = Path(__file__).parents[1] / "inside"
TABLE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,127}")
SUFFIXES = (".parquet", ".arrow", ".csv")
MIB = 2**20
THREAD_STACK = 8 * MIB
STACKS = 48
"""Stacks of threads count as memory of a process though they are hardly touched; for so many there is room."""
BEHIND = 64
"""Where a control group counts processes, and its refusals, the limit of the user id stands behind it."""
CPUS = 2
"""Threads that libraries start by themselves."""
ALL_TOGETHER = 4
"""All output files together may have this many times the bytes of one."""


def kind_of(path: Path) -> str:
    """What a table's file is, by its first bytes."""
    with path.open("rb") as file:
        magic = file.read(6)
    return ".parquet" if magic[:4] == b"PAR1" else ".arrow" if magic == b"ARROW1" else ".csv"


def sizes(limits: Limits) -> dict[str, int]:
    """The folders that code can write, all in memory: outputs, temporary files, shared memory."""
    outputs = (ALL_TOGETHER * limits.output_mb + 1) * MIB
    return {"/out": outputs, "/tmp": max(64, limits.memory_mb // 4) * MIB, "/dev/shm": 64 * MIB}  # noqa: S108


def resource_limits(limits: Limits) -> dict[str, int]:
    memory = limits.memory_mb * MIB
    return {
        "AS": memory + 4096 * MIB,  # address space that libraries reserve and never touch
        "DATA": memory + min(limits.pids, STACKS) * THREAD_STACK,
        "CPU": math.ceil(limits.cpu_s),
        "FSIZE": max(sizes(limits).values()),
        "NOFILE": 1024,
        "NPROC": limits.pids + INIT + (0 if parents() is None else BEHIND),
        "CORE": 1,  # with 0 a host that pipes dumps to a program would still do so
        "MEMLOCK": MIB,
        "MSGQUEUE": 0,
        "SIGPENDING": 1024,
        "RTPRIO": 0,
        "NICE": 0,
        "STACK": THREAD_STACK,
    }


def variables(python: Interpreter) -> dict[str, str]:
    threads = str(min(CPUS, len(os.sched_getaffinity(0))))
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "POLARS", "RAYON")
    pools = {f"{name}_MAX_THREADS" if name == "POLARS" else f"{name}_NUM_THREADS": threads for name in names}
    library = {"LD_LIBRARY_PATH": python.library_path} if python.library_path else {}
    return (
        pools
        | library
        | {
            "HOME": "/tmp",  # noqa: S108
            "TMPDIR": "/tmp",  # noqa: S108
            "MPLCONFIGDIR": "/tmp/matplotlib",  # noqa: S108
            "MPLBACKEND": "Agg",
            "JOBLIB_MULTIPROCESSING": "0",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "USER": "sandbox",
            "PATH": "/python/bin",
            "WEIR_DATA": "/data",
            "WEIR_OUT": "/out",
        }
    )


@cache
def harness(name: str, *, compiled: bool) -> tuple[str, bytes]:
    """One of our files for the inside, compiled when the Python there reads our compiler's output."""
    source = (HARNESS / f"{name}.py").read_bytes()
    if not compiled:
        return f"/weir/{name}.py", source
    code = compile(source, f"/weir/{name}.py", "exec", dont_inherit=True)
    return f"/weir/{name}.pyc", importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def check(spec: JobSpec) -> None:
    """Refuse a job that its caller has put together wrongly. Raises ValueError."""
    for name, path in spec.inputs.items():
        if not TABLE_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is not a valid table name. Use letters, digits, '_', '-', '.' and spaces."
            )
        if not path.is_file():
            raise ValueError(f"The file of table {name!r}, {path}, does not exist.")
    if not spec.out.is_dir():
        raise ValueError(f"The folder for outputs, {spec.out}, does not exist.")


@dataclass(frozen=True, slots=True)
class Shipment:
    """One job on its way into one sandbox."""

    spec: JobSpec
    stage: Stage
    bwrap: Path = Path()
    machine: str = platform.machine()
    guest: Interpreter | None = None
    """The Python where the job goes, when it is not this host's."""
    own_limits: Mapping[str, int] | None = None
    """Resource limits where they are not this host's kernel's to set, or not those of submitted code."""
    modules: Mapping[str, bytes] = field(default_factory=dict)
    """Further files of ours: path inside -> bytes."""
    lent: tuple[tuple[Path, str], ...] = ()
    """Folders of the host that may be written, and where they are seen (runner/parsing.py)."""

    @property
    def python(self) -> Interpreter:
        return self.guest or interpreter(self.spec.environment)

    def command(self) -> Command:
        start, _ = harness("start", compiled=self.python.same_as_ours)
        return Command(
            program=self.bwrap,
            view=self._view,
            arguments=[self.python.command, "-I", "-B", "-X", "utf8", start, "{control}"],
            seccomp=seccomp.build(self.machine, seccomp.Stage.START),
            nested_users=bool(os.statvfs("/proc/sys").f_flag & os.ST_RDONLY),
            uid=self.stage.uid,
            log_bytes=int(self.spec.limits.log_mb * MIB),
        )

    def _view(self, opened: list[int]) -> bwrap_options.View:
        contents = self.contents()
        opened.extend(memory_file("file", content) for content in contents.values())
        return bwrap_options.View(
            binds=self.binds(),
            files=list(zip(opened[-len(contents) :], contents, strict=True)),
            links=self.python.links,
            empty=self.python.empty,
            writable=sizes(self.spec.limits),
            lent=self.lent,
            variables=variables(self.python),
            folder="/out",
        )

    @property
    def kinds(self) -> dict[str, str]:
        return {name: kind_of(path) for name, path in self.spec.inputs.items()}

    def binds(self) -> list[tuple[Path, str]]:
        """What is shown as it lies on the host: (path there, path inside)."""
        binds = list(self.python.mounts)
        for name, kind in self.kinds.items():
            readable = self.stage.readable(self.spec.inputs[name].resolve())
            binds += [(readable, place) for place in places(name, kind)]
        return binds

    def contents(self, *more: str) -> dict[str, bytes]:
        """The files that are ours or the author's: path inside -> bytes. `more` of the harness where it is needed."""
        names = ("start", "confine", "answers", *more)
        return dict(harness(name, compiled=self.python.same_as_ours) for name in names) | {
            "/code.py": self.spec.code.encode("utf-8", "surrogatepass"),
            "/weir/job": self._job(self.kinds),
            **self.modules,
        }

    def _job(self, kinds: Mapping[str, str]) -> bytes:
        text = json.dumps(dict(self.spec.parameters))
        job = {
            "folders": sizes(self.spec.limits),
            "lent": [place for _, place in self.lent],
            "limits": dict(self.own_limits or resource_limits(self.spec.limits)),
            "filter": seccomp.build(self.machine, seccomp.Stage.CODE),
            "inputs": kinds,
            "parameters": json.loads(text),
            "parameters_json": text,
        }
        return marshal.dumps(job, 2)


def places(name: str, kind: str) -> list[str]:
    """Where code finds a table: under its name, and with the suffix of its content where the name has none."""
    bare = not name.endswith(SUFFIXES)
    return [f"/data/{name}", *([f"/data/{name}{kind}"] if bare else [])]
