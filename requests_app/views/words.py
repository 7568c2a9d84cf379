"""States and close codes in plain words. Pure text: nothing here reads private rows."""

from dataclasses import dataclass

from django.utils.timezone import localtime

from requests_app.models import Approval, CodeRequest, Release, Run
from runner.contract import CloseCode


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a close code means, and what to do about it."""

    what: str
    do: str


FAILURES: dict[str, Meaning] = {
    CloseCode.TIME_LIMIT: Meaning(
        "The run took longer than its time limit.",
        "Make the code do less (fewer columns, no loops over rows), or ask the owner for a longer limit.",
    ),
    CloseCode.MEMORY_LIMIT: Meaning(
        "The code needed more memory than its limit.",
        "Read only the columns you need, work in pieces, or ask the owner for a higher limit.",
    ),
    CloseCode.DISK_LIMIT: Meaning(
        "The code wrote more to disk than its limit.",
        "Write smaller files and less to the log; keep intermediate results in memory.",
    ),
    CloseCode.PROCESS_LIMIT: Meaning(
        "The code started more processes or threads than its limit.",
        "Lower the number of workers or threads that the code asks for.",
    ),
    CloseCode.EXIT_NONZERO: Meaning(
        "The code exited with an error status.",
        "Look for sys.exit() or a crash in a compiled library, and run the same code on mock data.",
    ),
    CloseCode.EXCEPTION: Meaning(
        "The code raised an exception that it did not catch.",
        "Look at the line named here. The message is withheld because it may quote the data. Reproduce it on mock "
        "data, which may need missing values or rare categories to show it.",
    ),
    CloseCode.OUTPUT_MISSING: Meaning(
        "The code succeeded but wrote no output.",
        "Return something from main(), or write a file into $WEIR_OUT.",
    ),
    CloseCode.OUTPUT_TOO_BIG: Meaning(
        "The outputs are larger than a run may write.",
        "Write summaries rather than rows; at most 16 MB per file.",
    ),
    CloseCode.OUTPUT_TYPE: Meaning(
        "None of the outputs is of an accepted file type.",
        "Write csv, json, txt, md, png or parquet files whose content matches their name.",
    ),
    CloseCode.POLICY_BLOCKED: Meaning(
        "The run was stopped by policy: the approval or the access to the data had ended before it started, "
        "or the code asked the system for something that no run may do.",
        "Check on the request's page whether the approval is still valid. If it is, the code is the cause: a run has "
        "its declared tables, the installed packages and nothing else, so no network and no other programs.",
    ),
    CloseCode.WORKER_LOST: Meaning(
        "The machine that worked on this run stopped responding. The code is not to blame.",
        "Start the run again. If it happens again, tell an admin.",
    ),
    CloseCode.INTERNAL: Meaning(
        "Weir itself failed. The code is not to blame.",
        "Start the run again. If it happens again, send an admin the address of this page.",
    ),
}

REQUEST_SENTENCE: dict[str, str] = {
    CodeRequest.State.DRAFT: "This is a draft that only its author can see.",
    CodeRequest.State.SUBMITTED: "Version {version} is waiting for a review by the owner or a reviewer.",
    CodeRequest.State.IN_REVIEW: "Version {version} is being reviewed.",
    CodeRequest.State.CHANGES_REQUESTED: "A reviewer has requested changes: the author submits a new version next.",
    CodeRequest.State.REJECTED: "Version {version} was rejected.",
    CodeRequest.State.WITHDRAWN: "The author withdrew this request.",
    CodeRequest.State.REVOKED: "The approval was revoked.",
    CodeRequest.State.EXPIRED: "The approval has expired: submitting again requests a new one.",
}
RUN_SENTENCE: dict[str, str] = {
    Run.State.QUEUED: "a run is waiting for a worker",
    Run.State.STARTING: "a run is starting",
    Run.State.RUNNING: "a run is in progress",
    Run.State.COLLECTING: "the outputs of a run are being collected",
    Run.State.ENDING: "a run has ended, which will be announced at the next step",
    Run.State.CANCELLING: "a run is being cancelled",
    Run.State.CANCELLED: "the last run was cancelled",
    Run.State.FAILED: "the last run failed",
    Run.State.SUCCEEDED: "the last run has ended",
}
RELEASE_SENTENCE: dict[str, str] = {
    Release.State.HELD: "the outputs of its run are held for the output check",
    Release.State.CHECKING: "the outputs of its run are being checked",
    Release.State.RELEASED: "its released outputs can be downloaded",
    Release.State.REJECTED: "the outputs of its last run were not released",
    Release.State.CHANGES_REQUESTED: "the outputs need changes before they can be released",
    Release.State.RECALLED: "its release was recalled",
    Release.State.EXPIRED: "the held outputs expired unchecked",
}


def request_sentence(
    item: CodeRequest, *, approval: Approval | None, used: int, run: Run | None, release: Release | None
) -> str:
    """Return the state of a request in one sentence, from the states of request, run and release."""
    number = item.latest.number if item.latest else 0
    if item.state != CodeRequest.State.APPROVED or approval is None:
        words = REQUEST_SENTENCE.get(item.state, f"{item.get_state_display()}.")
        return words.format(version=number)
    left = max(approval.runs_allowed - used, 0)
    runs = "no runs left" if not left else f"{left} of {approval.runs_allowed} runs left"
    head = f"Version {number} is approved until {localtime(approval.expires_at):%-d %B %Y}, {runs}"
    return f"{head}; {_last_run(run, release)}."


def _last_run(run: Run | None, release: Release | None) -> str:
    if run is None:
        return "it has not run yet"
    if release is not None:
        return RELEASE_SENTENCE[release.state]
    return RUN_SENTENCE[run.state]


ON_MOCK = Meaning(
    "The code raised an exception that it did not catch.",
    "The traceback below is complete: mock data hides nothing from you.",
)


IN_THE_LOG = Meaning(
    "The code raised an exception that it did not catch.",
    "The log has the message and the traceback. The author learns the class and the line named here, and nothing else.",
)


def failure(run: Run, *, reads_log: bool) -> Meaning | None:
    """Return what a failed run's close code means, for readers of its page."""
    if run.state not in (Run.State.FAILED, Run.State.ENDING):
        return None
    if reads_log and run.close_code == CloseCode.EXCEPTION:
        return ON_MOCK if run.kind == Run.Kind.MOCK else IN_THE_LOG
    return FAILURES.get(run.close_code)


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a run, as shown on its page."""

    label: str
    done: bool
    now: bool


WAY = (Run.State.QUEUED, Run.State.STARTING, Run.State.RUNNING, Run.State.COLLECTING, Run.State.ENDING)
PUBLIC_WAY = WAY[:3]


def stages(run: Run, *, reads_log: bool) -> list[Stage]:
    """Return the stages of a run in progress; an empty list once it has ended."""
    if run.state not in WAY:
        return []
    way = PUBLIC_WAY if not reads_log else WAY if run.kind == Run.Kind.PRIVATE else WAY[:-1]
    at = WAY.index(Run.State(run.state))
    return [Stage(state.label, done=place < at, now=place == at) for place, state in enumerate(way)]


RUN_NOW: dict[str, str] = {
    Run.State.QUEUED: "The run is waiting for its turn.",
    Run.State.STARTING: "The sandbox is being set up.",
    Run.State.RUNNING: "The code is running.",
    Run.State.COLLECTING: "The code has ended; its outputs are being collected.",
    Run.State.ENDING: "The code has ended. Its author, and everybody else who may not read the log, will learn this at "
    "the next step, because its exact duration may depend on the private rows. The check begins then.",
    Run.State.CANCELLING: "The run is being cancelled: its worker stops it within seconds.",
    Run.State.CANCELLED: "The run was cancelled. Nothing it wrote was kept.",
    Run.State.FAILED: "The run failed.",
    Run.State.SUCCEEDED: "The run succeeded.",
}
RELEASE_NOW: dict[str, str] = {
    Release.State.HELD: "The run has ended. What it wrote is held until the owner or a reviewer has checked it.",
    Release.State.CHECKING: "The run has ended. What it wrote is being checked.",
    Release.State.RELEASED: "Outputs of this run are released.",
    Release.State.REJECTED: "The outputs were checked and not released.",
    Release.State.CHANGES_REQUESTED: "The outputs were not released: the code has to change first.",
    Release.State.RECALLED: "The release was recalled.",
    Release.State.EXPIRED: "Nobody checked the outputs in time, so they were deleted. Run again to have them checked.",
}


def run_sentence(run: Run, release: Release | None, *, withheld: int = 0, outputs: int = 0) -> str:
    """Return the state of a run in one sentence. `withheld` of how many `outputs` is for those who read held ones."""
    if release is None:
        return RUN_NOW[run.state]
    if release.state == Release.State.RELEASED and withheld:
        return f"{outputs - withheld} of {outputs} outputs of this run are released; the others are withheld."
    return RELEASE_NOW[release.state]
