"""Tables of one's own datasets: what reading has found, what is declared, and how well that fits."""

from typing import Any
from uuid import UUID

from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.heavy_views import computing
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, changes, creates, reads
from common.rest.grants import Call, one
from common.rest.references import NumberedReference
from datasets import models, services
from datasets.api import declared
from datasets.api.catalogue import DeclaredColumnItem
from datasets.ingest import guesses
from datasets.services import inspection, uploads


class HeldItem(Item):
    """What the private data of a column holds. Only the owner may see it."""

    lowest = serializers.FloatField(
        allow_null=True, default=None, help_text="Of dates: days since 1970; of times: seconds."
    )
    highest = serializers.FloatField(
        allow_null=True, default=None, help_text="Of dates: days since 1970; of times: seconds."
    )
    distinct = serializers.IntegerField(
        default=0, help_text="Different values; an estimate if there are many."
    )
    values = serializers.SerializerMethodField(help_text="All different values, if there are few.")
    empty = serializers.IntegerField(default=0, help_text="Empty cells.")

    def get_values(self, held: dict[str, Any]) -> list[str | int]:
        return list(held.get("values", []))


class MisfitItem(Item):
    """Cells of a column that its declarations do not cover, and people with more rows per value than declared."""

    outside = serializers.IntegerField(default=0, help_text="Cells outside the bounds or categories.")
    empty = serializers.IntegerField(default=0, help_text="Empty cells, although there may be none.")
    rounded = serializers.IntegerField(default=0, help_text="Cells with more decimals than declared.")
    varying = serializers.IntegerField(
        default=0, help_text="People with several values, although it is declared to be constant."
    )
    people = serializers.IntegerField(default=0, help_text="People with more rows per value than declared.")
    most = serializers.IntegerField(
        allow_null=True, default=None, help_text="The most rows per value that somebody has."
    )


class PrivateColumnItem(DeclaredColumnItem):
    """A column, for the owner: its declarations, what it holds, and how well they fit."""

    confirmed = serializers.BooleanField(help_text="You have confirmed that the declarations may be public.")
    may_be_person = serializers.SerializerMethodField(help_text="Judging by its name, it identifies people.")
    held = serializers.SerializerMethodField(help_text="What the file holds. Only you see this.")
    misfits = serializers.SerializerMethodField(help_text="How many cells do not fit. Only you see this.")

    def get_may_be_person(self, column: models.Column) -> bool:
        return guesses.may_be_subject(column.name)

    @extend_schema_field(HeldItem)
    def get_held(self, column: models.Column) -> Any:
        return HeldItem(column.table.profile.get(column.name, {})).data

    @extend_schema_field(MisfitItem)
    def get_misfits(self, column: models.Column) -> Any:
        found = column.table.misfits
        per_value = {each["column"]: each for each in found.get("per_value", [])}.get(column.name, {})
        people = {"people": per_value["over"], "most": per_value["most"]} if per_value else {}
        return MisfitItem({**found.get("columns", {}).get(column.name, {}), **people}).data


class RowsPerPersonItem(Item):
    """How many people have more rows than declared. Only the owner may see it."""

    all = serializers.IntegerField()
    over = serializers.IntegerField(help_text="People with more rows than declared.")
    most = serializers.IntegerField(help_text="The most rows of one person.")
    nobody = serializers.IntegerField(default=0, help_text="Rows without a person. Answers leave them out.")
    declared = serializers.IntegerField()


class PrivateTableItem(Item):
    """A private table, for the owner of its dataset."""

    id = serializers.UUIDField()
    revision = NumberedReference()
    name = serializers.CharField(help_text="The name in code.")
    description = serializers.CharField()
    source_name = serializers.CharField(help_text="The name of the uploaded file.")
    source_bytes = serializers.IntegerField()
    rows = serializers.IntegerField()
    mock_rows = serializers.IntegerField(help_text="Rows of the mock data.")
    rows_per_person = serializers.IntegerField(
        source="rows_per_subject", help_text="A person's rows, at most."
    )
    about_people = serializers.BooleanField()
    findings = serializers.ListField(child=serializers.CharField(), help_text="Remarks about the file.")
    fit_is_checked = serializers.SerializerMethodField(
        help_text="Whether the counts of misfits are up to date."
    )
    people = serializers.SerializerMethodField(help_text="People with more rows than declared, once checked.")
    columns = serializers.SerializerMethodField()

    def get_fit_is_checked(self, table: models.Table) -> bool:
        return bool(table.misfits.get("checked"))

    @extend_schema_field(RowsPerPersonItem(allow_null=True))
    def get_people(self, table: models.Table) -> Any:
        people = table.misfits.get("people")
        return RowsPerPersonItem(people).data if people else None

    @extend_schema_field(PrivateColumnItem(many=True))
    def get_columns(self, table: models.Table) -> Any:
        columns = list(table.columns.all())
        for column in columns:
            column.table = table
        return PrivateColumnItem(columns, many=True).data


class Declarations(Body):
    """What is declared of a table. What is left out stays as it is."""

    name = serializers.CharField(max_length=63)
    description = serializers.CharField(max_length=1000, allow_blank=True)
    subject = serializers.CharField(
        max_length=128,
        allow_null=True,
        help_text="The column that identifies the person a row is about; null if the rows are not about people.",
    )
    mock_rows = serializers.IntegerField()
    rows_per_person = serializers.IntegerField(source="rows_per_subject")
    columns = serializers.DictField(
        child=declared.ColumnChange(), help_text="The columns to change, by name. Each gives what changes."
    )


def own_table(call: Call, pk: UUID) -> models.Table:
    """Return a table of one's own datasets that the token reaches. Raises Http404."""
    own = models.Table.objects.visible_to(call.user).select_related("revision__dataset__owner")
    return one(call, own, dataset="revision__dataset", pk=pk)


class Table(Endpoint):
    """A table of your dataset."""

    @reads(PrivateTableItem, scope="publish")
    def get(self, call: Call, pk: UUID) -> models.Table:
        """Read a table: its declarations, what its file holds, and how many cells do not fit."""
        return own_table(call, pk)

    @method_decorator(computing)
    @changes(body=Declarations, scope="publish", durable=True)
    def patch(self, call: Call, fields: dict[str, Any], pk: UUID) -> None:
        """Declare what is public about a table of a draft. The portal then counts which cells do not fit."""
        table = own_table(call, pk)
        services.declare(table, by=call.user, **declared.arguments(table, fields))
        inspection.try_fit(table, by=call.user)

    @acts(None, scope="publish")
    def delete(self, call: Call, pk: UUID) -> None:
        """Remove a table from a draft revision. Its file is deleted."""
        uploads.remove_table(own_table(call, pk), by=call.user)


class KeepTable(Endpoint):
    """Keeping a table of the last published revision."""

    @creates(PrivateTableItem, scope="publish", again=own_table, at="api:table")
    def post(self, call: Call, pk: UUID) -> models.Table:
        """Carry a table of the last published revision over into the draft, with its declarations."""
        return uploads.keep_table(own_table(call, pk), by=call.user)
