"""Run code in the sandbox and print the result as a JSON object.

    python -m runner CODE.py --input NAME=PATH --param NAME=JSON --out DIR

Exit code: 0 if there is a result, 2 for wrong usage, 3 if this host has no sandbox.
"""

import argparse
import dataclasses
import json
import math
import os
import sys
import tempfile
from pathlib import Path

from runner.contract import JobResult, JobSpec, Limits, SandboxUnavailable
from runner.executors.bubblewrap import BubblewrapExecutor
from runner.host.job import check
from runner.host.selftest import default_environment

CODE_BYTES = 2**20
DEFAULTS = Limits()


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _parameter(text: str) -> tuple[str, object]:
    name, value = _pair(text)
    try:
        return name, json.loads(value)
    except ValueError as bad:
        raise argparse.ArgumentTypeError(f"the value of {name!r} is not JSON: {bad}") from bad


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError as bad:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from bad
    if not math.isfinite(number) or number <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be greater than zero")
    return number


def _count(text: str) -> int:
    number = _positive(text)
    if not number.is_integer():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(number)


def parser() -> argparse.ArgumentParser:
    known = argparse.ArgumentParser(prog="python -m runner", description=__doc__.partition("\n")[0])
    known.add_argument("code", metavar="CODE.py", type=Path)
    known.add_argument("--input", metavar="NAME=PATH", type=_pair, action="append", default=[])
    known.add_argument("--param", metavar="NAME=JSON", type=_parameter, action="append", default=[])
    known.add_argument("--out", metavar="DIR", type=Path, required=True, help="created if it does not exist")
    known.add_argument("--wall", metavar="S", type=_positive, default=DEFAULTS.wall_s)
    known.add_argument("--cpu", metavar="S", type=_positive, default=DEFAULTS.cpu_s)
    known.add_argument("--memory-mb", metavar="N", type=_count, default=DEFAULTS.memory_mb)
    known.add_argument("--pids", metavar="N", type=_count, default=DEFAULTS.pids)
    known.add_argument("--output-mb", metavar="N", type=_count, default=DEFAULTS.output_mb)
    known.add_argument("--output-files", metavar="N", type=_count, default=DEFAULTS.output_files)
    known.add_argument("--log-mb", metavar="N", type=_positive, default=1.0)
    known.add_argument("--environment", metavar="DIR", type=Path, default=default_environment())
    return known


def spec_of(given: argparse.Namespace) -> JobSpec:
    """Return the job that the arguments describe. Raises ValueError and OSError."""
    if given.code.stat().st_size > CODE_BYTES:
        raise ValueError(f"{given.code} has more than {CODE_BYTES:,} bytes")
    for option, pairs in (("--input", given.input), ("--param", given.param)):
        names = [name for name, _ in pairs]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{option} gives {', '.join(twice)} more than once")
    given.out.mkdir(parents=True, exist_ok=True)
    return JobSpec(
        run_id=f"command-{os.getpid()}",
        code=given.code.read_text(encoding="utf-8"),
        inputs={name: Path(path).absolute() for name, path in given.input},
        out=given.out.absolute(),
        environment=given.environment.absolute(),
        parameters=dict(given.param),
        limits=Limits(
            wall_s=given.wall,
            cpu_s=given.cpu,
            memory_mb=given.memory_mb,
            pids=given.pids,
            output_mb=given.output_mb,
            output_files=given.output_files,
            log_mb=given.log_mb,
        ),
    )


def run(spec: JobSpec) -> JobResult:
    """Run the job in a fresh folder, then move its outputs to `spec.out`, replacing those of earlier runs."""
    with tempfile.TemporaryDirectory(prefix=".weir-", dir=spec.out) as fresh:
        result = BubblewrapExecutor().run(dataclasses.replace(spec, out=Path(fresh)))
        for file in result.outputs:
            (Path(fresh) / file.name).replace(spec.out / file.name)
    return result


def report(result: JobResult) -> str:
    """Return the result as ASCII-only JSON, because logs may contain any character."""
    return json.dumps(dataclasses.asdict(result))


def main(arguments: list[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        spec = spec_of(given)
        check(spec)
    except (ValueError, OSError) as bad:
        sys.stderr.write(f"python -m runner: error: {bad}\n")
        return 2
    try:
        result = run(spec)
    except SandboxUnavailable as bad:
        sys.stderr.write(f"No sandbox: {bad}\n")
        return 3
    sys.stdout.write(report(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
