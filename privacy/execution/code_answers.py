"""Answers by submitted code: charged in a turn like every long answer (`turns`), then computed in blocks of people.

What is charged is the worst case for everybody with a row, whatever the blocks do. Noise is drawn once the blocks of a
round have ended. No block is run twice on private rows.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.utils.module_loading import import_string

from common import code_environments
from common.code_environments import Environment
from common.errors import Refused
from privacy.declarations import engine_table
from privacy.engine import code_release
from privacy.engine.figures import Figures
from privacy.engine.language.code import Ball, Box, CodeQuestion, Votes
from privacy.engine.language.query import CountSubjects, Query
from privacy.engine.language.schema import QueryRefused
from privacy.engine.language.wire import decode_code
from privacy.engine.plan.blocks import BlockPlan, plan_blocks, run_seconds
from privacy.engine.release import measure
from privacy.execution import lifecycle, opening, people_blocks, turns
from privacy.execution.opening import Attempt
from privacy.execution.people_blocks import PeopleBlocks
from privacy.execution.questions import Question, question_for
from privacy.ledgers.person_ledger import SubjectLedger
from privacy.models import Answer, BlockReport, LedgerLine
from runner.contract import BlockRunner, Limits, Report

MEMORY_MB = 256
"""What a block may use beyond its libraries."""
Answers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an answer's code, its trial and the declarations say about the run: known before anything is charged."""

    question: CodeQuestion
    opens: Question
    """The count of people whom the code is about, which has the same filter and charges the same people."""
    plan: BlockPlan
    environment: Environment
    slot: float
    start: float

    @property
    def seconds(self) -> float:
        """The public time of all blocks."""
        return run_seconds(self.plan, self.question.rounds, slot_s=self.slot, start_s=self.start)


def compute(pk: str) -> None:
    """Answer one pending question by code, once. A second delivery of the task finds it settled and does nothing."""
    answer = Answer.objects.select_related("budget__promise__dataset", "revision", "line").get(pk=pk)
    with opening.lost_unless_stored(answer) as attempt:
        taken = turns.take(attempt, asked_of, _charged)
        if taken is not None:
            asked, cut = taken
            _answer(attempt, asked, cut())


def asked_of(answer: Answer) -> Asked:
    """Check an answer's code again before it is charged. Raises QueryRefused when it cannot be asked any more."""
    question, purpose = decode_code(answer.query), answer.line.purpose
    query = Query(table=question.table, measure=CountSubjects(), where=question.where)
    people = question_for(query, answer)
    plan = plan_blocks(question, people.spec, public_size=answer.budget.promise.public_size, mu=answer.mu)
    if plan.blocks != purpose["blocks"] or plan.releases != answer.releases:
        raise QueryRefused("The declarations have changed since this code was tried. Try it again.")
    environment = environment_of(question)
    if environment.sha256 != purpose.get("environment_sha256"):
        raise QueryRefused(changed(environment.name))
    return Asked(
        question=question,
        opens=people,
        plan=plan,
        environment=environment,
        slot=purpose["slot"],
        start=purpose["start"],
    )


def _charged(
    answer: Answer, line: LedgerLine, ledger: SubjectLedger, asked: Asked
) -> Callable[[], PeopleBlocks]:
    """Charge everybody with a row, and return what cuts those who take part into blocks."""
    promise, spec = answer.budget.promise, asked.opens.spec
    store = opening.open_columns(answer.budget, line, asked.opens.table, asked.opens.plans)
    table = engine_table(store, spec)
    # A count adds, and costs, a rounding less than the clip; an answer by code may move by all of it.
    counted = measure(asked.opens.query, table, worst_case=answer.line.units).charges > 0
    active = ledger.charge(
        answer.budget_id,
        ledger.places(store.digests, name=store.listing, owed=opening.owed(promise)),
        np.where(counted, answer.line.units, 0),
        line=line.pk,
    )
    # Only who was charged takes part, in complete answers too.
    return partial(
        people_blocks.of_everybody,
        table,
        asked.question.where,
        store.digests,
        active & counted,
        asked.plan.blocks,
    )


def _answer(attempt: Attempt, asked: Asked, blocks: PeopleBlocks) -> None:
    """Run the blocks and release what they say at the deadline."""
    answer = attempt.answer
    figures, report = _computed(asked, blocks, answer.sigma)
    turns.tell(
        attempt,
        result=asdict(figures),
        facts=_record_of(answer, asked),
        also=partial(BlockReport.objects.create, answer=answer, **report),
    )


def _computed(asked: Asked, blocks: PeopleBlocks, sigma: int) -> tuple[Figures, dict[str, Any]]:
    """Run all rounds over the blocks. Returns the noisy figures, and the private report (fields of BlockReport).

    Raises SandboxUnavailable.
    """
    question = asked.question
    state, answers = first_state(question), np.empty((0, question.outputs))
    reports: list[Report] = []
    for _ in range(question.rounds):
        answers, report = run(
            question, blocks, seconds=asked.slot, halves=asked.plan.halves, state=state, slot_s=asked.slot
        )
        reports.append(report)
        if isinstance(question.shape, Ball):
            state = state + code_release.average_ball(question, asked.plan, answers, sigma)
    return _figures(asked, answers, state, sigma), {
        "ends": dict(Counter(end for report in reports for end in report.ends)),
        "people": sum(map(len, blocks.people)),
        "slowest": max((max(report.seconds, default=0.0) for report in reports), default=0.0),
        "wall": sum(report.wall_s for report in reports),
    }


def _figures(asked: Asked, answers: Answers, state: Answers, sigma: int) -> Figures:
    match asked.question.shape:
        case Box():
            return code_release.release_box(asked.question, asked.plan, answers, sigma)
        case Ball():
            return code_release.ball_figures(asked.question, asked.plan, state, sigma)
        case Votes():
            return code_release.release_votes(asked.question, asked.plan, answers, sigma)


def first_state(question: CodeQuestion) -> Answers:
    """Return the state that the first round receives: the request's public start, or zeros."""
    shape = question.shape
    if not isinstance(shape, Ball):
        return np.zeros(0)
    return np.array(shape.start, dtype=np.float64) if shape.start else np.zeros(shape.size)


def environment_of(question: CodeQuestion) -> Environment:
    """Return the code environment that a question's blocks run in. Raises QueryRefused unless it is on offer."""
    try:
        code_environments.check_offered(question.environment)
        return code_environments.get(question.environment)
    except Refused as refused:
        raise QueryRefused(str(refused), place="question.environment") from refused


def changed(environment: str) -> str:
    """Return what to do about code that was tried with other packages."""
    return f"The code environment {environment} has changed since this code was tried. Try it again."


def run(  # noqa: PLR0913 -- each is named at the call
    question: CodeQuestion,
    blocks: PeopleBlocks,
    *,
    seconds: float,
    halves: bool,
    state: Answers,
    slot_s: float = 0.0,
    explain: bool = False,
) -> tuple[Answers, Report]:
    """Call the code on each block, in the sandbox. A block of nobody answers nothing, as one that failed.

    `seconds`: the time that a block may take. `slot_s`, `explain`: as for a BlockRunner. Raises SandboxUnavailable.
    """
    runner: BlockRunner = import_string(settings.BLOCK_RUNNER)
    answers, report = runner(
        question.code,
        blocks,
        question.outputs,
        Limits(wall_s=seconds, cpu_s=seconds, memory_mb=MEMORY_MB),
        halves=halves,
        state=state if question.takes_state else None,
        labels=question.shape.labels if isinstance(question.shape, Votes) else (),
        slot_s=slot_s,
        explain=explain,
        environment=code_environments.get(question.environment).path,
    )
    answers[[len(people) == 0 for people in blocks.people]] = np.nan
    return answers, report


def _record_of(answer: Answer, asked: Asked) -> dict[str, object]:
    """Return what the record says. Lateness, failures and times of blocks are not in it."""
    return {
        **lifecycle.facts_of(answer),
        "query": answer.query,
        "mechanism": f"sample and aggregate, {asked.plan.clip_note}",
        "blocks": asked.plan.blocks,
        "environment": asked.environment.name,
        "environment_sha256": asked.environment.sha256,
        "half_samples": asked.plan.halves,
        "seconds_each": asked.slot,
        "memory_mb_each": MEMORY_MB,
        "rounds": asked.question.rounds,
    }
