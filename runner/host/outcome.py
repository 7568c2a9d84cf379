"""Determine how a run ended from what the host observed. Nothing that the code printed is used."""

import builtins
from dataclasses import dataclass

from runner.contract import CloseCode, JobResult, Limits, Status

KILL, SYSTEM_CALL, CPU_TIME, FILE_SIZE = 9, 31, 24, 25
NEAR = 0.5
"""The kernel counts CPU time for its limit differently than for its statistics."""
SHORTAGES = {
    "memory": CloseCode.MEMORY_LIMIT,
    "disk": CloseCode.DISK_LIMIT,
    "processes": CloseCode.PROCESS_LIMIT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The observations. `returned` is bubblewrap's exit code; `report` came over the control socket, if anything did.

    The code may forge the report, so only its closed vocabulary is used, which says nothing that the code could not
    bring about anyway.
    """

    stopped: CloseCode | None = None
    cancelled: bool = False
    ready: bool = True
    returned: int = 0
    report: str = ""
    out_of_memory: bool = False
    refused_processes: bool = False
    disk_was_full: bool = False
    cpu_s: float = 0.0


def judge(ended: Ended, limits: Limits, lines: int) -> JobResult:
    """Return how the run ended, before outputs are checked. `lines` is the length of the author's file."""
    exit_code, signal = _exit(ended)
    if ended.cancelled:
        return JobResult(status=Status.CANCELLED, signal=signal, exit_code=exit_code)
    code = _code(ended, limits, exit_code, signal)
    if code is None:
        return JobResult(status=Status.SUCCEEDED, exit_code=exit_code)
    failed = JobResult(status=Status.FAILED, code=code, exit_code=exit_code, signal=signal)
    if code is not CloseCode.EXCEPTION:
        return failed
    name, line = _exception(ended.report, lines)
    return JobResult(status=Status.FAILED, code=code, error_class=name, error_line=line, exit_code=exit_code)


def _exit(ended: Ended) -> tuple[int | None, int | None]:
    """Return (exit code, signal). Bubblewrap returns 128 + n for signal n; the report tells such an exit code apart."""
    if ended.stopped is not None or ended.cancelled:
        return None, KILL
    if ended.returned < 0:
        return None, -ended.returned
    is_reported = ended.report == f"exit {ended.returned}"
    if ended.returned > 128 and ended.returned <= 128 + 64 and not is_reported:
        return None, ended.returned - 128
    return ended.returned, None


def _code(ended: Ended, limits: Limits, exit_code: int | None, signal: int | None) -> CloseCode | None:
    """Return the close code, None for success. Our own reasons come first, then the kernel's, then the code's."""
    if ended.stopped is not None:
        return ended.stopped
    if not ended.ready:
        return CloseCode.INTERNAL
    if exit_code == 0:
        return None
    if ended.out_of_memory:
        return CloseCode.MEMORY_LIMIT
    if signal is not None:
        return _by_signal(signal, ended, limits)
    return _by_shortage(ended)


def _by_signal(signal: int, ended: Ended, limits: Limits) -> CloseCode:
    if signal == SYSTEM_CALL:
        return CloseCode.POLICY_BLOCKED
    if signal in (CPU_TIME, KILL) and ended.cpu_s >= NEAR * limits.cpu_s:
        return CloseCode.TIME_LIMIT
    if signal == FILE_SIZE and ended.disk_was_full:
        return CloseCode.DISK_LIMIT
    return CloseCode.EXIT_NONZERO


def _by_shortage(ended: Ended) -> CloseCode:
    """Return the close code of a run that ended by itself: what it ran out of, if anything."""
    words = ended.report.split(" ")
    shortage = SHORTAGES.get(words[3]) if len(words) > 3 else None
    if shortage is not None:
        return shortage
    if ended.refused_processes:
        return CloseCode.PROCESS_LIMIT
    if ended.disk_was_full:
        return CloseCode.DISK_LIMIT
    return CloseCode.EXCEPTION if words[0] == "exception" else CloseCode.EXIT_NONZERO


def _exception(report: str, lines: int) -> tuple[str, int | None]:
    words = [*report.split(" "), "", ""]
    line = int(words[2]) if words[2].isdecimal() and len(words[2]) < 10 else 0
    return _class(words[1]), line if 1 <= line <= lines else None


def _class(name: str) -> str:
    found = getattr(builtins, name, None) if name.isidentifier() else None
    return name if isinstance(found, type) and issubclass(found, BaseException) else "Exception"
