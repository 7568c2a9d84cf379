"""Code that answers in blocks: try it on mock data, see its price, ask it, withdraw it."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common import heavy_views
from common.http import found
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, creates, lists, reads
from common.rest.grants import Call, within
from common.rest.references import DatasetReference, Reference
from privacy import models
from privacy.api.answers import AnswerDetail, live_key, the_answer
from privacy.api.budgets import the_budget
from privacy.api.questions import FINITE, Asked, AskedItem, placed, price_in
from privacy.api.schema import CodeQuestionField
from privacy.engine.language import wire
from privacy.engine.language.display import EVERYTHING
from privacy.engine.measure.contributions import CAP
from privacy.models import CodeTrialQuerySet
from privacy.presentation import code_in_words
from privacy.services import code_answers


class CodeBody(Body):
    """Code to try, with the price that its answer may have: an epsilon, or a share of the budget."""

    question = CodeQuestionField()
    epsilon = serializers.FloatField(required=False, allow_null=True, **FINITE)
    share = serializers.FloatField(
        required=False, allow_null=True, **FINITE, help_text="The part of the whole budget that it may use."
    )


class CurveItem(Item):
    """The error on mock data with another number of blocks."""

    blocks = serializers.IntegerField()
    bias = serializers.ListField(child=serializers.FloatField())
    error = serializers.ListField(child=serializers.FloatField())


class TrialReport(Item):
    """What code did on mock data. Lists have an entry for each number of a box, or one for a ball or votes."""

    whole = serializers.ListField(child=serializers.FloatField(), help_text="The answer over all mock rows.")
    run = serializers.IntegerField(help_text="Blocks of mock people that were run.")
    failed = serializers.IntegerField()
    late = serializers.IntegerField()
    clamped = serializers.FloatField(help_text="The part of the blocks' answers outside the declared bounds.")
    slowest = serializers.FloatField(help_text="Seconds of the slowest block.")
    slot = serializers.FloatField(help_text="Seconds that each private block gets.")
    halves = serializers.BooleanField(help_text="Whether half samples correct the bias of small blocks.")
    people_each = serializers.FloatField(help_text="People in a block, on average.")
    quartiles = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))
    bias = serializers.ListField(
        child=serializers.FloatField(),
        help_text="Of a box: mean of the blocks less the answer over all rows.",
    )
    error = serializers.ListField(
        child=serializers.FloatField(),
        help_text="Of a box: root mean square of the noisy answer less the answer over all rows.",
    )
    curve = CurveItem(many=True)
    tracebacks = serializers.ListField(child=serializers.CharField())
    why = serializers.CharField(help_text="Why nothing was found, or empty.")
    environment_sha256 = serializers.CharField(
        help_text="Of the code environment that it ran in, or empty. Only there may the code be asked."
    )


class CodePrice(Item):
    """What an answer by tried code would cost, and when it would be there."""

    blocks = serializers.IntegerField(source="plan.blocks")
    method = serializers.CharField(source="plan.method")
    how = serializers.SerializerMethodField(help_text="How the blocks' answers become one, in words.")
    noise_half_width_95 = serializers.ListField(
        source="half_widths",
        child=serializers.FloatField(allow_null=True),
        help_text="Of the noise alone, at most; null where only the data could tell.",
    )
    seconds = serializers.FloatField(help_text="From the start of its turn to the answer, whatever happens.")
    epsilon = serializers.FloatField()
    delta = serializers.FloatField(source="trial.budget.promise.delta")
    share = serializers.FloatField(source="offer.share", help_text="Of the budget.")
    share_left = serializers.SerializerMethodField(help_text="For the people whom this code is about.")
    mode = serializers.SerializerMethodField(help_text="extended: it may silently leave people out.")
    refusal = serializers.CharField(help_text="Why it cannot be asked like this, or empty.")
    stored_answer = serializers.SerializerMethodField(
        help_text="An answer that you have and would get at no cost."
    )

    def get_how(self, quote: code_answers.CodeQuote) -> str:
        return code_in_words.METHODS[quote.plan.method]

    def get_share_left(self, quote: code_answers.CodeQuote) -> float:
        return quote.left / CAP

    def get_mode(self, quote: code_answers.CodeQuote) -> str:
        return "extended" if quote.may_leave_out else "complete"

    @extend_schema_field(Reference(allow_null=True))
    def get_stored_answer(self, quote: code_answers.CodeQuote) -> str | None:
        answer = code_answers.stored(quote)
        return str(answer.pk) if answer else None


class CodeTrialItem(Item):
    """Code that is, or was, tried on mock data."""

    id = serializers.UUIDField()
    budget = Reference()
    dataset = DatasetReference(source="budget.promise.dataset")
    state = serializers.ChoiceField(models.CodeTrial.State.choices)
    question = CodeQuestionField()
    in_words = serializers.SerializerMethodField()
    asked = serializers.DictField(child=serializers.FloatField(), help_text="The price: epsilon or share.")
    blocks = serializers.IntegerField()
    progress = serializers.FloatField(help_text="From 0 to 1.")
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_in_words(self, trial: models.CodeTrial) -> str:
        return code_in_words.say(wire.decode_code(trial.question))


class CodeTrialDetail(CodeTrialItem):
    """Tried code with what it did, and the price of its answer."""

    report = serializers.SerializerMethodField(help_text="Null until it was tried.")
    price = serializers.SerializerMethodField(help_text="Null until it was tried, or if it cannot be asked.")

    @extend_schema_field(TrialReport(allow_null=True))
    def get_report(self, trial: models.CodeTrial) -> Any:
        return None if trial.is_open else TrialReport(code_answers.report_of(trial)).data

    @extend_schema_field(CodePrice(allow_null=True))
    def get_price(self, trial: models.CodeTrial) -> Any:
        quote = code_answers.quoted_if_tried(trial)
        return CodePrice(quote).data if quote else None


def visible_trials(call: Call) -> CodeTrialQuerySet:
    """Return the trials that this call may see: its person's own."""
    rows = models.CodeTrial.objects.visible_to(call.user).select_related(
        "budget__promise__dataset", "budget__scientist", "revision"
    )
    return within(call, rows, "budget__promise__dataset")  # type: ignore[return-value]


def the_trial(call: Call, pk: UUID) -> models.CodeTrial:
    """Return a trial that this call may see. Raises Http404."""
    return found(visible_trials(call), pk=pk)


def _live_key(trial: models.CodeTrial) -> str:
    return f"trial:{trial.pk}" if trial.is_open else ""


class BudgetCodeTrials(Endpoint):
    """Trials of code with a budget."""

    body_limit = wire.MAX_BYTES

    @lists(CodeTrialItem)
    def get(self, call: Call, pk: UUID) -> CodeTrialQuerySet:
        """List your trials of code with one budget."""
        return visible_trials(call).filter(budget=the_budget(call, pk))

    @creates(
        CodeTrialDetail,
        body=CodeBody,
        again=the_trial,
        at="api:code_trial",
        status=lambda trial: HTTPStatus.ACCEPTED if trial.is_open else HTTPStatus.CREATED,
        live=_live_key,
        scope="ask",
        rate="prices",
    )
    def post(self, call: Call, fields: dict[str, Any], *, pk: UUID) -> models.CodeTrial:
        """Try code on mock data, in blocks as its answer would. Spends nothing."""
        with heavy_views.turn(heavy_views.COMPUTING, call), placed():
            question = wire.decode_code(fields["question"])
            made = code_answers.try_out(the_budget(call, pk), question, by=call.user, **price_in(fields))
        return the_trial(call, made.pk)


class CodeTrial(Endpoint):
    """One trial."""

    @reads(CodeTrialDetail, live=_live_key)
    def get(self, call: Call, pk: UUID) -> models.CodeTrial:
        """Read a trial: what the code did on mock data, and the price of its answer."""
        return the_trial(call, pk)


class CodeTrialStop(Endpoint):
    """The end of a trial."""

    @acts(CodeTrialDetail, scope="ask")
    def post(self, call: Call, pk: UUID) -> models.CodeTrial:
        """Stop a trial. Nothing is kept of it."""
        code_answers.stop_trial(the_trial(call, pk))
        return the_trial(call, pk)


def _asked_again(call: Call, pk: UUID) -> Asked:
    return Asked(the_answer(call, pk), stored=False, display=EVERYTHING)


class CodeTrialAnswers(Endpoint):
    """The answer by tried code."""

    @creates(
        AskedItem,
        again=_asked_again,
        at="api:answer",
        status=lambda asked: HTTPStatus.ACCEPTED if asked.answer.is_waiting else HTTPStatus.OK,
        ready=HTTPStatus.OK,
        live=lambda asked: live_key(asked.answer),
        hands_key=True,
        scope="ask",
        rate="questions",
    )
    def post(self, call: Call, *, key: UUID, pk: UUID) -> Asked:
        """Have tried code answered, which spends the budget. The same code again costs nothing."""
        quote = code_answers.quote(the_trial(call, pk), by=call.user)
        made = code_answers.ask(quote, key=key, by=call.user)
        answer = the_answer(call, made.pk)
        return Asked(answer, answer.line.key != key, EVERYTHING)


class AnswerWithdraw(Endpoint):
    """An answer that is not wanted any more."""

    @acts(AnswerDetail, scope="ask")
    def post(self, call: Call, pk: UUID) -> models.Answer:
        """Withdraw code that no worker has begun: its charge is given back. Later, it is answered all the same."""
        code_answers.cancel(the_answer(call, pk), by=call.user)
        return the_answer(call, pk)
