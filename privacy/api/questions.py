"""Questions: price them, try them on mock data, ask them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from common import heavy_views
from common.errors import Refused
from common.rest import keys
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, creates, lists
from common.rest.grants import Call
from common.rest.problems import Invalid
from common.rest.references import Reference
from privacy import models, queries
from privacy.api.answers import (
    AnswerDetail,
    AnswerItem,
    AnswersOfBudget,
    live_key,
    the_answer,
    visible_answers,
)
from privacy.api.budgets import the_budget
from privacy.api.schema import PRICES, AskedField, QueryField
from privacy.engine.language import wire
from privacy.engine.language.display import Display
from privacy.engine.language.schema import MAX_NUMBER, QueryRefused
from privacy.engine.language.sql import Statement
from privacy.engine.measure.contributions import CAP
from privacy.engine.trials import TRIES, Trial
from privacy.models import AnswerQuerySet
from privacy.presentation import caps_in_words, display_in_words, words
from privacy.services import questions, trials
from privacy.services.prior_answers import ErrorBasis

FINITE: dict[str, Any] = {"min_value": -MAX_NUMBER, "max_value": MAX_NUMBER}


class QuestionBody(Body):
    """A question, in SQL or in the wire form, and one price: an error, an epsilon, or a share of the budget."""

    sql = serializers.CharField(required=False, trim_whitespace=False, allow_blank=True)
    query = QueryField(required=False)
    error = serializers.FloatField(
        required=False,
        allow_null=True,
        **FINITE,
        help_text="Half the width of the 95 % interval; of a quantile, a share of the rows.",
    )
    epsilon = serializers.FloatField(required=False, allow_null=True, **FINITE)
    share = serializers.FloatField(
        required=False, allow_null=True, **FINITE, help_text="The part of the whole budget that it may use."
    )

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        if ("query" in fields) == ("sql" in fields):
            raise serializers.ValidationError("Give either sql or query.")
        return fields


class BasisItem(Item):
    """What a quoted error rests on besides the question."""

    basis = serializers.ChoiceField(["mean", "count", "published"])
    answer = Reference(allow_null=True, help_text="Your own answer; null if it was published.")
    rows = serializers.FloatField(allow_null=True)
    people = serializers.FloatField(allow_null=True)
    at_most = serializers.BooleanField(help_text="The error is a worst case; otherwise it is an estimate.")


class TriedFigure(Item):
    """One figure in all tries."""

    key = serializers.ListField(child=serializers.CharField(), help_text="The group.")
    name = serializers.CharField()
    released = serializers.IntegerField(help_text="In how many tries a value came out.")
    half_width_95 = serializers.FloatField(
        source="half_width", allow_null=True, help_text="In the median of these tries."
    )


class TrialItem(Item):
    """How a question came out on mock data."""

    rows = serializers.IntegerField(help_text="Mock rows that meet the conditions.")
    rows_each = serializers.FloatField(help_text="Rows per person on average, without the conditions.")
    tries = serializers.IntegerField(default=TRIES)
    figures = TriedFigure(many=True, help_text="Empty if there are too few rows.")


class QuotedItem(Item):
    """What a question would cost, and the error to expect."""

    question = serializers.CharField(help_text="In words.")
    shown = serializers.CharField(
        help_text="Which lines HAVING, ORDER BY and LIMIT show, in words, or empty."
    )
    half_width_95 = serializers.FloatField(allow_null=True, help_text="Null where only the data could tell.")
    error_basis = BasisItem(allow_null=True)
    finest_half_width = serializers.FloatField(
        allow_null=True,
        help_text="Of a quantile: half the width of the finest interval that the search can resolve.",
    )
    joint_factor = serializers.FloatField(
        help_text="How many times wider the intervals must be to hold all together."
    )
    epsilon = serializers.FloatField()
    delta = serializers.FloatField()
    mode = serializers.ChoiceField(["complete", "extended"])
    share = serializers.FloatField(help_text="Of the budget.")
    share_left = serializers.FloatField(help_text="For the people whom this question is about.")
    more_like_this = serializers.IntegerField(help_text="How many such questions what is left pays for.")
    unaffordable = serializers.CharField(help_text="Why the budget cannot pay for it, or empty.")
    rows_per_person = serializers.IntegerField(allow_null=True)
    counting = serializers.CharField()
    beyond = serializers.CharField()
    stored_answer = Reference(allow_null=True, help_text="An answer that you have and would get at no cost.")
    query = AskedField(help_text="The question, with everything that was chosen for it.")
    seconds = serializers.FloatField(
        help_text="From its charge to its answer, for models and synthetic tables; otherwise 0: in a moment."
    )


class PriceItem(QuotedItem):
    """What a question would cost, and a trial if that is all that can be said of its error."""

    on_mock = TrialItem(allow_null=True, help_text="A trial, where the error is not known.")


class TrialAnswer(Item):
    """How a question came out on mock data."""

    on_mock = TrialItem(allow_null=True, help_text="Null where its error is known, or no mock data fits.")


class AskedItem(AnswerDetail):
    """An answer as it was asked for."""

    stored = serializers.BooleanField(
        required=False, help_text="It was there already, and cost nothing. Not stated after a wait."
    )

    def to_representation(self, instance: "Asked") -> dict[str, Any]:
        """Return what the answer's own address returns, as this question shows it, and whether it was there."""
        context = {**self.context, "display": instance.display}
        return {**AnswerDetail(instance.answer, context=context).data, "stored": instance.stored}


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer, whether it was there before it was asked for, and what the question shows of it."""

    answer: models.Answer
    stored: bool
    display: Display

    @property
    def pk(self) -> UUID:
        return self.answer.pk


def asked_again(call: Call, pk: UUID) -> Asked:
    """Return an answer that was asked for with the key, and the body, of this call."""
    answer = the_answer(call, pk)
    text = str(call.data.get("sql") or "") if isinstance(call.data, Mapping) else ""
    return Asked(answer, answer.line.key != keys.key_of(call), queries.display_of(answer, text))


class BudgetPrice(Endpoint):
    """The price of a question."""

    body_limit = wire.MAX_BYTES

    @acts(PriceItem, body=QuestionBody, scope="ask", rate="prices")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> dict[str, Any]:
        """Price a question. Spends nothing."""
        with heavy_views.turn(heavy_views.COMPUTING, call):
            budget = the_budget(call, pk)
            quote, said = _quoted(call, budget, fields)
            trial = trials.tried(quote, budget.promise)
            return {**price_of(quote, said, questions.stored(budget, quote)), "on_mock": _tried(trial)}


class BudgetTrial(Endpoint):
    """A question on mock data."""

    body_limit = wire.MAX_BYTES

    @acts(TrialAnswer, body=QuestionBody, scope="ask", rate="prices")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> dict[str, Any]:
        """Try a question on mock data, with the noise that it would have. Spends nothing."""
        with heavy_views.turn(heavy_views.COMPUTING, call):
            budget = the_budget(call, pk)
            quote, _ = _quoted(call, budget, fields)
            return {"on_mock": _tried(trials.tried(quote, budget.promise))}


class BudgetAnswers(Endpoint):
    """The questions asked with a budget."""

    body_limit = wire.MAX_BYTES

    @lists(AnswerItem, filters=AnswersOfBudget)
    def get(self, call: Call, pk: UUID) -> AnswerQuerySet:
        """List the answers of one budget, without their figures."""
        return visible_answers(call).filter(budget=the_budget(call, pk))

    @creates(
        AskedItem,
        body=QuestionBody,
        again=asked_again,
        at="api:answer",
        status=lambda asked: HTTPStatus.ACCEPTED if asked.answer.is_waiting else HTTPStatus.OK,
        ready=HTTPStatus.OK,
        live=lambda asked: live_key(asked.answer),
        hands_key=True,
        scope="ask",
        rate="questions",
    )
    def post(self, call: Call, fields: dict[str, Any], *, key: UUID, pk: UUID) -> Asked:
        """Ask a question, which spends the budget. A question that was answered as exactly costs nothing."""
        with heavy_views.turn(heavy_views.COMPUTING, call):
            budget = the_budget(call, pk)
            quote, said = _quoted(call, budget, fields)
            made = questions.ask(budget, quote, key=key, by=call.user, text=said.text)
        answer = the_answer(call, made.pk)
        return Asked(answer, answer.line.key != key, said.display)


def _quoted(
    call: Call, budget: models.Budget, fields: Mapping[str, Any]
) -> tuple[questions.Quote, Statement]:
    """Read and price the question of a body."""
    with placed():
        declared = questions.declarations_of(budget)
        said = said_in(budget, fields, declared)
        return questions.quote(budget, said.query, by=call.user, declared=declared, **price_in(fields)), said


def price_in(fields: Mapping[str, Any]) -> dict[str, float]:
    """Return the prices that a body gives: one of them, or the service refuses it."""
    return {name: fields[name] for name in PRICES if fields.get(name) is not None}


def said_in(budget: models.Budget, fields: Mapping[str, Any], declared: questions.Declarations) -> Statement:
    """Read the question of a body."""
    if "sql" in fields:
        return questions.read_sql(budget, fields["sql"], declared)
    return Statement(wire.decode(fields["query"]))


@contextmanager
def placed() -> Iterator[None]:
    """Say where in the body a question is wrong, if the engine knows."""
    try:
        yield
    except QueryRefused as refused:
        raise Invalid(str(refused), place=refused.place) from refused
    except Refused as refused:
        if place := place_of(refused):
            raise Invalid(str(refused), place=place) from refused
        raise


def place_of(refused: BaseException | None) -> str:
    """Return where a question is wrong, as the engine has said it, or ""."""
    while refused is not None and not getattr(refused, "place", ""):
        refused = refused.__cause__
    return str(getattr(refused, "place", ""))


def price_of(quote: questions.Quote, said: Statement, stored: models.Answer | None) -> dict[str, Any]:
    """Return a price as answers of the API have it. `stored`: the answer that the scientist has already."""
    return {
        "question": words.say(quote.query, quote.spec),
        "shown": display_in_words.sentence(said.display),
        "half_width_95": quote.half_width,
        "error_basis": _basis(quote.basis),
        "finest_half_width": quote.plan.grid.half_cell if quote.plan.grid else None,
        "joint_factor": quote.joint_factor,
        "epsilon": quote.epsilon,
        "delta": quote.delta,
        "mode": "extended" if quote.may_leave_out else "complete",
        "share": quote.offer.share,
        "share_left": quote.left / CAP,
        "more_like_this": quote.more_like_this,
        "unaffordable": quote.unaffordable,
        "stored_answer": stored,
        "query": wire.encode(quote.query),
        "seconds": quote.seconds,
        **caps_in_words.facts(quote.query, quote.spec),
    }


def _basis(basis: ErrorBasis | None) -> dict[str, Any] | None:
    if basis is None:
        return None
    return {
        "basis": basis.source,
        "answer": basis.answer,
        "rows": None if basis.of_people else basis.size,
        "people": basis.size if basis.of_people else None,
        "at_most": basis.is_bound,
    }


def _tried(found: Trial | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"rows": found.rows, "rows_each": found.rows_each, "tries": TRIES, "figures": found.figures}
