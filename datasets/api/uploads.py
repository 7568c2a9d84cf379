"""Uploads to one's own datasets, by tus; their state as JSON besides."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from common.errors import Conflict
from common.rest.bodies import Item
from common.rest.endpoints import Endpoint, acts, creates, lists, reads, speaks
from common.rest.grants import Call, one
from common.rest.problems import Invalid
from common.rest.references import NumberedReference
from datasets import models, rules
from datasets.api import tus
from datasets.api.shared import owned
from datasets.services import uploads

ENDED = frozenset({models.Upload.State.DONE, models.Upload.State.FAILED})
BEGUN_WITH = {
    "Tus-Resumable": tus.SPOKEN,
    "Upload-Length": tus.BYTES,
    "Upload-Metadata": tus.METADATA,
}
SENT_WITH = {"Tus-Resumable": tus.SPOKEN, "Upload-Offset": tus.BYTES, "Upload-Checksum": tus.CHECKSUM}


class TableReference(Item):
    """A table, by its name in code."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class FoundColumnItem(Item):
    """How one column was read."""

    column = serializers.CharField(
        source="source", help_text="The name by which options call it: mostly that in the file."
    )
    name = serializers.CharField()
    type = serializers.CharField(help_text="The type that it is stored as.")
    format = serializers.CharField(help_text="The notation of its dates or times.")
    missing = serializers.ListField(
        child=serializers.CharField(), help_text="What means missing, if not as in the rest of the file."
    )
    leave_out = serializers.BooleanField()


class FoundItem(Item):
    """How a file was read. Only the owner sees it."""

    kind = serializers.CharField(help_text="csv, excel, json, stata, spss, sas, xport or parquet.")
    encoding = serializers.CharField(default="")
    delimiter = serializers.CharField(default="")
    quote = serializers.CharField(default="")
    skip = serializers.IntegerField()
    header = serializers.BooleanField(default=True)
    decimal = serializers.CharField(default="")
    thousands = serializers.CharField(default="")
    trim = serializers.BooleanField(default=False)
    missing = serializers.ListField(child=serializers.CharField())
    zone = serializers.CharField(default="")
    sheet = serializers.CharField(default="")
    sheets = serializers.ListField(child=serializers.CharField())
    labels = serializers.BooleanField(default=False)
    number_people = serializers.BooleanField()
    columns = FoundColumnItem(many=True)


class UploadItem(Item):
    """A file on its way in."""

    id = serializers.UUIDField()
    revision = NumberedReference()
    file_name = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes of the whole file.")
    offset = serializers.SerializerMethodField(help_text="Bytes that have arrived.")
    state = serializers.ChoiceField(models.Upload.State.choices)
    progress = serializers.CharField(help_text="How much of the file has been read.")
    error = serializers.CharField(help_text="Why the file could not be read.")
    can_retry = serializers.SerializerMethodField(help_text="Whether it can be read again, as `remedy` says.")
    remedy = serializers.SerializerMethodField(help_text="What a retry does differently.")
    can_reread = serializers.SerializerMethodField(help_text="Whether it can be read in another way.")
    reading = serializers.SerializerMethodField(help_text="How it was read, with what was guessed.")
    table = TableReference(allow_null=True, help_text="The table that it became.")
    created_at = serializers.DateTimeField()

    def get_offset(self, upload: models.Upload) -> int:
        return uploads.resume(upload)

    def get_can_retry(self, upload: models.Upload) -> bool:
        return upload.state == models.Upload.State.FAILED and bool(upload.remedy.keys() - {models.READING})

    def get_can_reread(self, upload: models.Upload) -> bool:
        return uploads.is_stored(upload) and upload.revision.state == models.Revision.State.DRAFT

    @extend_schema_field(FoundItem(allow_null=True))
    def get_reading(self, upload: models.Upload) -> Any:
        return FoundItem(upload.found).data if upload.found else None

    def get_remedy(self, upload: models.Upload) -> str:
        if columns := upload.remedy.get("text"):
            return f"Read as text: {', '.join(columns)}."
        if columns := upload.remedy.get("leave_out"):
            return f"Leave out: {', '.join(columns)}."
        return ""


def _mine(call: Call) -> QuerySet[models.Upload]:
    return models.Upload.objects.visible_to(call.user).select_related("revision__dataset__owner", "table")


def upload_of(call: Call, pk: UUID) -> models.Upload:
    return one(call, _mine(call), dataset="revision__dataset", pk=pk)


def _live(upload: models.Upload) -> str:
    return "" if upload.state in ENDED else f"upload:{upload.pk}"


def _standing(upload: models.Upload) -> dict[str, str]:
    metadata = {"filename": upload.file_name, models.SUM: upload.options.get(models.SUM, "")}
    return {
        "Upload-Offset": str(uploads.resume(upload)),
        "Upload-Length": str(upload.size),
        "Upload-Metadata": tus.encoded(metadata),
    }


class Uploads(tus.TusEndpoint):
    """The uploads to your dataset."""

    @lists(UploadItem, scope="publish")
    def get(self, call: Call, pk: UUID) -> QuerySet[models.Upload]:
        """List your uploads to a dataset, also those that have become tables."""
        return _mine(call).filter(revision__dataset=owned(call, pk))

    @creates(UploadItem, scope="publish", again=upload_of, at="api:upload", headers=BEGUN_WITH)
    def post(self, call: Call, pk: UUID) -> models.Upload:
        """Begin an upload to the draft revision. Upload-Metadata names the file, and can give the SHA-256 of it all.

        The keys are `filename` (or `name`) and `sha256` (64 hexadecimal digits). Send the file to the address in
        Location, in chunks.
        """
        metadata = tus.metadata_of(call)
        name, digest = metadata.get("filename") or metadata.get("name", ""), metadata.get("sha256", "")
        if digest and not tus.SHA256.fullmatch(digest.lower()):
            raise Invalid("The sha256 in Upload-Metadata must be 64 hexadecimal digits.")
        draft = owned(call, pk).draft
        if draft is None:
            raise Conflict(rules.NO_DRAFT)
        return uploads.begin(
            draft, by=call.user, file_name=name, size=tus.length_of(call), sha256=digest.lower()
        )


class Upload(tus.TusEndpoint):
    """An upload to your dataset."""

    @reads(UploadItem, scope="publish", live=_live)
    def get(self, call: Call, pk: UUID) -> models.Upload:
        """Read how far an upload is, and, if its file could not be read, why."""
        return self._stands(upload_of(call, pk))

    @speaks(takes=tus.CHUNK_TYPE, headers=SENT_WITH, scope="publish", rate="chunks")
    def patch(self, call: Call, pk: UUID) -> Response:
        """Append a chunk at Upload-Offset. After the last one, the portal begins to read the file."""
        upload, offset, chunk = self._stands(upload_of(call, pk)), tus.offset_of(call), tus.chunk_of(call)
        self._stands(uploads.receive(upload, by=call.user, offset=offset, chunk=chunk, waits=False))
        return Response(status=204)

    @acts(None, scope="publish")
    def delete(self, call: Call, pk: UUID) -> None:
        """Cancel an upload, or clear away a failed one. What has arrived is deleted."""
        uploads.cancel(upload_of(call, pk), by=call.user)

    def _stands(self, upload: models.Upload) -> models.Upload:
        self.standing = _standing(upload)
        return upload

    def handle_exception(self, exc: Exception) -> Any:
        """Say where to resume after a chunk that began elsewhere."""
        offset = getattr(exc, "offset", None)
        if offset is not None:
            self.standing = {**self.standing, "Upload-Offset": str(offset)}
        return super().handle_exception(exc)


class RetryUpload(Endpoint):
    """Reading a file again."""

    @acts(UploadItem, scope="publish")
    def post(self, call: Call, pk: UUID) -> models.Upload:
        """Read a file again, as the remedy of its failure says."""
        return uploads.retry(upload_of(call, pk), by=call.user)
