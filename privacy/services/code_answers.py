"""Services for code that answers in blocks: try it on mock data, price it, ask it. Nothing is spent before `ask`."""

from dataclasses import dataclass, replace
from uuid import UUID

from django.db import transaction

from accounts.models import User
from common import code_environments, commit
from common.access import require
from common.admission import TooMuchAtOnce
from common.errors import Conflict, Refused
from common.locks import one_at_a_time
from datasets.queries import current_revision
from privacy import rules, tasks
from privacy.declarations import specs_of
from privacy.engine.accounting import noise_epsilon
from privacy.engine.language.code import Box, CodeQuestion, check_code
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.language.wire import decode_code, encode_code
from privacy.engine.measure.contributions import CAP
from privacy.engine.measure.evaluate import Bools
from privacy.engine.plan.blocks import BlockPlan, noise_half_widths, offer_of, plan_blocks, run_seconds
from privacy.engine.plan.cells import touched
from privacy.engine.plan.pricing import Offer
from privacy.execution import code_trials, settling
from privacy.execution.code_answers import changed, environment_of
from privacy.execution.code_trials import Curve, Report
from privacy.ledgers import budget_ledger
from privacy.models import Answer, Budget, CodeTrial, LedgerLine
from privacy.services import prices
from privacy.services.questions import digest_of
from runner.imports import unavailable_in_blocks

MOST_FAILING = 0.05
"""Code is refused, before anything is spent, if more than this part of the mock blocks fails."""
FIRST_SHARES = (0.05, 0.1, 0.2, 0.4, 1.0)
MOST_TRIALS = 3
"""Trials of one budget that may wait or run."""
MOST_WAITING = 4
"""Code answers of one budget that may wait. They are computed one after the other, and each takes minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeQuote:
    """Tried code with its price, shown before anything is spent."""

    trial: CodeTrial
    question: CodeQuestion
    """What is asked: with its number of blocks, its method, and whether half samples are used."""
    spec: TableSpec
    plan: BlockPlan
    offer: Offer
    cells: Bools
    report: Report
    seconds: float
    """From the start of its turn to the answer."""
    half_widths: tuple[float | None, ...]
    """Half the width of the 95 % interval of the noise alone, at most; None where only the data could tell."""
    left: int
    """Units left, of CAP, in the cells that it touches."""
    noise_delta: float
    may_leave_out: bool

    @property
    def epsilon(self) -> float:
        return noise_epsilon(self.offer.mu, self.noise_delta)

    @property
    def refusal(self) -> str:
        """Why it cannot be asked like this, or an empty string."""
        report = self.report
        if report.failing > MOST_FAILING:
            bad = report.failed + report.late
            return (
                f"{bad} of {report.run} blocks of mock data gave no answer. Private blocks may fail too, and you would "
                "pay for answers in the middle of your bounds. Mend the code and try again."
            )
        if self.offer.units > min(self.left, CAP):
            return budget_ledger.Shortage(units=self.offer.units, left=self.left).sentence
        return ""


def try_out(
    budget: Budget,
    question: CodeQuestion,
    *,
    by: User,
    epsilon: float | None = None,
    share: float | None = None,
) -> CodeTrial:
    """Have code tried on mock data, in blocks as many as an answer at this price would have. Spends nothing.

    Give either the epsilon that the answer may cost, or the share of the budget. Raises Refused when the code cannot be
    asked at all; TooMuchAtOnce while too many trials are open.
    """
    require(rules.may_ask, by, budget)
    revision = current_revision(budget.promise.dataset)
    try:
        asked = prices.given(epsilon=epsilon, share=share)
        mu = prices.mu_of(asked, budget)
        check_code(question)
        environment_of(question)
        _check_imports(question)
        spec = _spec(specs_of(revision, budget.promise.constants), question.table)
        plan = plan_blocks(question, spec, public_size=budget.promise.public_size, mu=mu)
        offer_of(plan, mu, budget.mu)
    except QueryRefused as refused:
        raise Refused(str(refused)) from refused
    with one_at_a_time(budget.pk):
        if CodeTrial.objects.filter(budget=budget, state__in=CodeTrial.OPEN).count() >= MOST_TRIALS:
            raise TooMuchAtOnce(
                f"{MOST_TRIALS} of your trials are not done yet. Try again when one of them is."
            )
        trial = CodeTrial.objects.create(
            budget=budget,
            revision=revision,
            question=encode_code(question),
            question_sha256=digest_of(question),
            mu=mu,
            asked=asked,
            blocks=plan.blocks,
        )
    commit.after(tasks.try_code.delay, str(trial.pk))
    return trial


def first_share(budget: Budget, question: CodeQuestion) -> tuple[float, str]:
    """Return a share of the budget to begin with, and why even all of it would not do, or an empty string.

    The least of FIRST_SHARES at which this could be asked. Raises Conflict when no revision is published.
    """
    spec = specs_of(current_revision(budget.promise.dataset), budget.promise.constants)[question.table]
    why = ""
    for share in FIRST_SHARES:
        mu = budget.mu * share**0.5
        try:
            plan = plan_blocks(question, spec, public_size=budget.promise.public_size, mu=mu)
            offer_of(plan, mu, budget.mu)
        except QueryRefused as refused:
            why = str(refused)
            continue
        return share, ""
    return FIRST_SHARES[-1], why


def stop_trial(trial: CodeTrial) -> None:
    """End a trial that nobody waits for any more. Its worker ends it after the step in hand."""
    code_trials.end(trial, Report(why="You have stopped this trial."))


def _check_imports(question: CodeQuestion) -> None:
    """Raise QueryRefused for an import that must fail in a block. Not known where the environment is not installed."""
    packages = code_environments.modules(question.environment)
    for each, why in unavailable_in_blocks(question.code, packages) if packages else ():
        raise QueryRefused(f"Line {each.line}: {why}", place="question.code", line=each.line)


def _spec(specs: dict[str, TableSpec], name: str) -> TableSpec:
    spec = specs.get(name)
    if spec is None:
        raise QueryRefused(
            f"There is no table “{name[:100]}” here. Its tables: {', '.join(specs)}.", place="question.table"
        )
    if not spec.subject:
        raise QueryRefused(
            f"The table {spec.name} does not declare which person each row is about, so code over it cannot be "
            "answered automatically. Submit it for review instead.",
            place="question.table",
        )
    return spec


def report_of(trial: CodeTrial) -> Report:
    """Return what a trial found, or an empty report while it is open."""
    found = dict(trial.report)
    found["curve"] = [Curve(**each) for each in found.get("curve", [])]
    return Report(**found)


def quote(trial: CodeTrial, *, by: User) -> CodeQuote:
    """Price tried code. Spends nothing. Raises Conflict while the trial is open; Refused when it cannot be priced."""
    budget = trial.budget
    require(rules.may_ask, by, budget)
    if trial.is_open:
        raise Conflict("This code is still being tried. Wait for the trial.")
    report = report_of(trial)
    if trial.state == CodeTrial.State.FAILED:
        raise Refused(report.why)
    if trial.revision != current_revision(budget.promise.dataset):
        raise Conflict("The data was replaced in the meantime. Try the code again.")
    promise = budget.promise
    spec = _spec(specs_of(trial.revision, promise.constants), decode_code(trial.question).table)
    try:
        question = decode_code(trial.question)
        if environment_of(question).sha256 != report.environment_sha256:
            raise Conflict(changed(question.environment))
        plan = plan_blocks(question, spec, public_size=promise.public_size, mu=trial.mu)
        if plan.blocks != trial.blocks:
            raise Conflict("The number of people has changed since this code was tried. Try it again.")
        question = _explicit(question, plan, report)
        offer = offer_of(plan, trial.mu, budget.mu)
        seconds = run_seconds(plan, question.rounds, slot_s=report.slot, start_s=report.start)
    except QueryRefused as refused:
        raise Refused(str(refused)) from refused
    cells = touched(question.where, promise.cells, spec)
    charge = budget_ledger.Charge(trial.revision.pk, question.table, offer.units, cells)
    return CodeQuote(
        trial=trial,
        question=question,
        spec=spec,
        plan=plan,
        offer=offer,
        cells=cells,
        report=report,
        seconds=seconds,
        half_widths=noise_half_widths(question, plan, offer),
        left=max(0, budget.cap - int(budget.worst_case(promise.cells.size)[cells].max(initial=0))),
        noise_delta=promise.noise_delta,
        may_leave_out=budget.may_leave_out or budget_ledger.rests_on_constants(budget, charge),
    )


def quoted_if_tried(trial: CodeTrial) -> CodeQuote | None:
    """Return the price for pages and programs, or None if there is none: the report or the budget's page says why."""
    try:
        return quote(trial, by=trial.budget.scientist)
    except Refused:
        return None


def _explicit(question: CodeQuestion, plan: BlockPlan, report: Report) -> CodeQuestion:
    """Return the question with everything that was chosen for it, so that a repeated one is recognised."""
    shape = question.shape
    if isinstance(shape, Box):
        shape = replace(shape, method=plan.method, halves=report.halves)
    return replace(question, shape=shape, blocks=plan.blocks)


def stored(quoted: CodeQuote) -> Answer | None:
    """Return the scientist's answer, released or pending, to the same code that is at least as exact."""
    same = Answer.objects.filter(
        budget=quoted.trial.budget,
        revision=quoted.trial.revision,
        query_sha256=digest_of(quoted.question),
        state__in=[Answer.State.RELEASED, Answer.State.PENDING],
        sigma__lte=quoted.offer.sigma,
    )
    return same.order_by("sigma").first()


def ask(quoted: CodeQuote, *, key: UUID, by: User) -> Answer:
    """Charge what was quoted and have the code answered at its deadline.

    The same idempotency key, or the same code already answered at least as exactly on the same revision, returns that
    answer at no cost. Raises Denied, Refused, BudgetExceeded, TooMuchAtOnce, or Conflict for a key of something else.
    """
    budget = quoted.trial.budget
    require(rules.may_ask, by, budget)
    with one_at_a_time(budget.pk):
        line = LedgerLine.objects.filter(budget=budget, key=key).select_related("answer").first()
        if line is not None:
            return _asked_with(line, quoted)
        if found := stored(quoted):
            return found
        if quoted.refusal:
            raise Refused(quoted.refusal)
        waiting = Answer.objects.filter(
            budget=budget, kind=Answer.Kind.CODE, state=Answer.State.PENDING
        ).count()
        if waiting >= MOST_WAITING:
            raise TooMuchAtOnce(
                f"{waiting} pieces of your code wait for their answers already. Ask again when one of them is there. "
                "Nothing was charged."
            )
        wanted = budget_ledger.Reservation(
            units=quoted.offer.units,
            cells=quoted.cells,
            key=key,
            purpose=_purpose(quoted),
            revision=quoted.trial.revision,
        )
        (line,) = budget_ledger.reserve_all(budget, [wanted], by=by)
        with transaction.atomic():
            return _written(quoted, line)


def _asked_with(line: LedgerLine, quoted: CodeQuote) -> Answer:
    answer: Answer | None = getattr(line, "answer", None)
    if answer is None or answer.query_sha256 != digest_of(quoted.question):
        raise Conflict("This idempotency key was used for other questions. Use a new key.")
    return answer


def _purpose(quoted: CodeQuote) -> dict[str, object]:
    """Return what the ledger stores with the charge: all that the worker, and whoever replays the ledger, needs."""
    return {
        "kind": Answer.Kind.CODE,
        "query": encode_code(quoted.question),
        "sigma": quoted.offer.sigma,
        "releases": quoted.offer.releases,
        "asked": quoted.trial.asked,
        "blocks": quoted.plan.blocks,
        "slot": quoted.report.slot,
        "start": quoted.report.start,
        "environment_sha256": quoted.report.environment_sha256,
    }


def _written(quoted: CodeQuote, line: LedgerLine) -> Answer:
    answer = Answer.objects.create(
        line=line,
        kind=Answer.Kind.CODE,
        budget=quoted.trial.budget,
        revision=quoted.trial.revision,
        query=encode_code(quoted.question),
        query_sha256=digest_of(quoted.question),
        sigma=quoted.offer.sigma,
        releases=quoted.offer.releases,
        mu=quoted.offer.mu,
        extended=quoted.may_leave_out,
    )
    commit.after(tasks.compute_later, answer)
    return answer


def may_be_withdrawn(answer: Answer) -> bool:
    """Return whether no worker has opened the data for it."""
    return answer.is_waiting and answer.opened_at is None


def cancel(answer: Answer, *, by: User) -> None:
    """Withdraw code for which no worker has opened the data: its charge is given back.

    Raises Conflict for a question, and for code that has been charged: that is answered at its deadline.
    """
    require(rules.may_ask, by, answer.budget)
    if answer.kind != Answer.Kind.CODE:
        raise Conflict("Only code can be withdrawn. A question is answered in a moment.")
    if not may_be_withdrawn(answer):
        raise Conflict("This code has been charged already, so it cannot be withdrawn.")
    settling.give_back(answer, "It was withdrawn.")
