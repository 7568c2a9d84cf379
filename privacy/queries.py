"""Queries for pages across budgets: open tasks, spending over time, and what people have been charged."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import OuterRef, QuerySet, Subquery
from django.urls import reverse

from accounts.models import User
from common.errors import Refused
from datasets import storage
from datasets.declarations.schema import constants_of
from datasets.models import Dataset, Grant
from datasets.queries import current_revision
from privacy.declarations import specs_of
from privacy.engine.accounting import noise_epsilon
from privacy.engine.language import sql
from privacy.engine.language.display import EVERYTHING, Display
from privacy.engine.language.display import lines_of as lines_shown
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.language.wire import decode, decode_code
from privacy.engine.measure.contributions import CAP, rescaled
from privacy.ledgers.person_ledger import open_ledger
from privacy.models import Answer, Budget, BudgetQuerySet, CodeTrial, LedgerLine, Promise, TopUp
from privacy.presentation import caps_in_words, code_in_words, words
from privacy.presentation.promise_in_words import PromiseInWords
from privacy.presentation.svg_charts import Point

SHOWN = 50
SAID_WITH = "revision__tables__columns"
LINES_DRAWN = 2000
TENTHS = 10


# What waits for somebody


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One thing for somebody's inbox."""

    kind: str
    pk: UUID
    title: str
    dataset_id: UUID
    dataset: str
    who: str
    url: str
    since: datetime


def waiting_for(user: User) -> list[Waiting]:
    """Return top-ups to decide, and answers that their scientist has not opened yet."""
    return [*_top_ups(user), *_answers(user)]


def _top_ups(user: User) -> Iterator[Waiting]:
    own = Dataset.objects.owned_by(user).order_by().values("pk")
    rows = TopUp.objects.filter(state=TopUp.State.PENDING, budget__promise__dataset__in=own)
    for item in rows.select_related("budget__promise__dataset", "budget__scientist").order_by("created_at")[
        :SHOWN
    ]:
        yield Waiting(
            kind="top_up",
            pk=item.pk,
            title=f"{item.budget.scientist} asks for a larger budget",
            dataset_id=item.budget.promise.dataset_id,
            dataset=item.budget.promise.dataset.title,
            who=str(item.budget.scientist),
            url=reverse("privacy:top_up", args=[item.pk]),
            since=item.created_at,
        )


def _answers(user: User) -> Iterator[Waiting]:
    own = Budget.objects.held_by(user).order_by().values("pk")
    rows = Answer.objects.out().filter(budget__in=own, seen_at=None)
    for item in (
        rows.select_related("budget__promise__dataset", "revision")
        .prefetch_related(SAID_WITH)
        .order_by("visible_at")[:SHOWN]
    ):
        yield Waiting(
            kind="answer",
            pk=item.pk,
            title=title_of(item),
            dataset_id=item.budget.promise.dataset_id,
            dataset=item.budget.promise.dataset.title,
            who="",
            url=reverse("privacy:answer", args=[item.pk]),
            since=item.visible_at or item.created_at,
        )


def title_of(answer: Answer) -> str:
    """Return the question in words.

    A list of answers prefetches SAID_WITH: what columns hold decides how conditions are said.
    """
    if answer.kind == Answer.Kind.CODE:
        return code_in_words.say(decode_code(answer.query))
    query = decode(answer.query)
    return words.say(query, specs_of(answer.revision, []).get(query.table))


def display_of(answer: Answer, text: str | None = None) -> Display:
    """Return what is shown of an answer according to this SQL about it or, without one, the SQL first asked."""
    table, text = table_of(answer), answer.sql if text is None else text
    try:
        return sql.read(text, {table.name: table}).display if table and text else EVERYTHING
    except QueryRefused:
        return EVERYTHING  # asked when other SQL was supported


def lines_of(answer: Answer, display: Display) -> list[dict[str, Any]] | None:
    """Return the lines of an answer that are shown, in order; None until they are released.

    Raises QueryRefused for a display of another answer.
    """
    if not answer.is_out or answer.result is None:
        return None
    return lines_shown(display, answer.result["by"], answer.result["lines"])


def table_of(answer: Answer) -> TableSpec | None:
    """Return the declarations of the table that an answer is about, or None when it no longer exists."""
    specs = specs_of(answer.revision, answer.budget.promise.constants)
    return specs.get(answer.query["table"])


def counted(answer: Answer) -> dict[str, object]:
    """Return how much of each person counts in an answer, also for answers whose record does not hold it."""
    table = table_of(answer) if answer.kind != Answer.Kind.CODE else None
    try:
        return caps_in_words.facts(decode(answer.query), table) if table else {}
    except QueryRefused:
        return {}  # it was never computed


def trial_of(answer: Answer, user: User) -> CodeTrial | None:
    """Return the newest trial of an answer's code, if it is this person's own."""
    trials = CodeTrial.objects.visible_to(user).filter(
        budget=answer.budget_id,
        revision=answer.revision_id,
        state=CodeTrial.State.DONE,
        blocks=answer.line.purpose["blocks"],
        question__code=answer.query["code"],
    )
    return next((trial for trial in trials[:SHOWN] if _tried(trial.question) == _tried(answer.query)), None)


def _tried(question: dict[str, Any]) -> dict[str, Any]:
    """Return what a question asks, without what was chosen for it when it was priced."""
    shape = {name: value for name, value in question["shape"].items() if name not in {"method", "halves"}}
    return {**question, "shape": shape, "blocks": None}


def share_of(answer: Answer) -> float:
    """Return what an answer cost, as a fraction of the budget as it is now; 0 when it was given back.

    So the answers of a budget add up to what is used of it, also after it was made larger.
    """
    if answer.state == Answer.State.VOIDED:
        return 0.0
    mus = [*answer.budget.earlier_mus, answer.budget.mu]
    part: float = answer.line.units / CAP * (mus[answer.line.generation] / answer.budget.mu) ** 2
    return part


# Datasets


def promised_datasets() -> QuerySet[Promise, UUID]:
    """Return the ids of the datasets with a promise, about which questions are answered automatically."""
    return Promise.objects.order_by().values_list("dataset_id", flat=True)


def overseen_by(user: User) -> QuerySet[Dataset]:
    """Return the datasets whose promise and budgets this person manages or oversees."""
    rows = Dataset.objects.visible_to(user) if user.oversees else Dataset.objects.owned_by(user)
    return rows.select_related("owner", "promise")


def with_ledger_for(user: User) -> QuerySet[Dataset]:
    """Return the datasets whose ledger this person may read, which names questions: for owners and auditors."""
    rows = Dataset.objects.visible_to(user) if user.is_auditor else Dataset.objects.owned_by(user)
    return rows.filter(promise__isnull=False).select_related("owner", "promise")


# Budgets


def budgets_of(user: User) -> BudgetQuerySet:
    """Return the budgets that this person may see, with everything that a list of them shows."""
    waiting = TopUp.objects.filter(budget=OuterRef("pk"), state=TopUp.State.PENDING).values("pk")[:1]
    return (
        Budget.objects.visible_to(user)
        .select_related("promise__dataset__owner", "scientist")
        .annotate(open_top_up=Subquery(waiting))
        .order_by("closed_at", "promise__dataset__title", "created_at")
    )


def promise_in_words_of(promise: Promise, budgets: Sequence[Budget] = ()) -> PromiseInWords:
    """Return what a promise means. `budgets`: those that were given, for what one scientist alone could do."""
    return PromiseInWords(
        epsilon=promise.epsilon,
        delta=promise.delta,
        mu=promise.mu,
        scientists=promise.scientists,
        threshold_delta=promise.threshold_delta,
        largest_mu=_largest_mu(budgets),
        mock_mu=max((each.mu for each in budgets if each.is_everybody), default=0.0),
    )


def _largest_mu(budgets: Sequence[Budget]) -> float:
    """Return what one person could learn at most. All guests of one portal count as one: its admin asks for each."""
    found: dict[UUID, float] = {}
    for each in budgets:
        if not each.is_everybody:
            who = each.scientist.home or each.scientist.pk
            found[who] = math.hypot(found.get(who, 0.0), each.mu)
    return max(found.values(), default=0.0)


def without_budget(promise: Promise) -> list[User]:
    """Return scientists who may use the dataset and have no budget yet."""
    people = _with_access(promise).exclude(budgets__promise=promise)
    return [person for person in people.order_by("name") if person.is_scientist]


def scientist_with_access(promise: Promise, pk: UUID | str) -> User:
    """Return a scientist who may use the dataset. Raises Refused when this person is none."""
    person = _with_access(promise).filter(pk=pk).first()
    if person is None or not person.is_scientist:
        raise Refused("Choose a scientist with access to this dataset.")
    return person


def has_people(promise: Promise) -> bool:
    """Return whether any scientist may use the dataset."""
    return any(person.is_scientist for person in _with_access(promise))


def _with_access(promise: Promise) -> QuerySet[User]:
    granted = Grant.objects.live().filter(dataset=promise.dataset).values("user")
    return User.objects.taking_part().filter(pk__in=granted)


def given_away(promise: Promise, budgets: Sequence[Budget]) -> float:
    """Return the part of the promise that is given out in budgets, everybody's among them."""
    total = sum((budget.mu_squared for budget in budgets), Fraction(0))
    return float(total / promise.mu_squared)


def not_given(promise: Promise, budgets: Sequence[Budget]) -> int:
    """Return how many of a promise's budgets for scientists are not given yet. Everybody's is none of them."""
    return max(0, promise.scientists - given_to_scientists(budgets))


def given_to_scientists(budgets: Iterable[Budget]) -> int:
    """Return how many of these budgets are scientists' own."""
    return sum(not budget.is_everybody for budget in budgets)


def left_for_each(promise: Promise, budgets: Sequence[Budget]) -> float:
    """Return the epsilon of each budget that is not given yet, if the rest is divided equally; 0 if none is left."""
    seats = not_given(promise, budgets)
    left = promise.mu_squared - sum((budget.mu_squared for budget in budgets), Fraction(0))
    if seats < 1 or left <= 0:
        return 0.0
    return noise_epsilon(float(left / seats) ** 0.5, promise.noise_delta)


def tables_of(dataset: Dataset, constants: list[str]) -> dict[str, TableSpec]:
    """Return the tables as queries are checked against them; Conflict when nothing is published."""
    return specs_of(current_revision(dataset), constants)


def declared_constants(dataset: Dataset) -> list[str]:
    """Return the columns that the owner has declared constant: what a promise is proposed with."""
    revision = dataset.current
    return sorted(constants_of(revision.tables_declared)) if revision else []


# What was spent, and when


def ledger(promise: Promise) -> QuerySet[LedgerLine]:
    """Return every reservation of a dataset with how it was settled, newest first."""
    return (
        LedgerLine.objects.filter(budget__promise=promise, kind=LedgerLine.Kind.RESERVE)
        .select_related("budget__scientist", "budget__promise", "answer", "settled_by")
        .order_by("-id")
    )


def title_of_line(line: LedgerLine) -> str:
    """Return in words what a line pays for; an empty string if nothing was computed for it."""
    if line.is_joint:
        return f"Joint question: {words.say(decode(line.purpose['query']))}"
    answer: Answer | None = getattr(line, "answer", None)
    return title_of(answer) if answer else ""


def share_at_the_time(line: LedgerLine) -> float:
    """Return the cost of a line as a fraction of the budget at that time."""
    return line.units / CAP


def burn_down(budget: Budget) -> list[Point]:
    """Return what was left of a budget after each line of its ledger, by replaying the lines."""
    size = budget.promise.cells.size
    mus = [*budget.earlier_mus, budget.mu]
    spent, generation = np.zeros(size, dtype=np.int64), 0
    points = [Point(budget.created_at, 1.0)]
    for line in budget.lines.exclude(kind=LedgerLine.Kind.COMMIT).order_by("id")[:LINES_DRAWN]:
        while generation < line.generation:
            spent = np.array(rescaled(spent, mus[generation], mus[generation + 1]), dtype=np.int64)
            generation += 1
        spent[line.mask(size)] += line.units
        points.append(Point(line.at, 1 - int(spent.max()) / CAP))
    return points


def burn_down_of_all(promise: Promise, budgets: Sequence[Budget]) -> list[Point]:
    """Return what was left of the whole promise over time: each budget weighs its part of mu^2."""
    whole = float(promise.mu_squared)
    steps: list[tuple[datetime, float]] = []
    for budget in budgets:
        before = 1.0
        for point in burn_down(budget)[1:]:
            steps.append((point.at, (before - point.left) * float(budget.mu_squared) / whole))
            before = point.left
    left, points = 1.0, [Point(promise.created_at, 1.0)]
    for at, used in sorted(steps):
        left -= used
        points.append(Point(at, left))
    return points


# What people themselves were charged: for the owner alone


@dataclass(frozen=True, slots=True)
class Bin:
    """How many people have been charged between these fractions of the promise."""

    low: float
    high: float
    people: int


def used_by_people(promise: Promise, budgets: Sequence[Budget]) -> list[Bin]:
    """Return a histogram of how much of the promise each person has been charged, over all scientists together."""
    weights = {budget.pk: float(budget.mu_squared / promise.mu_squared) / CAP for budget in budgets}
    with open_ledger(storage.ledger_folder(promise.dataset_id)) as person_ledger:
        spent = [person_ledger.spent(pk) * weight for pk, weight in weights.items()]
    longest = max((len(each) for each in spent), default=0)
    total = np.zeros(longest)
    for each in spent:
        total[: len(each)] += each
    counts, edges = np.histogram(np.clip(total, 0, 1), bins=TENTHS, range=(0, 1))
    return [
        Bin(float(low), float(high), int(people))
        for low, high, people in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
