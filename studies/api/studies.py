"""Studies in the REST API: list them, read one, and what owners decide about taking part."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.http import found
from common.rest.bodies import Body, Item, WithReason
from common.rest.endpoints import Endpoint, acts, creates, lists, reads
from common.rest.grants import Call, one, require_every_dataset, within
from datasets.models import Dataset
from network.models import Peer
from privacy.api.budgets import AskableTable
from studies import models, queries
from studies.documents import read_study
from studies.models import Member
from studies.services import consents, participations, studies

FOUND, JOIN, RELY = "Found a study", "Join a study", "Change on whom you count in a study"


class StudyItem(Item):
    """A study over the datasets of several portals."""

    id = serializers.UUIDField()
    name = serializers.CharField(help_text="Its name in code.")
    title = serializers.CharField()
    founder = serializers.SerializerMethodField(help_text="The address of the portal that founded it.")
    state = serializers.SerializerMethodField(help_text="Whether anything can be asked in it any more.")
    own_state = serializers.ChoiceField(
        Member.State.choices,
        allow_null=True,
        help_text="This portal’s own part in it; null if it names the portal by an earlier address.",
    )
    taking_part = serializers.IntegerField(help_text="How many portals take part.")
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_founder(self, study: models.Study) -> str:
        return queries.founder_url(study)

    @extend_schema_field(serializers.ChoiceField(["open", "ended"]))
    def get_state(self, study: models.Study) -> str:
        return "ended" if study.ended_at else "open"


class StudyPortal(Item):
    """A portal of a study, as it last told."""

    url = serializers.CharField()
    name = serializers.SerializerMethodField(help_text="The institution.")
    is_home = serializers.SerializerMethodField(help_text="Whether it is this portal.")
    state = serializers.ChoiceField(Member.State.choices)
    dataset = serializers.UUIDField(
        allow_null=True, help_text="The dataset with which it takes part, by its id there."
    )
    dataset_title = serializers.CharField()
    public_size = serializers.IntegerField(
        allow_null=True, help_text="About how many people it holds (public)."
    )
    told_at = serializers.DateTimeField(allow_null=True)

    def get_name(self, member: Member) -> str:
        return queries.name_of(member.url)

    def get_is_home(self, member: Member) -> bool:
        return member.url == settings.BASE_URL


class StudyDetail(StudyItem):
    """A study with its purpose, its table and its portals."""

    purpose = serializers.SerializerMethodField()
    sha256 = serializers.CharField(help_text="Names what its portals have agreed on, which never changes.")
    end_reason = serializers.CharField()
    table = serializers.SerializerMethodField(help_text="What joint questions are about.")
    portals = serializers.SerializerMethodField()

    def get_purpose(self, study: models.Study) -> str:
        return read_study(study.document).purpose

    @extend_schema_field(AskableTable)
    def get_table(self, study: models.Study) -> Any:
        return AskableTable(read_study(study.document).table, context={"rows": {}}).data

    @extend_schema_field(StudyPortal(many=True))
    def get_portals(self, study: models.Study) -> Any:
        return StudyPortal(study.members.order_by("url"), many=True).data


class ConditionsItem(Item):
    """What an owner agrees to, word for word."""

    text = serializers.CharField()


class Reliance(Body):
    """On whom an owner counts."""

    relies_on = serializers.ListField(
        child=serializers.CharField(max_length=200),
        max_length=10,
        help_text="Addresses of portals that are counted on to add their noise and to keep their masks secret.",
    )


class WithDataset(Reliance):
    """With which dataset to take part, and on whom the owner counts."""

    dataset = serializers.UUIDField(help_text="The id of one of your datasets.")


class Agreement(Reliance):
    """On whom an owner counts, and what they have read."""

    agreed_text = serializers.CharField(
        max_length=20_000, trim_whitespace=False, help_text="The text of the conditions, as they were read."
    )


class Joining(Agreement):
    """With which dataset to take part, and how."""

    dataset = serializers.UUIDField(help_text="The id of one of your datasets.")
    table = serializers.CharField(max_length=63)
    mapping = serializers.DictField(
        child=serializers.DictField(),
        help_text="By the study’s column: `column`, with `scale` and `offset` as text for numbers, or with `labels`, "
        "which of its values each of yours becomes.",
    )


class Draft(Reliance):
    """A study to be founded."""

    dataset = serializers.UUIDField(help_text="The id of one of your datasets.")
    table = serializers.CharField(max_length=63)
    columns = serializers.ListField(child=serializers.CharField(max_length=128), max_length=40)
    name = serializers.CharField(max_length=63)
    title = serializers.CharField(max_length=200)
    purpose = serializers.CharField(max_length=2000, trim_whitespace=False)
    portals = serializers.ListField(
        child=serializers.UUIDField(), max_length=9, help_text="The ids of the portals to invite."
    )


class Founding(Draft, Agreement):
    """A study to be founded, on conditions that were read."""


def visible(call: Call) -> "QuerySet[models.Study]":
    """Return the studies that this call may see. A study is of no dataset here, so a token must reach all."""
    require_every_dataset(call)
    return queries.listed(call.user)


def the_study(call: Call, pk: UUID) -> models.Study:
    """Return a study that this call may see. Raises Http404."""
    return one(call, visible(call), dataset=None, pk=pk)


def _dataset(call: Call, pk: UUID) -> Dataset:
    return found(within(call, queries.could_join(call.user), "pk"), pk=pk)


def _parts(call: Call, fields: dict[str, Any]) -> tuple[Dataset, str, list[str], dict[str, Any]]:
    """Return the parts of a study that is to be founded, as `services.studies` takes them."""
    wanted = Peer.objects.active().visible_to(call.user)
    peers = [found(wanted, pk=pk) for pk in fields["portals"]]
    words = {name: fields[name] for name in ("name", "title", "purpose")}
    return _dataset(call, fields["dataset"]), fields["table"], fields["columns"], {**words, "portals": peers}


class Studies(Endpoint):
    """Studies."""

    @lists(StudyItem)
    def get(self, call: Call) -> "QuerySet[models.Study]":
        """List the studies that you may see."""
        return visible(call)

    @creates(
        StudyDetail,
        body=Founding,
        scope="budgets",
        confirms=FOUND,
        again=the_study,
        at="api:study",
        hands_key=True,
    )
    def post(self, call: Call, fields: dict[str, Any], key: UUID) -> models.Study:
        """Found a study with a dataset of yours, which takes part from the beginning, and invite other portals."""
        require_every_dataset(call)
        dataset, table, columns, parts = _parts(call, fields)
        said = {name: fields[name] for name in ("relies_on", "agreed_text")}
        made = studies.found(dataset, table, columns, by=call.user, **said, **parts)
        return the_study(call, made.pk)


class StudyDraft(Endpoint):
    """The conditions of founding a study."""

    @acts(ConditionsItem, body=Draft, scope="budgets")
    def post(self, call: Call, fields: dict[str, Any]) -> dict[str, str]:
        """Read what you would agree to by founding this study. Nothing is founded."""
        require_every_dataset(call)
        dataset, table, columns, parts = _parts(call, fields)
        document = studies.drafted(dataset, table, columns, **parts)
        return {"text": consents.text_for(document, dataset, fields["relies_on"])}


class Study(Endpoint):
    """One study."""

    @reads(StudyDetail)
    def get(self, call: Call, pk: UUID) -> models.Study:
        """Read a study: its purpose, its table, and which portals take part."""
        return the_study(call, pk)


class StudyConditions(Endpoint):
    """The conditions of taking part in a study."""

    @acts(ConditionsItem, body=WithDataset, scope="budgets")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> dict[str, str]:
        """Read what you agree to by joining with this dataset, or by counting on these portals. Changes nothing."""
        study = the_study(call, pk)
        return {"text": consents.consent_text(study, _dataset(call, fields["dataset"]), fields["relies_on"])}


class StudyJoin(Endpoint):
    """Joining a study."""

    @acts(StudyDetail, body=Joining, scope="budgets", confirms=JOIN)
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Study:
        """Join a study with a dataset of yours. The other portals are told."""
        study, dataset = the_study(call, pk), _dataset(call, fields["dataset"])
        participations.join(
            study,
            dataset,
            fields["table"],
            fields["mapping"],
            fields["relies_on"],
            by=call.user,
            agreed_text=fields["agreed_text"],
        )
        return the_study(call, pk)


class StudyRely(Endpoint):
    """On whom an owner counts in a study."""

    @acts(StudyDetail, body=Agreement, scope="budgets", confirms=RELY)
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Study:
        """Count on other portals than before, for questions from now on."""
        participations.change_reliance(
            the_study(call, pk), fields["relies_on"], by=call.user, agreed_text=fields["agreed_text"]
        )
        return the_study(call, pk)


class StudyDecline(Endpoint):
    """Declining an invitation."""

    @acts(StudyDetail, body=WithReason, scope="budgets")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Study:
        """Decline an invitation for this portal. The other portals are told."""
        participations.decline(the_study(call, pk), by=call.user, reason=fields["reason"])
        return the_study(call, pk)


class StudyLeave(Endpoint):
    """Leaving a study."""

    @acts(StudyDetail, body=WithReason, scope="budgets")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Study:
        """Leave a study for good. The other portals are told."""
        participations.leave(the_study(call, pk), by=call.user, reason=fields["reason"])
        return the_study(call, pk)


class StudyEnd(Endpoint):
    """Ending a study."""

    @acts(StudyDetail, body=WithReason, scope="budgets")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Study:
        """End a study that was founded here, for all portals."""
        studies.end(the_study(call, pk), by=call.user, reason=fields["reason"])
        return the_study(call, pk)
