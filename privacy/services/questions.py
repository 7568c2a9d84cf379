"""Services for questions: read a query, price it, ask it. Nothing is spent before `ask`."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from common import commit
from common.access import require
from common.admission import TooMuchAtOnce
from common.errors import Conflict, Refused
from common.locks import one_at_a_time
from datasets.models import Revision
from datasets.queries import current_revision
from privacy import rules, tasks
from privacy.declarations import specs_of
from privacy.engine.accounting import noise_epsilon
from privacy.engine.language import sql, sql_names, wire
from privacy.engine.language.code import CodeQuestion
from privacy.engine.language.query import KeyCounts, Mean, Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.measure.contributions import CAP
from privacy.engine.measure.evaluate import Bools
from privacy.engine.plan import joint, pricing
from privacy.engine.plan.cells import touched
from privacy.engine.plan.designs import Design, design
from privacy.engine.plan.pricing import Offer
from privacy.execution.questions import seconds_after
from privacy.ledgers import budget_ledger
from privacy.models import Answer, AnswerQuerySet, Budget, LedgerLine
from privacy.services import prices
from privacy.services.prior_answers import ErrorBasis, error_basis


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A checked query with its price, shown before anything is spent."""

    query: Query
    plan: Design
    spec: TableSpec
    offer: Offer
    cells: Bools
    revision: Revision
    half_width: float | None
    """Half the width of the 95 % interval, in the answer's own units; None where only the data could tell."""
    basis: ErrorBasis | None
    """What half the width rests on beyond the question and the declarations, if anything."""
    asked: dict[str, float]
    """What the scientist has fixed: {"error": …}, {"epsilon": …} or {"share": …}."""
    delta: float
    noise_delta: float
    """The part of the promise's delta at which an epsilon is computed."""
    may_leave_out: bool
    """Whether the answer may silently leave people out."""
    left: int
    """Units left, of CAP, in the cells that this query touches."""
    seconds: float
    """From its charge to its answer, for what takes long; otherwise 0."""

    @property
    def kind(self) -> Answer.Kind:
        """Which kind of answer it will have."""
        return prices.kind_of(self.query)

    @property
    def more_like_this(self) -> int:
        return self.left // self.offer.units

    @property
    def unaffordable(self) -> str:
        """Why the budget cannot pay for this, or an empty string."""
        if self.offer.units <= min(self.left, CAP):
            return ""
        return budget_ledger.Shortage(units=self.offer.units, left=self.left).sentence

    @property
    def epsilon(self) -> float:
        """What this answer alone amounts to, as an epsilon at the promise's delta."""
        return noise_epsilon(self.offer.mu, self.noise_delta)

    @property
    def joint_factor(self) -> float:
        """How many times wider the intervals of all groups or bins must be to hold together."""
        return joint.factor(joint.lines_of(self.query.measure, self.plan.cells))


@dataclass(frozen=True, slots=True)
class Declarations:
    """The current revision of a dataset, and its tables as queries are checked against them: read once per request."""

    revision: Revision
    specs: dict[str, TableSpec]


def declarations_of(budget: Budget) -> Declarations:
    """Read what is declared about the budget's dataset. Raises Conflict when no revision is published."""
    revision = current_revision(budget.promise.dataset)
    return Declarations(revision, specs_of(revision, budget.promise.constants))


def read_sql(budget: Budget, text: str, declared: Declarations | None = None) -> sql.Statement:
    """Read what SQL asks of the budget's dataset. Raises Refused, with line and column, when it cannot be asked.

    `declared`: the declarations, when the caller has read them already.
    """
    try:
        return sql.read(text, (declared or declarations_of(budget)).specs, check=design)
    except QueryRefused as refused:
        raise Refused(str(refused)) from refused


def quote(  # noqa: PLR0913 -- one of three prices, each named at the call
    budget: Budget,
    query: Query,
    *,
    by: User,
    error: float | None = None,
    epsilon: float | None = None,
    share: float | None = None,
    declared: Declarations | None = None,
) -> Quote:
    """Price a query at one of these: this error (half a 95 % interval), this epsilon, or this share of the budget.

    Spends nothing. `share`: the most that the answer may cost, as a part of the whole budget. `declared`: the
    declarations, when the caller has read them already. Raises Refused when the query cannot be priced.
    """
    require(rules.may_ask, by, budget)
    declared = declared or declarations_of(budget)
    return priced(budget, query, declared, error=error, epsilon=epsilon, share=share)


def priced(
    budget: Budget,
    query: Query,
    declared: Declarations,
    *,
    error: float | None = None,
    epsilon: float | None = None,
    share: float | None = None,
) -> Quote:
    """Price a query for somebody about whom `rules.may_ask` has been asked. Otherwise call `quote`."""
    asked = prices.given(error=error, epsilon=epsilon, share=share)
    promise = budget.promise
    if isinstance(query.measure, KeyCounts) and not promise.threshold_delta:
        raise Refused("This dataset does not release undeclared values.")
    revision = declared.revision
    try:
        spec = _spec(declared.specs, query.table)
        query = prices.written_out(query, asked, spec, budget)
        plan = design(query, spec)
        basis = error_basis(budget, query, plan, spec, revision)
        rows, off = (basis.at_least, basis.off) if basis else (None, 1.0)
        if epsilon is not None:
            offer = pricing.offer_for_epsilon(plan, epsilon, promise.noise_delta, budget.mu)
        elif share is not None:
            offer = pricing.offer_for_share(plan, share, budget.mu)
        else:
            offer = pricing.offer_for_error(query, plan, asked["error"], budget.mu, rows, off)
        per_sigma = pricing.error_per_sigma(query, plan, rows, off)
    except QueryRefused as refused:
        raise Refused(str(refused)) from refused
    cells = touched(query.where, promise.cells, spec)
    worst = budget.worst_case(promise.cells.size)
    charge = budget_ledger.Charge(revision.pk, query.table, offer.units, cells)
    return Quote(
        query=query,
        plan=plan,
        spec=spec,
        offer=offer,
        cells=cells,
        revision=revision,
        delta=promise.delta,
        noise_delta=promise.noise_delta,
        may_leave_out=budget.may_leave_out or budget_ledger.rests_on_constants(budget, charge),
        half_width=None if per_sigma is None else per_sigma * offer.sigma,
        basis=basis,
        asked=asked,
        left=max(0, budget.cap - int(worst[cells].max(initial=0))),
        seconds=seconds_after(plan, spec, promise),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A quoted question to be asked with an idempotency key of its own. `text`: its SQL, if it was asked in SQL.

    `meant`: the question for which this guide or count is asked. `place`: which of how many asked in one call.
    """

    quote: Quote
    key: UUID
    text: str = ""
    meant: Query | None = None
    place: tuple[int, int] | None = None

    @property
    def purpose(self) -> dict[str, object]:
        """What the ledger stores with the charge."""
        kind = self.quote.kind
        return {
            **({"kind": kind} if kind != Answer.Kind.QUERY else {}),
            "query": wire.encode(self.quote.query),
            "sigma": self.quote.offer.sigma,
            "releases": self.quote.offer.releases,
            "asked": self.quote.asked,
            **({"meant": wire.encode(self.meant)} if self.meant else {}),
            **({"place": list(self.place)} if self.place else {}),
        }


def ask(
    budget: Budget, quoted: Quote, *, key: UUID, by: User, text: str = "", meant: Query | None = None
) -> Answer:
    """Charge what was quoted and have the answer computed.

    The same idempotency key, or a query already answered at least as exactly on the same revision, returns that answer
    at no cost, also when both are asked at the same moment. Raises Denied, BudgetExceeded or Conflict.
    `meant`: the question for which this guide or count is asked; stored only to lead back to it.
    """
    (answer,) = ask_all(budget, [Asking(quote=quoted, key=key, text=text, meant=meant)], by=by)
    return answer


def ask_all(budget: Budget, wanted: Sequence[Asking], *, by: User) -> list[Answer]:
    """Ask questions as `ask` does each of them, but charge for all of them in one transaction, or for none."""
    require(rules.may_ask, by, budget)
    with one_at_a_time(budget.pk):
        found = _asked_before(budget, wanted)
        free = free_of_charge(budget, [each.quote for each in wanted])
        new = [k for k in range(len(wanted)) if found[k] is None and free[k] is None]
        if any(found) and new:
            raise Conflict(OTHER_QUESTIONS)
        paid = dict(zip(new, charged(budget, [wanted[k] for k in new], by), strict=True))
        answers: list[Answer] = []
        for k, repeated in enumerate(free):
            earlier = answers[repeated] if isinstance(repeated, int) else repeated
            answers.append(found[k] or earlier or paid[k])
        return answers


MOST_PENDING = 192
"""Questions of one budget that may wait for their answers: three full batches. The answers of a dataset are computed
one after the other, so more would keep everybody else waiting."""
MOST_LONG = 8
"""Models and synthetic tables of one budget that may wait: each keeps the worker for them busy for up to minutes."""
OTHER_QUESTIONS = "This idempotency key was used for other questions. Use a new key."


def free_of_charge(budget: Budget, quotes: Sequence[Quote]) -> list[Answer | int | None]:
    """What answers each question at no cost: a stored answer, or an earlier question of the list, by its place."""
    found: list[Answer | int | None] = []
    for k, each in enumerate(quotes):
        same = (j for j in range(k) if quotes[j].query == each.query and _is_as_exact(quotes[j], each))
        found.append(stored(budget, each) or next(same, None))
    return found


def _is_as_exact(one: Quote, other: Quote) -> bool:
    return one.revision == other.revision and one.offer.sigma <= other.offer.sigma


def charged(budget: Budget, wanted: Sequence[Asking], by: User) -> list[Answer]:
    """Reserve all charges, then write all questions down and have them computed. Whoever calls has asked the rules."""
    if not wanted:
        return []
    pending = Answer.objects.filter(budget=budget, state=Answer.State.PENDING)
    _check_room(pending.count(), len(wanted), MOST_PENDING, "questions")
    if long := sum(each.quote.kind != Answer.Kind.QUERY for each in wanted):
        of_long = pending.filter(kind__in=[Answer.Kind.FIT, Answer.Kind.TABLE])
        _check_room(of_long.count(), long, MOST_LONG, "models and synthetic tables")
    lines = budget_ledger.reserve_all(budget, [_reservation(each) for each in wanted], by=by)
    with transaction.atomic():
        return [_written(budget, each, line) for each, line in zip(wanted, lines, strict=True)]


def _check_room(waiting: int, more: int, most: int, what: str) -> None:
    if waiting + more > most:
        raise TooMuchAtOnce(
            f"{waiting} of your {what} are still being answered, and at most {most} can be at a time. "
            "Ask again when some of them have been answered. Nothing was charged."
        )


def _reservation(each: Asking) -> budget_ledger.Reservation:
    return budget_ledger.Reservation(
        units=each.quote.offer.units,
        cells=each.quote.cells,
        key=each.key,
        purpose=each.purpose,
        threshold=isinstance(each.quote.query.measure, KeyCounts),
        revision=each.quote.revision,
    )


def _written(budget: Budget, each: Asking, line: LedgerLine) -> Answer:
    quoted = each.quote
    answer, made = Answer.objects.get_or_create(
        line=line,
        defaults={
            "budget": budget,
            "revision": quoted.revision,
            "kind": quoted.kind,
            "query": wire.encode(quoted.query),
            "query_sha256": digest_of(quoted.query),
            "sql": each.text,
            "sigma": quoted.offer.sigma,
            "releases": quoted.offer.releases,
            "mu": quoted.offer.mu,
            "extended": quoted.may_leave_out,
        },
    )
    if made:
        commit.after(tasks.compute_later, answer)
    return answer


def note_seen(answer: Answer) -> None:
    """Note that its scientist has opened a released answer, so that it no longer waits in their inbox."""
    if answer.is_out and answer.seen_at is None:
        Answer.objects.filter(pk=answer.pk, seen_at=None).update(seen_at=timezone.now())


def digest_of(asked: Query | CodeQuestion) -> str:
    """Return the SHA-256 of a question's canonical form: equal questions have equal digests."""
    return hashlib.sha256(wire.canonical(asked).encode()).hexdigest()


def stored(budget: Budget, quoted: Quote) -> Answer | None:
    """Return the scientist's answer, released or pending, to this query on this revision that is at least as exact."""
    same = Answer.objects.filter(
        budget=budget, revision=quoted.revision, query_sha256=digest_of(quoted.query)
    )
    quiet = same.filter(
        state__in=[Answer.State.RELEASED, Answer.State.PENDING], sigma__lte=quoted.offer.sigma
    )
    return quiet.order_by("sigma").first() or _narrow(same, quoted)


def _narrow(same: AnswerQuerySet, quoted: Quote) -> Answer | None:
    """Return an answer whose own interval is as narrow as the error that is asked for, whatever its noise: what is
    known of a mean, and so the noise for a given error, changes with the answers that exist."""
    if not isinstance(quoted.query.measure, Mean) or quoted.basis is None or "error" not in quoted.asked:
        return None
    narrow = (each for each in same.out().order_by("sigma") if _half_width(each) <= quoted.asked["error"])
    return next(narrow, None)


def _half_width(answer: Answer) -> float:
    half = (answer.result or {})["lines"][0]["figures"][0]["half_width"]
    return float("inf") if half is None else float(half)


def _asked_before(budget: Budget, wanted: Sequence[Asking]) -> list[Answer | None]:
    """Return the answers already asked for with these keys. Raises Conflict when that was something else."""
    keys = [each.key for each in wanted]
    rows = LedgerLine.objects.filter(budget=budget, key__in=keys).select_related("answer")
    lines = {line.key: line for line in rows}
    return [_asked_with(lines[each.key], each) if each.key in lines else None for each in wanted]


def _asked_with(line: LedgerLine, wanted: Asking) -> Answer | None:
    """Return the answer already asked for with a key; raise Conflict if that was another question or exactness.

    The same wish is the same exactness, even if more is known about the rows now than when it was asked.
    """
    if line.purpose.get("place") != (list(wanted.place) if wanted.place else None):
        raise Conflict(OTHER_QUESTIONS)
    answer: Answer | None = getattr(line, "answer", None)
    if answer is None:
        return None
    quoted = wanted.quote
    as_exact = answer.sigma == quoted.offer.sigma or line.purpose.get("asked") == quoted.asked
    if answer.query_sha256 != digest_of(quoted.query) or not as_exact:
        raise Conflict("This idempotency key was used for another question. Use a new key.")
    return answer


def _spec(specs: dict[str, TableSpec], name: str) -> TableSpec:
    found = sql_names.declared(name, specs)
    if found not in specs:
        raise QueryRefused(sql.no_table(name, specs))
    return specs[found]
