"""The content of a dataset: tables, their columns, and uploads."""

from typing import ClassVar

import pgtrigger
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from accounts.models import User
from accounts.separation import not_for_overseers
from common.decimal_grid import MOST_DECIMALS
from common.models import BaseModel
from datasets.declarations.schema import ColumnSchema, TableSchema
from datasets.models.datasets import NAME, Dataset, Revision


def _sealed(name: str, where: str) -> pgtrigger.Trigger:
    """Return a trigger by which the database refuses to change what belongs to a published revision."""
    states = "('published', 'retired')"
    refuse = "RAISE EXCEPTION 'A published revision does not change.';"
    test = "IF EXISTS (SELECT 1 FROM {} AND r.state IN {}) THEN {} END IF;"
    old = test.format(where.format(row="OLD"), states, refuse)
    new = test.format(where.format(row="NEW"), states, refuse)
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
        """Tables of this person's own datasets; everybody else sees only a revision's schema."""
        own = Dataset.objects.owned_by(user).order_by().values("pk")
        return self.filter(revision__dataset__in=own).exclude(revision__state=Revision.State.DISCARDED)


class Table(BaseModel):
    """One private table of a revision. Only the owner may see its counts and sizes."""

    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="tables")
    name = models.CharField(max_length=63, validators=[NAME])
    description = models.CharField(max_length=1000, blank=True)
    source_name = models.CharField(max_length=255)
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
    # Only the owner may see these: what reading the file has shown, and how the declarations fit it.
    profile = models.JSONField(default=dict, blank=True)
    findings = models.JSONField(default=list, blank=True)
    misfits = models.JSONField(default=dict, blank=True)

    stored_upload: "Upload | None" = None
    """For pages: the upload that it was read from, if that can be read in another way."""

    objects: ClassVar[models.Manager["Table"]] = TableQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["revision", "name"], name="table_names_differ")]
        triggers = [_sealed("tables_are_sealed", "datasets_revision r WHERE r.id = {row}.revision_id")]

    def __str__(self) -> str:
        return f"{self.name} of {self.revision}"

    @property
    def subject(self) -> "Column | None":
        """The column that identifies the person a row is about."""
        return self.columns.filter(is_subject=True).first()

    @property
    def has_repeats(self) -> bool:
        """Whether a person may have several rows, as declared."""
        return self.about_people and self.rows_per_subject > 1

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


class Column(BaseModel):
    """The public declarations of one column. Nothing from private rows is in them unless the owner has seen it."""

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
    rows_per_value = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(10_000)]
    )
    decimals = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(MOST_DECIMALS)]
    )
    constant = models.BooleanField(default=False)
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
            models.CheckConstraint(
                condition=Q(decimals=None) | Q(type="number", decimals__lte=MOST_DECIMALS),
                name="numbers_alone_have_few_decimals",
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
            rows_per_value=self.rows_per_value,
            decimals=self.decimals,
            constant=self.constant,
            categories=tuple(self.categories),
        )


SUM = "sha256"
"""The option of an upload with the SHA-256 of the whole file, from its owner. It is forgotten once it was compared."""
READING = "reading"
"""The option of an upload with what its owner says about how to read it."""
BEFORE = "before"
"""The option of an upload with how its table was read before it is read again."""


class UploadQuerySet(models.QuerySet["Upload"]):
    def visible_to(self, user: User) -> "UploadQuerySet":
        """Uploads that this person began, on datasets that they still own."""
        own = Dataset.objects.owned_by(user).order_by().values("pk")
        return self.filter(user=user, revision__dataset__in=own)


class Upload(BaseModel):
    """A file that arrives in chunks. Its bytes are kept while its table is in a draft, so that it can be read again."""

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
    # How the file was read, with what was guessed: for the owner alone.
    found = models.JSONField(default=dict, blank=True)
    lease = models.UUIDField(null=True, blank=True)
    table = models.OneToOneField(Table, on_delete=models.SET_NULL, null=True, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager["Upload"]] = UploadQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        triggers = [not_for_overseers("user")]

    def __str__(self) -> str:
        return self.file_name
