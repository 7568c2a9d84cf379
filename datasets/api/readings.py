"""How files are read: what the portal has found out about one, and reading it in another way."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from common.rest.bodies import Body
from common.rest.endpoints import Endpoint, acts
from common.rest.grants import Call
from datasets import models
from datasets.api.uploads import UploadItem, upload_of
from datasets.reading.formats import FORMATS
from datasets.reading.options import (
    DECIMALS,
    DELIMITERS,
    ENCODINGS,
    MOST_MISSING,
    MOST_SKIPPED,
    QUOTES,
    THOUSANDS,
    TYPES,
)
from datasets.services import uploads


class Missing(serializers.ListField):
    """Texts that mean missing."""

    def __init__(self, **kwargs: Any) -> None:
        child = serializers.CharField(max_length=128, allow_blank=True)
        super().__init__(child=child, max_length=MOST_MISSING, required=False, **kwargs)


class ColumnReading(Body):
    """How one column is read. What is left out is guessed."""

    name = serializers.CharField(max_length=128, required=False, help_text="Another name than in the file.")
    leave_out = serializers.BooleanField(required=False)
    type = serializers.ChoiceField(list(TYPES), required=False, help_text="The type that it is stored as.")
    missing = Missing(help_text="What means missing in this column.")
    format = serializers.ChoiceField(
        list(FORMATS), required=False, help_text="The notation of its dates or times."
    )


class Reading(Body):
    """How a file is read. What is left out is guessed."""

    encoding = serializers.ChoiceField(list(ENCODINGS), required=False)
    delimiter = serializers.ChoiceField(list(DELIMITERS), required=False)
    quote = serializers.ChoiceField(list(QUOTES), required=False, allow_blank=True)
    skip = serializers.IntegerField(
        min_value=0, max_value=MOST_SKIPPED, required=False, help_text="Lines to leave out at the top."
    )
    header = serializers.BooleanField(
        required=False, help_text="The first line has the names of the columns."
    )
    decimal = serializers.ChoiceField(list(DECIMALS), required=False, help_text="The decimal mark.")
    thousands = serializers.ChoiceField(list(THOUSANDS), required=False, allow_blank=True)
    trim = serializers.BooleanField(required=False, help_text="Remove blanks around texts.")
    missing = Missing(help_text="What means missing. Cells without text always do.")
    zone = serializers.CharField(
        max_length=64, required=False, help_text="The time zone of times that do not name it."
    )
    sheet = serializers.CharField(max_length=128, required=False, help_text="The sheet of a workbook.")
    labels = serializers.BooleanField(required=False, help_text="Of Stata and SPSS: labels instead of codes.")
    number_people = serializers.BooleanField(
        required=False, help_text="Each row is another person. The portal numbers them."
    )
    columns = serializers.DictField(
        child=ColumnReading(),
        required=False,
        help_text="The columns, by the names in `reading` of the upload.",
    )


class ReadUploadAgain(Endpoint):
    """Reading a file in another way."""

    @acts(UploadItem, body=Reading, scope="publish")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Upload:
        """Read a stored file in another way. Its table keeps its declarations, and stays until the file was read."""
        return uploads.reread(upload_of(call, pk), by=call.user, reading=fields)
