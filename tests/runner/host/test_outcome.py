"""How a run ended follows from what the host saw; the sandbox's own report is believed in its vocabulary only."""

import builtins

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.contract import CloseCode, Limits, Status
from runner.host.outcome import Ended, judge

LIMITS = Limits(cpu_s=10)


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (Ended(), (Status.SUCCEEDED, None, 0, None)),
        (Ended(cancelled=True, returned=137), (Status.CANCELLED, None, None, 9)),
        (Ended(stopped=CloseCode.TIME_LIMIT, returned=137), (Status.FAILED, CloseCode.TIME_LIMIT, None, 9)),
        (Ended(ready=False, returned=1), (Status.FAILED, CloseCode.INTERNAL, 1, None)),
        (Ended(returned=137, out_of_memory=True), (Status.FAILED, CloseCode.MEMORY_LIMIT, None, 9)),
        (Ended(returned=159), (Status.FAILED, CloseCode.POLICY_BLOCKED, None, 31)),
        (Ended(returned=152, cpu_s=9.9), (Status.FAILED, CloseCode.TIME_LIMIT, None, 24)),
        (Ended(returned=152, cpu_s=0.1), (Status.FAILED, CloseCode.EXIT_NONZERO, None, 24)),
        (Ended(returned=139, report="exit 139"), (Status.FAILED, CloseCode.EXIT_NONZERO, 139, None)),
        (Ended(returned=1, report="exit 0"), (Status.FAILED, CloseCode.EXIT_NONZERO, 1, None)),
        (Ended(returned=1, disk_was_full=True), (Status.FAILED, CloseCode.DISK_LIMIT, 1, None)),
        (Ended(returned=1, refused_processes=True), (Status.FAILED, CloseCode.PROCESS_LIMIT, 1, None)),
        (Ended(returned=0, out_of_memory=True), (Status.SUCCEEDED, None, 0, None)),
    ],
)
def test_outcome(ended: Ended, told: tuple[object, ...]) -> None:
    outcome = judge(ended, LIMITS, 10)
    assert (outcome.status, outcome.code, outcome.exit_code, outcome.signal) == told


@given(st.text(max_size=80))
def test_report_is_believed_in_its_vocabulary_only(report: str) -> None:
    outcome = judge(Ended(returned=1, report="exception " + report), LIMITS, 10)
    assert outcome.error_class in {*dir(builtins), ""}
    assert outcome.error_line is None or 1 <= outcome.error_line <= 10
