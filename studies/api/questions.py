"""Joint questions in the REST API: how one stands at each portal, prices, asking, and the answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit.api.signed_log import ReceiptItem, item_of
from common import heavy_views
from common.rest import keys
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, creates, lists, reads
from common.rest.grants import Call, one, require_every_dataset
from common.rest.references import PersonReference
from privacy.api.questions import FINITE, placed
from privacy.api.schema import AskedField, QueryField
from privacy.engine.accounting import noise_epsilon
from privacy.engine.language import sql, wire
from privacy.engine.language.display import lines_of
from privacy.engine.measure.contributions import CAP
from privacy.engine.plan.designs import design
from privacy.presentation import words
from studies import models, queries
from studies.api.studies import the_study
from studies.documents import read_study
from studies.models import Part
from studies.services import joint_answers, quotes, receipts, standings
from studies.services.quotes import JointQuote
from studies.services.standings import Standing


class JointQuestionBody(Body):
    """A question to several portals, in SQL or in the wire form, and one price: an error, or a share of each budget."""

    sql = serializers.CharField(required=False, trim_whitespace=False, allow_blank=True)
    query = QueryField(required=False)
    error = serializers.FloatField(
        required=False,
        allow_null=True,
        **FINITE,
        help_text="Half the width of the 95 % interval, of the whole answer.",
    )
    share = serializers.FloatField(
        required=False,
        allow_null=True,
        **FINITE,
        help_text="The most that any of the budgets is charged, as a part of it.",
    )
    without = serializers.ListField(
        child=serializers.CharField(max_length=200),
        required=False,
        max_length=10,
        help_text="Addresses of portals that are left out. At least two have to remain.",
    )

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        if ("query" in fields) == ("sql" in fields):
            raise serializers.ValidationError("Give either sql or query.")
        return fields


class StandingItem(Item):
    """How you stand at one portal of a study."""

    url = serializers.CharField()
    name = serializers.CharField()
    is_home = serializers.BooleanField(help_text="Whether it is this portal.")
    trouble = serializers.CharField(help_text="Why you cannot ask there, or empty.")
    dataset = serializers.UUIDField(allow_null=True, help_text="The dataset, by its id there.")
    dataset_title = serializers.CharField()
    public_size = serializers.IntegerField(allow_null=True)
    epsilon = serializers.SerializerMethodField(help_text="Of your budget there, or null.")
    share_left = serializers.SerializerMethodField(help_text="Of your budget there, or null.")

    def get_epsilon(self, standing: Standing) -> float | None:
        if standing.mu is None or standing.noise_delta is None:
            return None
        return noise_epsilon(standing.mu, standing.noise_delta)

    def get_share_left(self, standing: Standing) -> float | None:
        return None if standing.left is None else standing.left / CAP


class StandingsItem(Item):
    """How you stand at each portal of a study that takes part."""

    portals = StandingItem(many=True)


class PortalPriceItem(Item):
    """What one portal would charge."""

    url = serializers.CharField()
    name = serializers.CharField()
    share = serializers.FloatField(
        source="part_of_budget", allow_null=True, help_text="Of your budget there."
    )
    share_left = serializers.SerializerMethodField()
    trouble = serializers.CharField(help_text="Why you cannot ask there, or empty.")

    def get_share_left(self, price: quotes.PortalPrice) -> float | None:
        return None if price.left is None else price.left / CAP


class JointPriceItem(Item):
    """What a joint question would cost at each portal, and the error to expect of the whole."""

    question = serializers.SerializerMethodField(help_text="In words.")
    half_width_95 = serializers.FloatField(
        source="half_width", allow_null=True, help_text="Null where only the data could tell."
    )
    joint_factor = serializers.FloatField(
        help_text="How many times wider the intervals must be to hold all together."
    )
    unaffordable = serializers.CharField(help_text="Why not all of these portals answer, or empty.")
    query = serializers.SerializerMethodField(help_text="The question in its wire form.")
    portals = PortalPriceItem(many=True)

    def get_question(self, quote: JointQuote) -> str:
        return words.say(quote.query, quote.spec)

    @extend_schema_field(AskedField)
    def get_query(self, quote: JointQuote) -> dict[str, Any]:
        found: dict[str, Any] = wire.encode(quote.query)
        return found


class StudyReference(Item):
    """The study of a joint answer."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    title = serializers.CharField()


class JointAnswerItem(Item):
    """A question to several portals, and what has become of it."""

    id = serializers.UUIDField()
    study = StudyReference()
    scientist = PersonReference()
    state = serializers.ChoiceField(models.JointAnswer.State.choices)
    question = serializers.SerializerMethodField(help_text="In words.")
    query = AskedField()
    sql = serializers.CharField(help_text="As it was asked; empty if it was asked in another form.")
    asked = serializers.DictField(help_text="The price that was chosen: `error` or `share`.")
    reason = serializers.CharField(help_text="Why it was stopped or failed.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_question(self, answer: models.JointAnswer) -> str:
        return queries.question_of(answer)


class PartItem(Item):
    """What one portal does for a joint answer, or has done."""

    url = serializers.CharField()
    name = serializers.SerializerMethodField()
    state = serializers.ChoiceField(Part.State.choices)
    share = serializers.SerializerMethodField(
        help_text="What it charges, of your budget there; null before it told."
    )
    trouble = serializers.CharField(help_text="Why it could not be reached, or what it refused.")
    waiting_since = serializers.DateTimeField(allow_null=True)

    def get_name(self, part: Part) -> str:
        return queries.name_of(part.url)

    def get_share(self, part: Part) -> float | None:
        return None if part.units is None else part.units / CAP


class JointAnswerDetail(JointAnswerItem):
    """A joint answer: what each portal does, and the figures once they are released."""

    portals = serializers.SerializerMethodField()
    result = serializers.SerializerMethodField(help_text="The figures, or null until they are released.")
    rows = serializers.SerializerMethodField(
        help_text="The lines of `result` that HAVING and LIMIT leave, in the order of ORDER BY; null until then."
    )
    record = serializers.SerializerMethodField(help_text="How they were made, or null until then.")

    def get_result(self, answer: models.JointAnswer) -> dict[str, Any] | None:
        found: dict[str, Any] | None = answer.result
        return found

    @extend_schema_field(PartItem(many=True))
    def get_portals(self, answer: models.JointAnswer) -> Any:
        return PartItem(answer.parts.all(), many=True).data

    def get_rows(self, answer: models.JointAnswer) -> list[dict[str, Any]] | None:
        if answer.result is None:
            return None
        return lines_of(queries.display_of(answer), answer.result["by"], answer.result["lines"])

    def get_record(self, answer: models.JointAnswer) -> dict[str, Any] | None:
        return None if answer.result is None else answer.record


@dataclass(frozen=True, slots=True)
class Asked:
    """A joint answer, and whether it was there before it was asked for."""

    answer: models.JointAnswer
    stored: bool

    @property
    def pk(self) -> UUID:
        return self.answer.pk


class AskedJointly(JointAnswerDetail):
    """A joint answer as it was asked for."""

    stored = serializers.BooleanField(
        required=False, help_text="It was there already, and cost nothing. Not stated after a wait."
    )

    def to_representation(self, instance: Asked) -> dict[str, Any]:
        """Return what the answer's own address returns, and whether it was there."""
        return {**JointAnswerDetail(instance.answer, context=self.context).data, "stored": instance.stored}


def _visible(call: Call) -> "QuerySet[models.JointAnswer]":
    require_every_dataset(call)
    return models.JointAnswer.objects.visible_to(call.user).select_related("study", "scientist")


def the_answer(call: Call, pk: UUID) -> models.JointAnswer:
    """Return a joint answer that this call may see. Raises Http404."""
    return one(call, _visible(call), dataset=None, pk=pk)


def _again(call: Call, pk: UUID) -> Asked:
    answer = the_answer(call, pk)
    return Asked(answer, answer.key != keys.key_of(call))


def _live_key(answer: models.JointAnswer) -> str:
    return f"joint:{answer.pk}" if answer.state in models.JointAnswer.OPEN else ""


def _quoted(call: Call, study: models.Study, fields: Mapping[str, Any]) -> JointQuote:
    """Read and price the question of a body. The portals are asked before this person's turn to compute."""
    known = standings.of(study, by=call.user)
    price = {name: fields[name] for name in ("error", "share") if fields.get(name) is not None}
    with heavy_views.turn(heavy_views.COMPUTING, call), placed():
        table = read_study(study.document).table
        query = (
            sql.read(fields["sql"], {table.name: table}, check=design).query
            if "sql" in fields
            else wire.decode(fields["query"])
        )
        return quotes.quote(
            study, query, by=call.user, known=known, without=fields.get("without", ()), **price
        )


class StudyStandings(Endpoint):
    """How you stand at the portals of a study."""

    @reads(StandingsItem, rate="prices")
    def get(self, call: Call, pk: UUID) -> dict[str, Any]:
        """Ask each portal that takes part whether it would answer you, and what is left of your budget there."""
        return {"portals": standings.of(the_study(call, pk), by=call.user)}


class StudyPrices(Endpoint):
    """The prices of a joint question."""

    body_limit = wire.MAX_BYTES

    @acts(JointPriceItem, body=JointQuestionBody, scope="ask", rate="prices")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> JointQuote:
        """Price a joint question at each portal. Spends nothing."""
        return _quoted(call, the_study(call, pk), fields)


class StudyAnswers(Endpoint):
    """The joint questions asked in a study."""

    body_limit = wire.MAX_BYTES

    @lists(JointAnswerItem)
    def get(self, call: Call, pk: UUID) -> "QuerySet[models.JointAnswer]":
        """List the joint answers in one study, without their figures."""
        return _visible(call).filter(study=the_study(call, pk))

    @creates(
        AskedJointly,
        body=JointQuestionBody,
        again=_again,
        at="api:joint_answer",
        status=lambda asked: HTTPStatus.ACCEPTED if _live_key(asked.answer) else HTTPStatus.OK,
        ready=HTTPStatus.OK,
        live=lambda asked: _live_key(asked.answer),
        hands_key=True,
        scope="ask",
        rate="questions",
    )
    def post(self, call: Call, fields: dict[str, Any], *, key: UUID, pk: UUID) -> Asked:
        """Ask a joint question, which spends your budget at each portal. One that was answered as exactly is free."""
        study = the_study(call, pk)
        quote = _quoted(call, study, fields)
        made = joint_answers.ask(study, quote, key=key, by=call.user, text=fields.get("sql", ""))
        return Asked(the_answer(call, made.pk), made.key != key)


class JointAnswers(Endpoint):
    """Joint answers."""

    @lists(JointAnswerItem)
    def get(self, call: Call) -> "QuerySet[models.JointAnswer]":
        """List your joint answers, without their figures."""
        return _visible(call)


class JointAnswer(Endpoint):
    """One joint answer."""

    @reads(JointAnswerDetail, live=_live_key)
    def get(self, call: Call, pk: UUID) -> models.JointAnswer:
        """Read a joint answer: what each portal does, and the figures once they are released."""
        answer = the_answer(call, pk)
        if call.user == answer.scientist:
            joint_answers.note_seen(answer)
        return answer


class JointAnswerStop(Endpoint):
    """Stopping a joint question."""

    @acts(JointAnswerDetail, scope="ask")
    def post(self, call: Call, pk: UUID) -> models.JointAnswer:
        """Stop a joint question. Portals that were not asked for their part yet give their price back."""
        joint_answers.stop(the_answer(call, pk), by=call.user)
        return the_answer(call, pk)


class JointAnswerReceipt(Endpoint):
    """The receipt of a joint answer."""

    @reads(ReceiptItem)
    def get(self, call: Call, pk: UUID) -> dict[str, object]:
        """Read the receipt of a released joint answer: the figures, and the proof that the log holds them."""
        return item_of(receipts.of_joint_answer(the_answer(call, pk), by=call.user))
