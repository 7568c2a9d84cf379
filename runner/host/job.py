"""Turn a job into the command for one sandbox: mounts, files, limits and environment variables."""

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

from runner.contract import MIB, JobSpec, Limits
from runner.host import bwrap_options, seccomp
from runner.host.cgroups import INIT, parents
from runner.host.interpreter import Interpreter, interpreter
from runner.host.linux import memory_files
from runner.host.local_sandbox import Command
from runner.host.state import Stage

INSIDE = Path(__file__).parents[1] / "inside"
TABLE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,127}")
SUFFIXES = (".parquet", ".arrow", ".csv")
THREAD_STACK = 8 * MIB
STACKS = 48
"""Stacks count as a process's memory although they are hardly used, so the limit leaves room for this many."""
BEHIND = 64
"""How far the user id's limit of processes lies behind that of a control group, which also counts its refusals."""
CPUS = 2
"""How many threads libraries start by themselves."""
ARGUMENTS_AND_ANSWERS = ("arguments", "answers", "answer_tables", "answer_values")
ALL_TOGETHER = 4
"""All output files together may be this many times as large as one file."""


def kind_of(path: Path) -> str:
    """Return the suffix of a table's type, according to its first bytes."""
    with path.open("rb") as file:
        magic = file.read(6)
    return ".parquet" if magic[:4] == b"PAR1" else ".arrow" if magic == b"ARROW1" else ".csv"


def sizes(limits: Limits) -> dict[str, int]:
    """Return the folders that code can write to, all in memory, with their sizes in bytes."""
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
    """Return (path inside, content) of one of our files, compiled if the Python there can read our byte code."""
    source = (INSIDE / f"{name}.py").read_bytes()
    if not compiled:
        return f"/weir/{name}.py", source
    code = compile(source, f"/weir/{name}.py", "exec", dont_inherit=True)
    return f"/weir/{name}.pyc", importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def check(spec: JobSpec) -> None:
    """Raise ValueError if the job is malformed."""
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
    """The files and options that carry one job into its sandbox."""

    spec: JobSpec
    stage: Stage
    bwrap: Path = Path()
    machine: str = platform.machine()
    guest: Interpreter | None = None
    """The Python inside, if it is not that of the environment on this host."""
    own_limits: Mapping[str, int] | None = None
    """Resource limits, if those for submitted code on this host's kernel do not apply."""
    modules: Mapping[str, bytes] = field(default_factory=dict)
    """More of our own files: path inside -> content."""
    lent: tuple[tuple[Path, str], ...] = ()
    """Writable folders: (host path, path inside). See runner/parsing.py."""

    @property
    def python(self) -> Interpreter:
        return self.guest or interpreter(self.spec.environment)

    def command(self) -> Command:
        start, _ = harness("start", compiled=self.python.same_as_ours)
        return Command(
            program=self.bwrap,
            view=self._view,
            arguments=[self.python.command, "-I", "-B", "-X", "utf8", start, "{control}"],
            seccomp=seccomp.build(self.machine, seccomp.Profile.START),
            nested_users=bool(os.statvfs("/proc/sys").f_flag & os.ST_RDONLY),
            uid=self.stage.uid,
            log_bytes=int(self.spec.limits.log_mb * MIB),
        )

    def _view(self, opened: list[int]) -> bwrap_options.View:
        return bwrap_options.View(
            binds=self.binds(),
            files=memory_files(self.contents(), opened),
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
        """Return the files and folders of the host to show inside: (host path, path inside)."""
        binds = list(self.python.mounts)
        for name, kind in self.kinds.items():
            readable = self.stage.readable(self.spec.inputs[name].resolve())
            binds += [(readable, place) for place in places(name, kind)]
        return binds

    def contents(self, *more: str) -> dict[str, bytes]:
        """Return our own files and the author's code: path inside -> content. `more` names further files of ours."""
        names = ("start", "confine", *ARGUMENTS_AND_ANSWERS, *more)
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
            "filter": seccomp.build(self.machine, seccomp.Profile.CODE),
            "inputs": kinds,
            "columns": {name: dict(columns) for name, columns in self.spec.columns.items()},
            "parameters": json.loads(text),
            "parameters_json": text,
        }
        return marshal.dumps(job, 2)


def places(name: str, kind: str) -> list[str]:
    """Return where code finds a table: under its name, and if that has no suffix, also with the suffix of its type."""
    bare = not name.endswith(SUFFIXES)
    return [f"/data/{name}", *([f"/data/{name}{kind}"] if bare else [])]
