"""Check the ledgers against each other: lines, stored balances, the audit log, answers and the per-person ledger.

Lines are only ever added, so anything edited by hand (a line, a balance, the size of a budget, a person's charge)
disagrees with the rest.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np

from audit import documents
from audit.models import Entry
from datasets import storage
from privacy.declarations import spec_of
from privacy.engine.joint_release import units_of
from privacy.engine.language.query import Query
from privacy.engine.language.schema import QueryRefused
from privacy.engine.language.wire import decode, decode_code
from privacy.engine.measure.contributions import CAP, Integers, rescaled, worst_case_units
from privacy.engine.plan.blocks import releases_of
from privacy.engine.plan.designs import design
from privacy.engine.plan.mechanisms import most_releases
from privacy.ledgers import identity
from privacy.ledgers.joint_lines import purpose_of
from privacy.ledgers.person_ledger import Share, Units, open_ledger
from privacy.models import Answer, Budget, LedgerLine, Promise

checks: list[Callable[[Promise], Iterator[str]]] = []
"""What apps above compare with the ledgers of a promise, as sentences: `studies` adds its own."""
ENTRIES = ("budget.reserved", "budget.commit", "budget.void")
BATCH = 2000
WITH_FIGURES = 50
"""Answers with their figures that are read at once: some are megabytes."""


def faults(promise: Promise) -> list[str]:
    """Return every disagreement between the ledgers of a dataset, as sentences; empty when there is none."""
    budgets = list(promise.budgets.order_by("created_at"))
    found = list(_shares(promise, budgets))
    for budget in budgets:
        found += _Replay(budget, promise.cells.size).run()
    return [
        *found,
        *_answers(promise),
        *_released(promise),
        *_people(promise, budgets),
        *_names_of_people(promise),
        *(fault for check in checks for fault in check(promise)),
    ]


def _shares(promise: Promise, budgets: list[Budget]) -> Iterator[str]:
    given = sum((budget.mu_squared for budget in budgets), Fraction(0))
    if given > promise.mu_squared:
        yield f"The budgets of {promise.dataset.name} exceed its promise."
    if any(
        each.is_everybody and each.mu_squared > Promise.MOCK_SHARE * promise.mu_squared for each in budgets
    ):
        yield f"The sampled mocks of {promise.dataset.name} take more of its promise than they may."


@dataclass(slots=True)
class _Replay:
    """Replay the lines of one budget, in order."""

    budget: Budget
    size: int
    spent: Integers = field(init=False)
    generation: int = 0
    open: dict[int, LedgerLine] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        self.spent = np.zeros(self.size, dtype=np.int64)
        logged = _logged(self.budget)
        lines = self.budget.lines.order_by("id")
        for line in lines.iterator(chunk_size=BATCH):
            for fault in self._faults(line, logged.pop(line.pk, None)):
                self.found.append(f"Line {line.pk} of {self.budget}: {fault}.")
        for pk in logged:
            self.found.append(f"Line {pk} of {self.budget} is missing, but the audit log has it.")
        self._rescale_to(self.budget.generation)
        if not np.array_equal(self.spent, self.budget.worst_case(self.size)):
            self.found.append(f"The stored balance of {self.budget} is not the sum of its lines.")
        return self.found

    def _faults(self, line: LedgerLine, logged: dict[str, Any] | None) -> Iterator[str]:
        if logged is None or (logged["action"], logged["units"]) != (_action(line), line.units):
            yield "it differs from the audit log"
        if line.generation < self.generation or line.generation > len(self.budget.earlier_mus):
            yield "it belongs to another size of the budget than the lines around it"
            return
        self._rescale_to(line.generation)
        if line.kind == LedgerLine.Kind.RESERVE:
            yield from self._reserve(line)
        else:
            yield from self._settle(line)

    def _reserve(self, line: LedgerLine) -> Iterator[str]:
        self.open[line.pk] = line
        self.spent[line.mask(self.size)] += line.units
        if int(self.spent.max(initial=0)) > self.budget.cap:
            yield "it exceeds the limit"
        try:
            price = _price(line, self._mu(line.generation))
        except QueryRefused:
            yield "its question cannot be read"
            return
        if line.units != price:
            yield "its cost does not match its noise"
        if line.is_joint and not line.mask(self.size).all():
            yield "it charges only some groups of people for a joint question"

    def _settle(self, line: LedgerLine) -> Iterator[str]:
        settled = self.open.pop(line.settles_id or 0, None)
        if settled is None:
            yield "it settles no open reservation"
            return
        if bytes(line.cells) != bytes(settled.cells):
            yield "it settles other groups of people than were reserved"
        if line.kind == LedgerLine.Kind.VOID:
            self.spent[line.mask(self.size)] += line.units
            if line.units != -settled.units:
                yield "it gives back another amount than was reserved"

    def _mu(self, generation: int) -> float:
        return float([*self.budget.earlier_mus, self.budget.mu][generation])

    def _rescale_to(self, generation: int) -> None:
        while self.generation < min(generation, len(self.budget.earlier_mus)):
            old, new = self._mu(self.generation), self._mu(self.generation + 1)
            self.spent = np.array(rescaled(self.spent, old, new), dtype=np.int64)
            self.generation += 1


def _logged(budget: Budget) -> dict[int, dict[str, Any]]:
    """Return the action and units that the audit log, a hash chain, holds for each line."""
    rows = Entry.objects.filter(
        action__in=ENTRIES, object_type="ledgerline", person_id=str(budget.scientist_id),
        dataset_id=str(budget.promise.dataset_id),
    ).values_list("object_id", "action", "detail")  # fmt: skip
    return {
        int(pk): {"action": action, "units": detail["units"]}
        for pk, action, detail in rows.iterator(chunk_size=BATCH)
    }


def _action(line: LedgerLine) -> str:
    return "budget.reserved" if line.kind == LedgerLine.Kind.RESERVE else f"budget.{line.kind}"


def _price(line: LedgerLine, mu: float) -> int:
    """Return the cost that follows from a line's question and noise; a line without these costs what it says."""
    if line.is_joint:
        return _joint_price(line, mu)
    sigma, query = line.purpose.get("sigma"), line.purpose.get("query")
    if not isinstance(sigma, int) or sigma < 1 or query is None:
        return line.units
    is_code = line.purpose.get("kind") == Answer.Kind.CODE
    releases = releases_of(decode_code(query)) if is_code else _releases(line, decode(query))
    return worst_case_units(sigma, Fraction(mu) ** 2) * releases


def _joint_price(line: LedgerLine, mu: float) -> int:
    """Return the cost of this portal's part of a joint question, by the noise that it counted on."""
    try:
        joint = purpose_of(line)
        return units_of(joint.share, joint.h, Fraction(mu) ** 2)
    except ValueError as unreadable:
        raise QueryRefused(str(unreadable)) from unreadable


def _releases(line: LedgerLine, query: Query) -> int:
    """Return how often noise is drawn for what a line pays for. A search has as many steps as its column needs to
    distinguish values, which follows from the declarations. Lines that do not state the number paid for the most."""
    stated, most = line.purpose.get("releases"), most_releases(query)
    if not isinstance(stated, int) or most == 1:
        return most
    answer: Answer | None = getattr(line, "answer", None)
    if answer is None:
        return min(most, max(1, stated))
    table = answer.revision.tables.prefetch_related("columns").filter(name=query.table).first()
    if table is None:
        raise QueryRefused(f"There is no table “{query.table[:100]}” in this revision.")
    return design(query, spec_of(table, line.budget.promise.constants)).releases


def _answers(promise: Promise) -> Iterator[str]:
    """Yield answers that were released without a committed charge for the noise that was drawn."""
    rows = Answer.objects.filter(budget__promise=promise).select_related("line__settled_by", "budget")
    rows = rows.defer("result", "record")
    for answer in rows.iterator(chunk_size=BATCH):
        settled = getattr(answer.line, "settled_by", None)
        kind = settled.kind if settled else None
        if answer.state == Answer.State.RELEASED and kind != LedgerLine.Kind.COMMIT:
            yield f"Answer {answer.pk} was released, but its charge was never committed."
        purpose = answer.line.purpose
        if answer.line.is_joint:
            yield f"Answer {answer.pk} was charged by a line of a joint question."
        paid = (purpose.get("sigma", answer.sigma), purpose.get("releases", answer.releases))
        if (answer.sigma, answer.releases, answer.budget_id) != (*paid, answer.line.budget_id):
            yield f"Answer {answer.pk} has other noise or another budget than line {answer.line_id} paid for."
        if (answer.query, answer.kind) != (
            purpose.get("query", answer.query),
            purpose.get("kind", Answer.Kind.QUERY),
        ):
            yield f"Answer {answer.pk} answers another question than line {answer.line_id} paid for."


def _released(promise: Promise) -> Iterator[str]:
    """Yield answers that are not what the audit log committed to when they were released.

    Entries of earlier versions hold no commitment, and their answers no salt.
    """
    entries = Entry.objects.filter(
        action="answer.released", object_type="answer", dataset_id=str(promise.dataset_id)
    )
    logged: dict[str, str] = {}
    for pk, detail in entries.order_by("id").values_list("object_id", "detail").iterator(chunk_size=BATCH):
        logged.setdefault(pk, detail.get("document_sha256", ""))
    rows = Answer.objects.filter(budget__promise=promise, state=Answer.State.RELEASED)
    for answer in rows.iterator(chunk_size=WITH_FIGURES):
        expected = logged.pop(str(answer.pk), None)
        if expected is None:
            yield f"Answer {answer.pk} has figures, but the audit log does not say that it was released."
            continue
        is_of_earlier_version = not (expected or answer.document_salt)
        if not is_of_earlier_version and not documents.is_of(expected, answer.document_salt, answer.document):
            yield f"Answer {answer.pk} differs from what the audit log says was released."
    for pk in logged:
        yield f"Answer {pk} was released, as the audit log says, but it is missing."


def _people(promise: Promise, budgets: list[Budget]) -> Iterator[str]:
    """Yield people charged more than the worst case, which follows from public lines, and ledgers that are too old."""
    with open_ledger(storage.ledger_folder(promise.dataset_id)) as ledger:
        last, spent = ledger.last_line(), {budget: ledger.spent(budget.pk) for budget in budgets}
        shares, threshold_counts, places = ledger.shares(), ledger.thresholds(), ledger.count()
    lines = LedgerLine.objects.filter(budget__promise=promise, kind=LedgerLine.Kind.COMMIT)
    if last < promise.last_applied:
        yield f"The per-person ledger of {promise.dataset.name} is older than what was released."
    if last and not lines.filter(pk=last).exists():
        yield f"The per-person ledger of {promise.dataset.name} has line {last}, but the database does not."
    yield from _forgotten(promise, budgets, shares, threshold_counts)
    for budget, units in spent.items():
        limit = min(CAP, int(budget.worst_case(promise.cells.size).max(initial=0)))
        share = shares.get(budget.pk)
        # If a process died while it changed the budget, the change has yet to reach the per-person ledger.
        mu = share.mu if share else budget.mu
        (most,) = rescaled([units.max(initial=0)], mu, budget.mu)
        if most > limit:
            yield f"Somebody was charged more for {budget} than its worst case."
        if any(
            _least(units, each["places"], places) < each["owe"].get(str(budget.pk), 0)
            for each in promise.newcomers
        ):
            yield f"A newcomer was charged less for {budget} than newcomers begin with."


def _least(units: Units, first: int, places: int) -> int:
    """Return the smallest charge among people with a place from `first` on; CAP where there is nobody."""
    charged = np.zeros(places, dtype=np.int64)
    charged[: len(units)] = units[:places]
    return int(charged[first:].min(initial=CAP))


def _names_of_people(promise: Promise) -> Iterator[str]:
    """Yield revisions, published under the promise, that identify people differently from the one before."""
    revisions = list(promise.dataset.revisions.exclude(schema={}).order_by("number"))
    for before, revision in pairwise(revisions):
        if revision.published_at and revision.published_at > promise.created_at:
            for difference in identity.differences(revision, before):
                yield f"Revision {revision.number} of {promise.dataset.name}: {difference}"


def _forgotten(
    promise: Promise, budgets: list[Budget], shares: dict[UUID, Share], threshold_counts: dict[UUID, int]
) -> Iterator[str]:
    """Yield charges in the per-person ledger that a restored database no longer has."""
    by_pk = {budget.pk: budget for budget in budgets}
    for pk, share in shares.items():
        if pk not in by_pk or not by_pk[pk].had(share.mu, share.generation):
            yield (
                f"The per-person ledger of {promise.dataset.name} has a budget, or a change of one, that the database "
                "does not have."
            )
    for pk, times in threshold_counts.items():
        if times > (by_pk[pk].thresholds_used if pk in by_pk else 0):
            yield (
                f"Undeclared values of {promise.dataset.name} were released more often than the database knows."
            )


@dataclass(frozen=True, slots=True)
class Totals:
    """How much was checked."""

    datasets: int
    lines: int
    answers: int


def totals() -> Totals:
    return Totals(Promise.objects.count(), LedgerLine.objects.count(), Answer.objects.count())
