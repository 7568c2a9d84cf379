"""Decode output files in a second sandbox without any data: bytes go in, a header and bytes come out.

Formats that need a complex decoder (Parquet, PNG) are never opened in the portal's own process. The second sandbox is
the same as the first, with a decoding script in place of the submitted code.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from runner.contract import CloseCode, JobSpec, Limits, SandboxUnavailable, Status
from runner.gates.folder import read
from runner.gates.refusal import Refusal
from runner.host.job import INSIDE
from runner.host.local_sandbox import NotStarted
from runner.host.outcome import judge
from runner.host.session import Launcher, bubblewrapped
from runner.host.state import base, new_name
from runner.host.supervise import Supervisor
from runner.text import one_line

LIMITS = Limits(wall_s=60, cpu_s=50, memory_mb=2048, pids=32, output_mb=16, log_mb=0.1)
HEADER_BYTES = 16 * 2**20
LED_BY = {
    "decode_tables": ("runner.plain_text",),
    "table_facts": ("runner.plain_text", "runner.mentions", "runner.inside.decode_tables"),
}
REGISTER = "_register"
DEFINE = f"""
def {REGISTER}(name, source):
    import sys, types
    sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), vars(sys.modules[name]))
"""
GIVEN_UP = "It is malformed, or decoding it takes more memory or time than is allowed."


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came out of the decoding sandbox. Both parts are still hostile."""

    header: dict[str, Any]
    body: bytes


def decode(
    script: str,
    arguments: Sequence[str],
    data: bytes,
    environment: Path,
    *,
    limit: int = 0,
    launch: Launcher = bubblewrapped,
) -> Decoded:
    """Run `runner/inside/<script>.py` on `data` and read at most `limit` bytes of body. Raises Refusal."""
    with _folder() as folder:
        file = folder / "file"
        file.write_bytes(data)
        spec = JobSpec(
            run_id=folder.name,
            code=_script(script),
            inputs={"file": file},
            out=folder,
            environment=environment,
            parameters={"arguments": list(arguments)},
            limits=replace(LIMITS, output_mb=max(LIMITS.output_mb, limit >> 20)),
        )
        try:
            with launch(spec) as supervisor:
                return _decoded(supervisor, spec, limit)
        except NotStarted as bad:
            raise SandboxUnavailable(f"The decoding sandbox did not start: {bad}") from bad


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Yield a folder for the bytes. `sweep` removes it if this process dies."""
    folder = base() / new_name()
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@cache
def _script(name: str) -> str:
    """Return the script, preceded by the modules that it imports: the sandbox contains no others of ours."""
    lead = [f"{REGISTER}({module!r}, {_source(module)!r})" for module in LED_BY.get(name, ())]
    return "\n".join([DEFINE, *lead, (INSIDE / f"{name}.py").read_text(encoding="utf-8")])


def _source(module: str) -> str:
    return INSIDE.parents[1].joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")


def _decoded(supervisor: Supervisor, spec: JobSpec, limit: int) -> Decoded:
    ended = supervisor.run()
    outcome = judge(ended, spec.limits, 1)
    if not ended.ready or outcome.code is CloseCode.INTERNAL:
        raise SandboxUnavailable("The decoding sandbox cannot start on this host.")
    if outcome.status is not Status.SUCCEEDED:
        raise Refusal(GIVEN_UP)
    out = supervisor.sandbox.outputs
    header = _header(read(out, "header", HEADER_BYTES))
    if "refused" in header:
        too_big = CloseCode.OUTPUT_TOO_BIG if header.get("too_big") is True else CloseCode.OUTPUT_TYPE
        raise Refusal(one_line(str(header["refused"]), 400), too_big)
    return Decoded(header, read(out, "body", limit) if limit else b"")


def _header(data: bytes) -> dict[str, Any]:
    try:
        header = json.loads(data)
    except (ValueError, RecursionError) as bad:
        raise Refusal(GIVEN_UP) from bad
    if not isinstance(header, dict):
        raise Refusal(GIVEN_UP)
    return header
