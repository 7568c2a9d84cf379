"""Batches: several questions in one call, priced together, and charged all or none."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common import heavy_views
from common.errors import Refused
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, creates, reads
from common.rest.grants import Call, one
from common.rest.problems import Invalid
from common.rest.references import Reference
from privacy import models, rules
from privacy.api.answers import live_key, visible_answers
from privacy.api.budgets import the_budget
from privacy.api.questions import (
    Asked,
    AskedItem,
    QuestionBody,
    QuotedItem,
    place_of,
    price_in,
    price_of,
    said_in,
)
from privacy.engine.language import wire
from privacy.engine.language.schema import QueryRefused
from privacy.engine.measure.contributions import CAP
from privacy.services import batches, questions

BODY_LIMIT = 4 * wire.MAX_BYTES


class BatchBody(Body):
    """Several questions, each with a price of its own."""

    questions = serializers.ListField(child=QuestionBody(), min_length=1, max_length=batches.MOST)


class PricedItem(QuotedItem):
    """The price of one question of a batch."""

    is_charged = serializers.BooleanField(
        help_text="False: a stored answer, or an earlier question of the batch, answers it at no cost."
    )


class BatchPriceItem(Item):
    """What the questions would cost, each and together."""

    questions = PricedItem(many=True, help_text="In the order of the call.")
    share = serializers.FloatField(
        help_text="Of the budget, for all of them: less than the sum if they are about groups kept apart."
    )
    share_left = serializers.FloatField(help_text="For the people whom these questions are about.")
    unaffordable = serializers.CharField(help_text="Why the budget cannot pay for all of them, or empty.")


class BatchItem(Item):
    """Questions that were asked in one call."""

    id = serializers.UUIDField(source="pk")
    budget = Reference(source="batch.budget_id")
    created_at = serializers.DateTimeField(source="batch.created_at")
    answers = serializers.SerializerMethodField(help_text="One to each question, in the order of the call.")

    @extend_schema_field(AskedItem(many=True))
    def get_answers(self, found: "AskedBatch") -> Any:
        return AskedItem(found.asked, many=True, context=self.context).data


@dataclass(frozen=True, slots=True)
class AskedBatch:
    """A batch with its answers, and whether each was there before."""

    batch: models.Batch
    asked: list[Asked]

    @property
    def pk(self) -> UUID:
        return self.batch.pk

    @property
    def live_keys(self) -> str:
        """What somebody who waits for the answers wants to hear of, or ""."""
        return ",".join(dict.fromkeys(filter(None, (live_key(each.answer) for each in self.asked))))


def the_batch(call: Call, pk: UUID) -> AskedBatch:
    """Return a batch whose answers this call may see. Raises Http404."""
    rows = models.Batch.objects.visible_to(call.user).select_related("budget")
    batch = one(call, rows, dataset="budget__promise__dataset", pk=pk)
    answers = visible_answers(call).filter(pk__in=batch.answers)
    known = {answer.pk: answer for answer in answers}
    return AskedBatch(batch, [_asked(batch, place, known[pk]) for place, pk in enumerate(batch.answers)])


def _asked(batch: models.Batch, place: int, answer: models.Answer) -> Asked:
    stored = answer.line.key != batches.key_of_question(batch.key, place)
    return Asked(answer, stored, wire.decode_display(batch.asked[place].get("display") or {}))


class Batch(Endpoint):
    """One batch."""

    @reads(BatchItem, live=lambda found: found.live_keys)
    def get(self, call: Call, pk: UUID) -> AskedBatch:
        """Read the answers to questions that were asked in one call, with their figures once they are released."""
        found = the_batch(call, pk)
        if rules.is_own(call.user, found.batch.budget) is None:
            for each in found.asked:
                questions.note_seen(each.answer)
        return found


class BudgetBatchPrice(Endpoint):
    """The price of several questions."""

    body_limit = BODY_LIMIT

    @acts(BatchPriceItem, body=BatchBody, scope="ask", rate="batches")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> dict[str, Any]:
        """Price several questions together. Spends nothing."""
        with heavy_views.turn(heavy_views.COMPUTING, call):
            quoted = _quoted(call, the_budget(call, pk), fields["questions"])
        return {
            "questions": [
                {
                    **price_of(quote, said, free if isinstance(free, models.Answer) else None),
                    "is_charged": free is None,
                }
                for quote, said, free in zip(quoted.quotes, quoted.said, quoted.free, strict=True)
            ],
            "share": quoted.share,
            "share_left": quoted.left / CAP,
            "unaffordable": quoted.unaffordable,
        }


class BudgetBatches(Endpoint):
    """Several questions to be asked with a budget."""

    body_limit = BODY_LIMIT

    @creates(
        BatchItem,
        body=BatchBody,
        again=the_batch,
        at="api:batch",
        status=lambda found: HTTPStatus.ACCEPTED if found.live_keys else HTTPStatus.OK,
        ready=HTTPStatus.OK,
        live=lambda found: found.live_keys,
        hands_key=True,
        scope="ask",
        rate="batches",
    )
    def post(self, call: Call, fields: dict[str, Any], *, key: UUID, pk: UUID) -> AskedBatch:
        """Ask several questions, which spends the budget: for all of them, or, if it cannot pay, for none."""
        with heavy_views.turn(heavy_views.COMPUTING, call):
            budget = the_budget(call, pk)
            quoted = _quoted(call, budget, fields["questions"])
            made = batches.ask_many(budget, quoted, key=key, by=call.user)
        return the_batch(call, made.pk)


def _quoted(call: Call, budget: models.Budget, asked: Sequence[Mapping[str, Any]]) -> batches.BatchQuote:
    """Read and price the questions of a body. Raises Invalid with the place of the first one that is refused."""
    declared = questions.declarations_of(budget)
    wishes = []
    for number, fields in enumerate(asked):
        with _numbered(number):
            said = said_in(budget, fields, declared)
        wishes.append(batches.Wish(said=said, **price_in(fields)))
    try:
        return batches.quote_many(budget, wishes, by=call.user, declared=declared)
    except batches.QuestionRefused as refused:
        raise Invalid(str(refused), place=_place(refused.number, refused)) from refused


@contextmanager
def _numbered(number: int) -> Iterator[None]:
    try:
        yield
    except (QueryRefused, Refused) as refused:
        text = f"Question {number + 1}: {refused}"
        raise Invalid(text, place=_place(number, refused)) from refused


def _place(number: int, refused: Exception) -> str:
    return ".".join(filter(None, [f"questions[{number}]", place_of(refused)]))
