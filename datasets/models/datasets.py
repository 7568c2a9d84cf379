"""Datasets and people: what is published, under which policy, who reviews it and who may use it."""

from typing import ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Role, User
from accounts.separation import not_for_guests, not_for_overseers
from common.models import BaseModel
from datasets.declarations.schema import TableSchema, from_json

NAME = RegexValidator(
    r"^[a-z][a-z0-9_]{0,62}$",
    "Lower-case letters, digits and underscores, beginning with a letter (at most 63).",
)


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Filters by what a person may see or do."""

    def visible_to(self, user: User) -> "DatasetQuerySet":
        """Datasets that this person may see: own, reviewed, accessible and discoverable ones; for overseers all."""
        if user.oversees:
            return self.exclude(state=Dataset.State.DRAFT)
        return self.filter(
            Q(owner=user)
            | Q(pk__in=DatasetReviewer.objects.filter(user=user).values("dataset"))
            | (
                ~Q(state=Dataset.State.DRAFT)
                & (
                    Q(discoverable=True, state=Dataset.State.PUBLISHED)
                    | Q(pk__in=Grant.objects.filter(user=user).values("dataset"))
                    | Q(pk__in=AccessRequest.objects.filter(scientist=user).values("dataset"))
                )
            )
        )

    def owned_by(self, user: User) -> "DatasetQuerySet":
        """Datasets that this person owns and may act on; none without the role of an owner."""
        return self.filter(owner=user) if user.is_owner else self.none()

    def reviewed_by(self, user: User, *, decides_access: bool = False) -> "DatasetQuerySet":
        """Datasets that this person reviews (or whose access they decide on): as their owner, or as a reviewer."""
        if user.oversees:
            return self.none()
        reviewers = DatasetReviewer.objects.filter(user=user)
        if decides_access:
            reviewers = reviewers.filter(decides_access=True)
        own = Q(owner=user) if user.is_owner else Q(pk__in=[])
        return self.filter(own | Q(pk__in=reviewers.values("dataset")))


class Dataset(BaseModel):
    """A dataset that an owner publishes, with the policy under which it may be used."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"
        FROZEN = "frozen", "Frozen"
        RETIRED = "retired", "Retired"

    class Isolation(models.TextChoices):
        ORDINARY = "ordinary", "with mock runs by people who use this dataset"
        STRICT = "strict", "with anybody's mock runs"

    class EndStep(models.IntegerChoices):
        TEN_SECONDS = 10, "10 seconds"
        MINUTE = 60, "1 minute"
        FIVE_MINUTES = 300, "5 minutes"
        QUARTER = 900, "15 minutes"

    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    title = models.CharField(max_length=200)
    summary = models.CharField(max_length=400, blank=True)
    description = models.TextField(blank=True, max_length=20_000)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True, size=12)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="datasets")
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    state_reason = models.CharField(max_length=500, blank=True)
    frozen_by_admin = models.BooleanField(default=False)
    discoverable = models.BooleanField(default=True)

    # Policy: the rules of the review lane for this dataset.
    reviewers_needed = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(5)]
    )
    blinded = models.BooleanField(default=False)
    max_runs = models.PositiveSmallIntegerField(
        default=5, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )
    approval_days = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(1), MaxValueValidator(730)]
    )
    wall_seconds = models.PositiveIntegerField(
        default=3600, validators=[MinValueValidator(5), MaxValueValidator(86_400)]
    )
    memory_mb = models.PositiveIntegerField(
        default=4096, validators=[MinValueValidator(128), MaxValueValidator(65_536)]
    )
    threshold = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )
    run_isolation = models.CharField(max_length=10, choices=Isolation, default=Isolation.ORDINARY)
    end_step_seconds = models.PositiveSmallIntegerField(choices=EndStep, default=EndStep.TEN_SECONDS)

    held_downloads = models.BooleanField(default=False)

    objects: ClassVar[models.Manager["Dataset"]] = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["title"]
        triggers = [not_for_overseers("owner"), not_for_guests("owner")]

    def __str__(self) -> str:
        return self.title

    @property
    def current(self) -> "Revision | None":
        """The published revision, to which new requests are bound."""
        return self.revisions.filter(state="published").first()

    @property
    def draft(self) -> "Revision | None":
        """The revision that the owner is preparing."""
        return self.revisions.filter(state="draft").first()

    @property
    def last_published(self) -> "Revision | None":
        """The revision that was published last; it may be retired."""
        return self.revisions.exclude(schema={}).first()

    @property
    def terms(self) -> "Terms | None":
        return self.terms_versions.order_by("-number").first()

    def reviewing_people(self, *, decides_access: bool = False) -> "models.QuerySet[User]":
        """Who reviews (or decides on access) now: the owner and the reviewers, without those who now oversee."""
        reviewers = self.reviewers.filter(decides_access=True) if decides_access else self.reviewers.all()
        acting = Q(pk=self.owner_id, role_grants__role=Role.OWNER)
        return User.objects.free_for_duties().filter(acting | Q(pk__in=reviewers.values("user"))).distinct()


class DatasetReviewer(BaseModel):
    """A reviewer: somebody whom the owner lets review code and outputs of this dataset."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="reviewers")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="reviewing")
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    decides_access = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "user"], name="one_seat_per_reviewer")]
        triggers = [not_for_overseers("user"), not_for_guests("user")]

    def __str__(self) -> str:
        return f"{self.user} reviews {self.dataset}"


class Terms(BaseModel):
    """One immutable version of the terms of use."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="terms_versions")
    number = models.PositiveIntegerField()
    text = models.TextField(max_length=20_000)
    written_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="terms_are_numbered")]
        triggers = [
            pgtrigger.Protect(name="terms_do_not_change", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"Terms {self.number} of {self.dataset}"


class AccessRequestQuerySet(models.QuerySet["AccessRequest"]):
    def visible_to(self, user: User) -> "AccessRequestQuerySet":
        """This person's own requests, and those that they may decide on; none for overseers."""
        if user.oversees:
            return self.none()
        decides = Dataset.objects.reviewed_by(user, decides_access=True)
        return self.filter(Q(scientist=user) | Q(dataset__in=decides.order_by().values("pk")))

    def pending(self) -> "AccessRequestQuerySet":
        return self.filter(state=AccessRequest.State.PENDING)


class AccessRequest(BaseModel):
    """A scientist's request for access to a dataset, with the purpose and the intended outputs."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for a decision"
        GRANTED = "granted", "Granted"
        DENIED = "denied", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="access_requests")
    scientist = models.ForeignKey(User, on_delete=models.PROTECT, related_name="access_requests")
    purpose = models.TextField(max_length=4000)
    outputs = models.TextField(max_length=4000)
    terms = models.ForeignKey(Terms, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    terms_accepted_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_note = models.TextField(blank=True, max_length=4000)

    objects: ClassVar[models.Manager["AccessRequest"]] = AccessRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "scientist"],
                condition=Q(state="pending"),
                name="one_open_access_request",
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=models.F("scientist")),
                name="nobody_grants_themselves_access",
            ),
        ]
        triggers = [not_for_overseers("scientist"), not_for_overseers("decided_by")]

    def __str__(self) -> str:
        return f"{self.scientist} asks for {self.dataset}"


class GrantQuerySet(models.QuerySet["Grant"]):
    def live(self) -> "GrantQuerySet":
        """Grants that are neither revoked nor expired."""
        return self.filter(revoked_at=None).filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))

    def visible_to(self, user: User) -> "GrantQuerySet":
        """This person's own grants, and those on their datasets; all for admins, who may revoke them."""
        if user.oversees:
            return self if user.is_admin else self.none()
        return self.filter(
            Q(user=user) | Q(dataset__in=Dataset.objects.owned_by(user).order_by().values("pk"))
        )


class Grant(BaseModel):
    """Access of one scientist to one dataset: who granted it, on which request, and when it expires."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="grants")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="grants")
    access_request = models.OneToOneField(
        AccessRequest, on_delete=models.PROTECT, null=True, blank=True, related_name="grant"
    )
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    revoke_reason = models.CharField(max_length=500, blank=True)

    objects: ClassVar[models.Manager["Grant"]] = GrantQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "user"], condition=Q(revoked_at=None), name="one_live_grant"
            ),
            models.CheckConstraint(
                condition=Q(revoked_at=None, revoked_by=None)
                | Q(revoked_at__isnull=False, revoked_by__isnull=False),
                name="a_revoked_grant_names_its_revoker",
            ),
        ]
        triggers = [not_for_overseers("user")]

    def __str__(self) -> str:
        return f"{self.user} may use {self.dataset}"


REVISION_IS_IMMUTABLE = """
    IF (NEW.dataset_id, NEW.number, NEW.made_by_id, NEW.published_at, NEW.sha256, NEW.schema)
       IS DISTINCT FROM
       (OLD.dataset_id, OLD.number, OLD.made_by_id, OLD.published_at, OLD.sha256, OLD.schema)
       OR (NEW.state <> OLD.state AND NOT (OLD.state = 'published' AND NEW.state = 'retired')) THEN
        RAISE EXCEPTION 'A published revision does not change.';
    END IF;
    RETURN NEW;
"""


class RevisionQuerySet(models.QuerySet["Revision"]):
    def visible_to(self, user: User) -> "RevisionQuerySet":
        """Revisions of this person's own datasets; others see a revision on its dataset's page."""
        return self.filter(dataset__in=Dataset.objects.owned_by(user).order_by().values("pk"))


class Revision(BaseModel):
    """One version of a dataset's content. Once it is published, its tables never change."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"
        RETIRED = "retired", "Retired"
        DISCARDED = "discarded", "Discarded"

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    note = models.CharField(max_length=500, blank=True)
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    published_at = models.DateTimeField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    schema = models.JSONField(default=dict, blank=True)

    objects: ClassVar[models.Manager["Revision"]] = RevisionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="revisions_are_numbered"),
            models.UniqueConstraint(
                fields=["dataset"], condition=Q(state="draft"), name="one_draft_revision_at_a_time"
            ),
            models.UniqueConstraint(
                fields=["dataset"], condition=Q(state="published"), name="one_published_revision"
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="published_revisions_do_not_change",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=~pgtrigger.Q(old__state="draft"),
                func=REVISION_IS_IMMUTABLE,
            ),
            pgtrigger.Protect(name="revisions_stay", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.dataset}, revision {self.number}"

    @property
    def tables_declared(self) -> tuple[TableSchema, ...]:
        """The public schema as it was published."""
        return from_json(self.schema)
