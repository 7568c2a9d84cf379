"""Code tried on mock data, through the very path of private blocks: what it returns, how it may fail, and its time.

People are drawn from the mock data with replacement, as many in a block as a private block is expected to have. The
rows are public and so are all results, which cost nothing.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
from django.utils import timezone

from common import live
from datasets import mock_columns, mock_files
from privacy.declarations import engine_table, plans_for, specs_of
from privacy.engine import code_release
from privacy.engine.figures import Figures
from privacy.engine.language.code import Ball, Box, CodeQuestion
from privacy.engine.language.schema import LARGEST_VALUE, QueryRefused, TableSpec
from privacy.engine.language.wire import decode_code
from privacy.engine.measure.contributions import Integers
from privacy.engine.measure.evaluate import Bools, kept_rows
from privacy.engine.plan.blocks import SLOT_S, BlockPlan, offer_of, plan_blocks
from privacy.engine.release import SortedTable
from privacy.execution.code_answers import Answers, environment_of, first_state, run
from privacy.execution.people_blocks import PeopleBlocks, people_with_rows
from privacy.models import CodeTrial
from runner.contract import Report as Ran
from runner.contract import SandboxUnavailable, slot_of

MOST_ROWS = 100_000
"""The most mock rows that are read, and that the whole table of a trial has."""
MOST_BLOCKS = 200
"""The most blocks that are run at the planned size. A rarer failure than one in 200 is not seen."""
CURVE_BLOCKS = 40
CURVE = (0.25, 0.5, 2.0)
"""Other numbers of blocks that are tried, as multiples of the planned one."""
LARGE_BLOCKS = 5
LISTED = 100
"""The most numbers of an answer over the whole table that are kept."""
SHOWN_TRACEBACKS = 3
SLACK = 4.0
"""In its slot, a block may work this many times as long as the slowest mock block."""
TRIES = 40
"""How often noise is drawn to simulate the error."""
CLAMPED = 0.01
"""Half samples are switched off if more than this part of the blocks' answers lies outside the declared box."""
WHOLE_S = 60.0
PROBE_BLOCKS = 10
BLOCKS_S = 120.0
"""Fewer blocks are run if all of them would take longer than this, in seconds."""
LEAST_BLOCKS = 20
CURVE_S = 60.0
GIVEN_UP = timedelta(minutes=15)
WAITS = timedelta(seconds=20)
"""Then workers are woken again for a trial that none has taken."""


class Stopped(Exception):
    """A trial has been ended by its scientist, or given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The error on mock data with another number of blocks: bias, and with noise, in each output's units."""

    blocks: int
    bias: list[float]
    error: list[float]


@dataclass(slots=True, kw_only=True)
class Report:
    """What a trial found, from mock data alone. Lists have an entry per output; a ball's hold one norm, votes' shares.

    `whole`: the answer over the whole mock table. `quartiles`: of the blocks' answers. `bias`: mean of the blocks less
    the whole. `error`: root mean square of the noisy answer less the whole, over TRIES draws of noise.
    """

    whole: list[float] = field(default_factory=list)
    whole_error: str = ""
    run: int = 0
    failed: int = 0
    late: int = 0
    clamped: float = 0.0
    slowest: float = 0.0
    slot: float = SLOT_S[1]
    start: float = 0.0
    halves: bool = False
    people_each: float = 0.0
    quartiles: list[list[float]] = field(default_factory=list)
    bias: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    curve: list[Curve] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    why: str = ""
    environment_sha256: str = ""
    """Of the code environment that it ran in. Only there may the code be asked."""

    @property
    def failing(self) -> float:
        """The part of the blocks that failed or were late."""
        return (self.failed + self.late) / self.run if self.run else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mock:
    """The mock table, and the people in it whom the code is about."""

    table: SortedTable
    kept: Bools
    people: Integers
    source: np.random.Generator

    def blocks(self, many: int, people_each: float) -> PeopleBlocks:
        """Draw people for each block, as many as a random cut of people would give."""
        sizes = np.maximum(1, self.source.poisson(people_each, many))
        return self.of([int(size) for size in sizes])

    def of(self, sizes: list[int]) -> PeopleBlocks:
        return PeopleBlocks(self.table, self.kept, [self.source.choice(self.people, n) for n in sizes])

    def most_rows(self, people_each: float) -> PeopleBlocks:
        """Draw large blocks: more people than nearly all blocks have, those with the most rows in the mock data."""
        sizes = np.diff(self.table.offsets)[self.people]
        longest = self.people[np.argsort(-sizes, kind="stable")[: max(1, len(self.people) // 10)]]
        many = int(people_each + 4 * people_each**0.5) + 1
        each = [self.source.choice(longest, many) for _ in range(LARGE_BLOCKS)]
        return PeopleBlocks(self.table, self.kept, each)


def run_trial(pk: str) -> None:
    """Try the code of one trial, once. What a trial finds is stored on it."""
    trial = CodeTrial.objects.select_related("budget__promise__dataset", "revision").get(pk=pk)
    taken = CodeTrial.objects.filter(pk=pk, state=CodeTrial.State.WAITING)
    if not taken.update(state=CodeTrial.State.RUNNING, begun_at=timezone.now()):
        return
    _told(trial)
    try:
        found = tried(trial, lambda part: _progress(trial, part))
    except Stopped:
        return
    except (QueryRefused, SandboxUnavailable) as refused:
        found = Report(why=str(refused))
    except (OSError, LookupError, ValueError):
        found = Report(why="The mock data of this table does not fit its declarations.")
    end(trial, found)


def _progress(trial: CodeTrial, part: float) -> None:
    """Store how far a trial is. Raises Stopped if it has ended: others wait for this worker."""
    if not CodeTrial.objects.filter(pk=trial.pk, state=CodeTrial.State.RUNNING).update(progress=part):
        raise Stopped
    _told(trial)


def end(trial: CodeTrial, found: Report) -> None:
    """Store what a trial found, unless it has ended."""
    state = CodeTrial.State.FAILED if found.why else CodeTrial.State.DONE
    running = CodeTrial.objects.filter(pk=trial.pk, state__in=CodeTrial.OPEN)
    running.update(state=state, report=asdict(found), ended_at=timezone.now(), progress=1.0)
    _told(trial)


def _told(trial: CodeTrial) -> None:
    live.changed("user", trial.budget.scientist_id)
    live.changed("trial", trial.pk)


def sweep() -> list[str]:
    """End trials whose worker has died. Returns the ids of those that wait, to be queued again."""
    old = timezone.now() - GIVEN_UP
    for trial in CodeTrial.objects.filter(state=CodeTrial.State.RUNNING, begun_at__lt=old):
        end(trial, Report(why="The worker ended before the trial did. Try again."))
    if CodeTrial.objects.filter(state=CodeTrial.State.RUNNING).exists():
        return []  # the others wait for it, not for a message
    waiting = CodeTrial.objects.filter(state=CodeTrial.State.WAITING, created_at__lt=timezone.now() - WAITS)
    return [str(pk) for pk in waiting.values_list("pk", flat=True)[:100]]


def tried(trial: CodeTrial, progress: Callable[[float], None]) -> Report:
    """Run a trial's code on mock data: the whole table, blocks as planned, large blocks, and other numbers of blocks.

    Raises QueryRefused or SandboxUnavailable if it cannot be run; LookupError, ValueError or OSError for mock data
    that does not fit.
    """
    question, promise = decode_code(trial.question), trial.budget.promise
    spec = specs_of(trial.revision, promise.constants).get(question.table)
    if spec is None:
        raise QueryRefused(f"There is no table “{question.table[:100]}” in this revision.")
    mock = _mock(trial, question, spec)
    plan = plan_blocks(question, spec, public_size=promise.public_size, mu=trial.mu)
    environment = environment_of(question)
    report = Report(people_each=plan.people_each, halves=plan.halves, environment_sha256=environment.sha256)
    whole = _whole(mock, question, report)
    progress(0.1)
    if whole is None:
        return report
    answers = _planned(mock, question, plan, report)
    progress(0.6)
    _time(mock, question, plan, report)
    progress(0.7)
    sigma = offer_of(plan, trial.mu, trial.budget.mu).sigma
    _compare(question, plan, report, whole, answers, sigma)
    _curve(mock, question, spec, trial, report, whole)
    return report


def _mock(trial: CodeTrial, question: CodeQuestion, spec: TableSpec) -> _Mock:
    path = mock_files.published(trial.revision, spec.name)
    plans = [plan for plan in plans_for(spec) if not plan.text]
    table = engine_table(mock_columns.read(path, spec.subject, plans, most=MOST_ROWS), spec)
    kept = kept_rows(question.where, table.rows)
    people = np.flatnonzero(people_with_rows(table, kept)).astype(np.int64)
    if not len(people):
        raise QueryRefused("No row of the mock data meets the conditions, so the code cannot be tried.")
    source = np.random.default_rng(int(trial.question_sha256[:16], 16))
    return _Mock(table=table, kept=kept, people=people, source=source)


def _whole(mock: _Mock, question: CodeQuestion, report: Report) -> Answers | None:
    """Return what the code answers on the whole mock table; None if it fails there."""
    blocks = PeopleBlocks(mock.table, mock.kept, [mock.people])
    answers, ran = _ran(question, blocks, seconds=WHOLE_S, halves=False, explain=True)
    report.start, report.tracebacks = ran.start_s, list(ran.tracebacks)
    if ran.ends[0] != "ok":
        late = ran.ends[0] == "time"
        report.why = (
            f"On the whole mock table the code takes longer than {WHOLE_S:.0f} seconds."
            if late
            else "The code fails on the whole mock table."
        )
        return None
    report.whole = answers[0].tolist() if question.outputs <= LISTED else []
    whole: Answers = answers[0]
    return whole


def _planned(mock: _Mock, question: CodeQuestion, plan: BlockPlan, report: Report) -> Answers:
    """Run blocks of the planned size. Returns their answers, shape (blocks, outputs)."""
    probe = _blocks(mock, question, plan, report, PROBE_BLOCKS)
    fast = int(BLOCKS_S / max(report.slowest, 1e-3))
    many = min(plan.blocks, MOST_BLOCKS, max(LEAST_BLOCKS, fast))
    answers = np.concatenate([probe, _blocks(mock, question, plan, report, max(0, many - PROBE_BLOCKS))])
    if report.halves and (share := outside(question, answers)) > CLAMPED:
        report.halves, report.run, report.failed, report.late = False, 0, 0, 0
        answers = _blocks(mock, question, plan, report, many)
        report.clamped = share
    return answers


def _blocks(mock: _Mock, question: CodeQuestion, plan: BlockPlan, report: Report, many: int) -> Answers:
    """Run blocks and add to the report how they ended."""
    if many < 1:
        return np.empty((0, question.outputs))
    blocks = mock.blocks(many, plan.people_each)
    answers, ran = _ran(question, blocks, halves=report.halves, explain=True)
    report.run += many
    report.failed += ran.ends.count("failed")
    report.late += ran.ends.count("time")
    report.slowest = max(report.slowest, *ran.seconds)
    report.start = max(report.start, ran.start_s)
    report.tracebacks = (report.tracebacks + list(ran.tracebacks))[:SHOWN_TRACEBACKS]
    return answers


def _ran(
    question: CodeQuestion,
    blocks: PeopleBlocks,
    *,
    halves: bool,
    seconds: float = SLOT_S[1],
    explain: bool = False,
) -> tuple[Answers, Ran]:
    """Run the code on mock people. What it answers and says is limited to what can be computed with and stored."""
    state = first_state(question)
    answers, ran = run(question, blocks, seconds=seconds, halves=halves, state=state, explain=explain)
    tracebacks = tuple(text.replace("\0", "\ufffd") for text in ran.tracebacks)
    return np.clip(answers, -LARGEST_VALUE, LARGEST_VALUE), replace(ran, tracebacks=tracebacks)


def outside(question: CodeQuestion, answers: Answers) -> float:
    """Return the part of the blocks' answers that lies outside the declared box or ball."""
    found = answers[np.isfinite(answers).all(axis=1)]
    if not len(found):
        return 0.0
    match question.shape:
        case Box(lower=lower, upper=upper):
            beyond = ((found < np.array(lower)) | (found > np.array(upper))).any(axis=1)
        case Ball(radius=radius):
            beyond = np.linalg.norm(found, axis=1) > radius
        case _:
            return 0.0
    return float(beyond.mean())


def _time(mock: _Mock, question: CodeQuestion, plan: BlockPlan, report: Report) -> None:
    """Measure the time of large blocks, and fix the slot: what a private block may take."""
    _, ran = _ran(question, mock.most_rows(plan.people_each), halves=report.halves)
    report.slowest = max(report.slowest, *ran.seconds)
    report.slot = round(min(max(slot_of(SLACK * report.slowest), SLOT_S[0]), SLOT_S[1]), 3)


def _compare(
    question: CodeQuestion, plan: BlockPlan, report: Report, whole: Answers, answers: Answers, sigma: int
) -> None:
    """Compare the blocks with the whole table: spread, bias, and the error with noise."""
    report.clamped = report.clamped or outside(question, answers)
    found = answers[np.isfinite(answers).all(axis=1)]
    if not len(found):
        return
    if isinstance(question.shape, Box):
        report.quartiles = np.quantile(found, [0.25, 0.5, 0.75], axis=0).T.tolist()
    report.bias, report.error = _errors(question, plan, whole, answers, sigma)


def _errors(
    question: CodeQuestion, plan: BlockPlan, whole: Answers, answers: Answers, sigma: int
) -> tuple[list[float], list[float]]:
    """Return the bias of the blocks, and the root mean square error with noise, over TRIES draws.

    Of a ball, the length of both vectors; of votes, the part of the blocks and of the draws that choose the label of
    the whole table.
    """
    sample = answers[np.arange(plan.blocks) % len(answers)]
    match question.shape:
        case Box(lower=lower, upper=upper):
            inside = np.clip(answers[np.isfinite(answers).all(axis=1)], lower, upper)
            bias = inside.mean(axis=0) - whole
            draws = [
                _values(code_release.release_box(question, plan, sample, sigma)) - whole for _ in range(TRIES)
            ]
            return bias.tolist(), np.sqrt(np.mean(np.square(draws), axis=0)).tolist()
        case Ball():
            mean = np.nan_to_num(answers).mean(axis=0)
            draws = [code_release.average_ball(question, plan, sample, sigma) - whole for _ in range(4)]
            return [float(np.linalg.norm(mean - whole))], [float(np.mean(np.linalg.norm(draws, axis=1)))]
        case _:
            chosen = [
                int(np.argmax(_values(code_release.release_votes(question, plan, sample, sigma))))
                for _ in range(TRIES)
            ]
            return [float(np.mean(answers[:, 0] == whole[0]))], [float(np.mean(np.array(chosen) == whole[0]))]


def _values(figures: Figures) -> npt.NDArray[np.float64]:
    return np.array([line.figures[0].value for line in figures.lines], dtype=np.float64)


def _curve(
    mock: _Mock, question: CodeQuestion, spec: TableSpec, trial: CodeTrial, report: Report, whole: Answers
) -> None:
    """Try other numbers of blocks, for a box, as long as time is left."""
    begun, promise = time.monotonic(), trial.budget.promise
    planned = plan_blocks(question, spec, public_size=promise.public_size, mu=trial.mu).blocks
    for factor in CURVE if isinstance(question.shape, Box) else ():
        if time.monotonic() - begun > CURVE_S:
            return
        try:
            other = replace(question, blocks=round(planned * factor))
            plan = plan_blocks(other, spec, public_size=promise.public_size, mu=trial.mu)
        except QueryRefused:
            continue
        sigma = offer_of(plan, trial.mu, trial.budget.mu).sigma
        many = min(plan.blocks, CURVE_BLOCKS)
        answers, _ = _ran(other, mock.blocks(many, plan.people_each), halves=report.halves)
        if np.isfinite(answers).all(axis=1).any():
            bias, error = _errors(other, plan, whole, answers, sigma)
            report.curve.append(Curve(blocks=plan.blocks, bias=bias, error=error))
