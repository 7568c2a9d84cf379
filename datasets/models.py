"""Datasets: what is published, its immutable revisions, and who may know of it."""

from typing import ClassVar

import pgtrigger
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from common.models import Thing
from datasets.schema import ColumnSchema, TableSchema, from_json

NAME = RegexValidator(
    r"^[a-z][a-z0-9_]{0,62}$", "Small letters, digits and underscores, beginning with a letter (at most 63)."
)


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Who may know that a dataset exists."""

    def visible_to(self, user: User) -> "DatasetQuerySet":
        """Datasets this person may know of: owned, reviewed, granted, discoverable ones; all for overseers."""
        if user.is_admin or user.is_auditor:
            return self.exclude(Q(state=Dataset.State.DRAFT) & ~Q(owner=user))
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

    def granted_to(self, user: User) -> "DatasetQuerySet":
        """Datasets this person holds a live grant on."""
        return self.filter(pk__in=Grant.objects.live().filter(user=user).values("dataset"))


class Dataset(Thing):
    """One thing an owner publishes, with the rules under which it may be used."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"
        FROZEN = "frozen", "Frozen"
        RETIRED = "retired", "Retired"

    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    title = models.CharField(max_length=200)
    summary = models.CharField(max_length=400, blank=True)
    description = models.TextField(blank=True, max_length=20_000)
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

    objects: ClassVar[models.Manager["Dataset"]] = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title

    @property
    def current(self) -> "Revision | None":
        """The revision that new requests are bound to."""
        return self.revisions.filter(state=Revision.State.PUBLISHED).first()

    @property
    def draft(self) -> "Revision | None":
        """The revision that the owner is preparing."""
        return self.revisions.filter(state=Revision.State.DRAFT).first()

    @property
    def terms(self) -> "Terms | None":
        return self.terms_versions.order_by("-number").first()


class DatasetReviewer(Thing):
    """Somebody the owner lets review code and outputs of this dataset."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="reviewers")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="reviewing")
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    decides_access = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "user"], name="one_seat_per_reviewer")]

    def __str__(self) -> str:
        return f"{self.user} reviews {self.dataset}"


class Terms(Thing):
    """One version of the terms of use, never changed after it was written."""

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


REVISION_STANDS = """
    IF (NEW.dataset_id, NEW.number, NEW.made_by_id, NEW.published_at, NEW.sha256, NEW.schema)
       IS DISTINCT FROM
       (OLD.dataset_id, OLD.number, OLD.made_by_id, OLD.published_at, OLD.sha256, OLD.schema)
       OR (NEW.state <> OLD.state AND NOT (OLD.state = 'published' AND NEW.state = 'retired')) THEN
        RAISE EXCEPTION 'A published revision does not change.';
    END IF;
    RETURN NEW;
"""


class Revision(Thing):
    """One state of a dataset's content. Once published its tables never change."""

    class State(models.TextChoices):
        DRAFT = "draft", "Being prepared"
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
                func=REVISION_STANDS,
            ),
            pgtrigger.Protect(name="revisions_stay", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.dataset}, revision {self.number}"

    @property
    def tables_declared(self) -> tuple[TableSchema, ...]:
        """The public schema as it was published."""
        return from_json(self.schema)


def _sealed(name: str, where: str) -> pgtrigger.Trigger:
    """The database itself refuses to touch what belongs to a revision that was published."""
    states = "('published', 'retired')"
    told = "RAISE EXCEPTION 'A published revision does not change.';"
    test = "IF EXISTS (SELECT 1 FROM {} AND r.state IN {}) THEN {} END IF;"
    old = test.format(where.format(row="OLD"), states, told)
    new = test.format(where.format(row="NEW"), states, told)
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
        func=f"""
            IF TG_OP <> 'INSERT' THEN {old} END IF;
            IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
            {new}
            RETURN NEW;
        """,
    )


class TableQuerySet(models.QuerySet["Table"]):
    def visible_to(self, user: User) -> "TableQuerySet":
        """Private tables exist for the dataset's owner alone; everybody else reads a revision's schema."""
        return self.filter(revision__dataset__owner=user).exclude(revision__state=Revision.State.DISCARDED)


class Table(Thing):
    """One private table of a revision. Counts and sizes are for the owner's eyes only."""

    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="tables")
    name = models.CharField(max_length=63, validators=[NAME])
    description = models.CharField(max_length=1000, blank=True)
    source_name = models.CharField(max_length=255)
    source_sha256 = models.CharField(max_length=64)
    source_bytes = models.BigIntegerField()
    stored_name = models.CharField(max_length=100, unique=True)
    stored_sha256 = models.CharField(max_length=64)
    stored_bytes = models.BigIntegerField()
    rows = models.BigIntegerField()
    mock_rows = models.PositiveIntegerField(
        default=400, validators=[MinValueValidator(10), MaxValueValidator(100_000)]
    )
    rows_per_subject = models.PositiveIntegerField(
        default=4, validators=[MinValueValidator(1), MaxValueValidator(10_000)]
    )
    about_people = models.BooleanField(default=True)
    # For the owner's eyes only: what reading the file has shown, and how the declarations fit it.
    profile = models.JSONField(default=dict, blank=True)
    findings = models.JSONField(default=list, blank=True)
    misfits = models.JSONField(default=dict, blank=True)

    objects: ClassVar[models.Manager["Table"]] = TableQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["revision", "name"], name="table_names_differ")]
        triggers = [_sealed("tables_are_sealed", "datasets_revision r WHERE r.id = {row}.revision_id")]

    def __str__(self) -> str:
        return f"{self.name} of {self.revision}"

    @property
    def subject(self) -> "Column | None":
        """The column that says whom a row is about."""
        return self.columns.filter(is_subject=True).first()

    @property
    def declared(self) -> TableSchema:
        """This table's declarations as plain data."""
        return TableSchema(
            name=self.name,
            description=self.description,
            columns=tuple(column.declared for column in self.columns.all()),
            mock_rows=self.mock_rows,
            rows_per_subject=self.rows_per_subject,
            about_people=self.about_people,
        )


class Column(Thing):
    """What is declared in public about one column. Nothing here is read off private rows unseen by the owner."""

    class Type(models.TextChoices):
        INTEGER = "integer", "Whole number"
        NUMBER = "number", "Number"
        CATEGORY = "category", "Category"
        BOOLEAN = "boolean", "Yes or no"
        DATE = "date", "Date"
        DATETIME = "datetime", "Date and time"
        TEXT = "text", "Text"

    class Stored(models.TextChoices):
        INT64 = "int64", "whole numbers"
        DOUBLE = "double", "numbers"
        STRING = "string", "text"
        BOOL = "bool", "true or false"
        DATE32 = "date32", "dates"
        TIMESTAMP = "timestamp", "dates with time"

    table = models.ForeignKey(Table, on_delete=models.PROTECT, related_name="columns")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=128)
    type = models.CharField(max_length=10, choices=Type)
    stored = models.CharField(max_length=10, choices=Stored)
    description = models.CharField(max_length=500, blank=True)
    unit = models.CharField(max_length=40, blank=True)
    is_subject = models.BooleanField(default=False)
    nullable = models.BooleanField(default=True)
    lower = models.FloatField(null=True, blank=True)
    upper = models.FloatField(null=True, blank=True)
    categories = models.JSONField(default=list, blank=True)
    confirmed = models.BooleanField(default=False)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["table", "name"], name="column_names_differ"),
            models.UniqueConstraint(
                fields=["table"], condition=Q(is_subject=True), name="one_subject_column"
            ),
            models.CheckConstraint(
                condition=Q(lower=None) | Q(upper=None) | Q(lower__lte=models.F("upper")),
                name="bounds_are_in_order",
            ),
        ]
        triggers = [
            _sealed(
                "columns_are_sealed",
                "datasets_revision r JOIN datasets_table t ON t.revision_id = r.id "
                "WHERE t.id = {row}.table_id",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def declared(self) -> ColumnSchema:
        """This column's declarations as plain data."""
        return ColumnSchema(
            name=self.name,
            type=self.type,
            stored=self.stored,
            description=self.description,
            unit=self.unit,
            is_subject=self.is_subject,
            nullable=self.nullable,
            lower=self.lower,
            upper=self.upper,
            categories=tuple(self.categories),
        )


class UploadQuerySet(models.QuerySet["Upload"]):
    def visible_to(self, user: User) -> "UploadQuerySet":
        """An upload exists for the owner who began it."""
        return self.filter(user=user, revision__dataset__owner=user)


class Upload(Thing):
    """A file on its way in, chunk by chunk. Gone when it has become a table or was given up."""

    class State(models.TextChoices):
        RECEIVING = "receiving", "Receiving"
        READING = "reading", "Reading"
        DONE = "done", "Read"
        FAILED = "failed", "Not readable"

    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="uploads")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=255)
    size = models.BigIntegerField()
    offset = models.BigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State, default=State.RECEIVING)
    progress = models.CharField(max_length=200, blank=True)
    error = models.TextField(blank=True, max_length=4000)
    remedy = models.JSONField(default=dict, blank=True)
    options = models.JSONField(default=dict, blank=True)
    lease = models.UUIDField(null=True, blank=True)
    table = models.OneToOneField(Table, on_delete=models.SET_NULL, null=True, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager["Upload"]] = UploadQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.file_name


class AccessRequestQuerySet(models.QuerySet["AccessRequest"]):
    def visible_to(self, user: User) -> "AccessRequestQuerySet":
        """One's own, and those one may decide on."""
        trusted = DatasetReviewer.objects.filter(user=user, decides_access=True).values("dataset")
        return self.filter(Q(scientist=user) | Q(dataset__owner=user) | Q(dataset__in=trusted))

    def pending(self) -> "AccessRequestQuerySet":
        return self.filter(state=AccessRequest.State.PENDING)


class AccessRequest(Thing):
    """A scientist asks to use a dataset: for what, and what is to come out."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for a decision"
        GRANTED = "granted", "Granted"
        DENIED = "denied", "Denied"
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

    def __str__(self) -> str:
        return f"{self.scientist} asks for {self.dataset}"


class GrantQuerySet(models.QuerySet["Grant"]):
    def live(self) -> "GrantQuerySet":
        """Grants neither revoked nor run out."""
        return self.filter(revoked_at=None).filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))

    def visible_to(self, user: User) -> "GrantQuerySet":
        """One's own, those on one's datasets; all for admins, who may take them away."""
        return self if user.is_admin else self.filter(Q(user=user) | Q(dataset__owner=user))


class Grant(Thing):
    """Leave to use a dataset, given by whom, why and until when."""

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

    def __str__(self) -> str:
        return f"{self.user} may use {self.dataset}"
