"""Access to datasets, grants, and reviewers."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework import serializers

from common.rest.bodies import Body, Item, WithReason
from common.rest.endpoints import Endpoint, acts, creates, lists, reads
from common.rest.grants import Call, one
from common.rest.references import (
    ContactReference,
    DatasetReference,
    NumberedReference,
    PersonReference,
    Reference,
)
from datasets import models, services
from datasets.api.shared import owned, visible


class AskingScientist(ContactReference):
    """The scientist who asks, to those who decide."""

    affiliation = serializers.CharField()


class AccessItem(Item):
    """A request for access, for the scientist and for those who may decide on it."""

    id = serializers.UUIDField()
    dataset = DatasetReference()
    scientist = AskingScientist()
    purpose = serializers.CharField()
    outputs = serializers.CharField(help_text="The intended outputs.")
    terms = NumberedReference(allow_null=True, default=None, help_text="The terms that were accepted.")
    state = serializers.ChoiceField(models.AccessRequest.State.choices)
    created_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = PersonReference(allow_null=True)
    decision_note = serializers.CharField()


class NewAccess(Body):
    """A request for access."""

    purpose = serializers.CharField(
        max_length=4000, help_text="The question that you want to answer, and for whom."
    )
    outputs = serializers.CharField(max_length=4000, help_text="What you want released.")
    terms = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text="The id of the current terms, which you have read and accept. Leave it out if there are none.",
    )


class AccessDecision(Body):
    """The decision on a request for access."""

    grant = serializers.BooleanField(help_text="Grant access, or decline the request.")
    note = serializers.CharField(
        max_length=4000, allow_blank=True, default="", help_text="For the scientist. Required if you decline."
    )
    days = serializers.IntegerField(
        allow_null=True, default=None, help_text="Days of access; null: until it is revoked."
    )


class GrantItem(Item):
    """Access of one person to a dataset."""

    id = serializers.UUIDField()
    dataset = DatasetReference()
    person = PersonReference(source="user", help_text="The id is what to give a budget to.")
    granted_by = PersonReference()
    access_request = Reference(source="access_request_id", allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    revoke_reason = serializers.CharField()


class ReviewerItem(Item):
    """A reviewer whom the owner has added."""

    id = serializers.UUIDField()
    person = ContactReference(source="user")
    decides_access = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class NewReviewer(Body):
    """A new reviewer."""

    email = serializers.CharField(
        max_length=254, help_text="The address of somebody who has an account here."
    )
    decides_access = serializers.BooleanField(default=False, help_text="May also decide on access.")


def _requests(call: Call) -> QuerySet[models.AccessRequest]:
    known = models.AccessRequest.objects.visible_to(call.user)
    return known.select_related("dataset__owner", "scientist", "terms", "decided_by")


def _request(call: Call, pk: UUID) -> models.AccessRequest:
    return one(call, _requests(call), dataset="dataset", pk=pk)


class AccessRequests(Endpoint):
    """Requests for access to a dataset."""

    @lists(AccessItem)
    def get(self, call: Call, pk: UUID) -> QuerySet[models.AccessRequest]:
        """List your requests for access to a dataset, or, if you decide on access, everybody's."""
        return _requests(call).filter(dataset=visible(call, pk))

    @creates(AccessItem, body=NewAccess, scope="work", again=_request, at="api:access_request")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.AccessRequest:
        """Ask for access to a dataset, and accept its terms."""
        dataset = visible(call, pk)
        wanted = fields.get("terms")
        terms = dataset.terms_versions.filter(pk=wanted).first() if wanted else None
        return services.ask_access(
            dataset, by=call.user, purpose=fields["purpose"], outputs=fields["outputs"], terms=terms
        )


class AccessRequest(Endpoint):
    """A request for access."""

    @reads(AccessItem)
    def get(self, call: Call, pk: UUID) -> models.AccessRequest:
        """Read a request for access: your own, or one that you may decide on."""
        return _request(call, pk)


class DecideAccess(Endpoint):
    """The decision on a request for access."""

    @acts(AccessItem, body=AccessDecision, scope="publish", confirms="Decide on access to a dataset")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.AccessRequest:
        """Grant access, or decline it with a note."""
        services.decide_access(_request(call, pk), by=call.user, **fields)
        return _request(call, pk)


class WithdrawAccess(Endpoint):
    """Withdrawing one's own request for access."""

    @acts(AccessItem, scope="work")
    def post(self, call: Call, pk: UUID) -> models.AccessRequest:
        """Withdraw your request for access."""
        services.withdraw_access(_request(call, pk), by=call.user)
        return _request(call, pk)


def _grants(call: Call) -> QuerySet[models.Grant]:
    return models.Grant.objects.visible_to(call.user).select_related("dataset__owner", "user", "granted_by")


class Grants(Endpoint):
    """Who may use a dataset."""

    @lists(GrantItem)
    def get(self, call: Call, pk: UUID) -> QuerySet[models.Grant]:
        """List who has, or had, access to your dataset; of another dataset, your own access."""
        return _grants(call).filter(dataset=visible(call, pk))


class Grant(Endpoint):
    """Access of one person to a dataset."""

    @reads(GrantItem)
    def get(self, call: Call, pk: UUID) -> models.Grant:
        """Read about access: your own, or that of somebody to your dataset."""
        return one(call, _grants(call), dataset="dataset", pk=pk)

    @acts(None, body=WithReason, scope="publish", confirms="Revoke access to a dataset")
    def delete(self, call: Call, fields: dict[str, str], pk: UUID) -> None:
        """Revoke access, with a reason. The person's work in progress on the dataset is cancelled."""
        grant = one(call, _grants(call), dataset="dataset", pk=pk)
        services.revoke_access(grant, by=call.user, reason=fields["reason"])


def _reviewers(call: Call) -> QuerySet[models.DatasetReviewer]:
    own = models.Dataset.objects.owned_by(call.user).order_by().values("pk")
    return models.DatasetReviewer.objects.filter(dataset__in=own).select_related("dataset__owner", "user")


def _reviewer(call: Call, pk: UUID) -> models.DatasetReviewer:
    return one(call, _reviewers(call), dataset="dataset", pk=pk)


class Reviewers(Endpoint):
    """The reviewers of your dataset."""

    @lists(ReviewerItem, scope=None)
    def get(self, call: Call, pk: UUID) -> QuerySet[models.DatasetReviewer]:
        """List the reviewers whom you have added."""
        return _reviewers(call).filter(dataset=owned(call, pk))

    @creates(ReviewerItem, body=NewReviewer, scope=None, confirms="Add a reviewer", again=_reviewer)
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.DatasetReviewer:
        """Add a reviewer, who reads code, logs and held outputs of your dataset."""
        dataset, trusted = owned(call, pk), fields["decides_access"]
        person = services.person_with(fields["email"])
        return services.add_reviewer(dataset, by=call.user, user=person, decides_access=trusted)


class Reviewer(Endpoint):
    """A reviewer of your dataset."""

    @acts(None, scope=None, confirms="Remove a reviewer")
    def delete(self, call: Call, pk: UUID) -> None:
        """Remove a reviewer."""
        services.remove_reviewer(_reviewer(call, pk), by=call.user)
