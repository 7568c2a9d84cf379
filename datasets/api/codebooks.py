"""Codebooks: declaring the columns of one's own table by one, and downloading what is declared."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.utils.decorators import method_decorator
from rest_framework import serializers

from common.heavy_views import computing
from common.http import as_csv
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, sends
from common.rest.grants import Call
from datasets.api.shared import visible
from datasets.api.tables import own_table
from datasets.codebooks.entries import MOST_BYTES
from datasets.services import codebooks, inspection

ESCAPED = 2
"""How much longer a codebook may be as JSON, with its line ends and quotes escaped."""


class ChangeItem(Item):
    """One declaration, in words."""

    what = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()


class ColumnDraftItem(Item):
    """What a codebook changes in the declarations of one column."""

    name = serializers.CharField()
    line = serializers.IntegerField(help_text="Where it begins in the codebook; 0 if that is not known.")
    changes = ChangeItem(many=True)
    remarks = serializers.ListField(child=serializers.CharField(), help_text="What was not taken, and why.")


class CodebookDraftItem(Item):
    """What a codebook changes in the declarations of a table, and what was not taken of it."""

    format = serializers.CharField(help_text="What the text was read as.")
    columns = ColumnDraftItem(many=True)
    unknown = serializers.ListField(child=serializers.CharField(), help_text="Names that are no columns.")
    absent = serializers.ListField(
        child=serializers.CharField(), help_text="Columns that the codebook does not name."
    )
    notes = serializers.ListField(child=serializers.CharField(), help_text="What else was not taken.")
    confirmable = serializers.ListField(
        child=serializers.CharField(), help_text="Columns of which the codebook states everything."
    )


class GivenCodebook(Body):
    """A codebook, as text."""

    text = serializers.CharField(
        max_length=MOST_BYTES,
        trim_whitespace=False,
        help_text="CSV, a REDCap data dictionary, a Table Schema (JSON) or a DDI Codebook (XML).",
    )
    take = serializers.BooleanField(
        default=False, help_text="Declare it. Otherwise the answer only says what would change."
    )
    public = serializers.BooleanField(
        default=False,
        help_text="With `take`: you know these values from elsewhere than the data, and they may be public. This "
        "confirms the columns of which the codebook states everything.",
    )


class TableCodebook(Endpoint):
    """The codebook of your table."""

    body_limit = ESCAPED * MOST_BYTES

    @method_decorator(computing)
    @acts(CodebookDraftItem, body=GivenCodebook, scope="publish")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> codebooks.Draft:
        """Say what a codebook would change in the declarations of a draft's table or, with `take`, change it."""
        table = own_table(call, pk)
        if not fields["take"]:
            return codebooks.look(table, fields["text"], by=call.user)
        draft = codebooks.take(table, fields["text"], by=call.user, public=fields["public"])
        inspection.try_fit(table, by=call.user)
        return draft


class TableCodebookCsv(Endpoint):
    """What is declared of your table, as a codebook."""

    @sends("text/csv", scope="publish")
    def get(self, call: Call, pk: UUID) -> HttpResponse:
        """Download the declarations of your table as a codebook. Sending it back changes nothing."""
        table = own_table(call, pk)
        file = codebooks.as_file(table.revision.dataset, table.declared)
        return as_csv(file.content, name=file.name)


class PublishedCodebook(Endpoint):
    """What is declared of a published table, as a codebook."""

    @sends("text/csv")
    def get(self, call: Call, pk: UUID, table: str) -> HttpResponse:
        """Download the public declarations of a table as a codebook."""
        dataset = visible(call, pk)
        found = codebooks.published(dataset, table)
        if found is None:
            raise Http404
        file = codebooks.as_file(dataset, found)
        return as_csv(file.content, name=file.name)
