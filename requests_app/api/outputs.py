"""Files that a run wrote: held until somebody has checked them, then released or not."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpResponseBase
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common import heavy_views
from common.http import as_download
from common.rest.bodies import Body, Item, Parameters
from common.rest.endpoints import Endpoint, acts, creates, lists, parameters_of, reads, sends
from common.rest.grants import Call, one
from common.rest.references import ContactReference
from requests_app import models, queries, rules
from requests_app.api.parts import (
    READERS,
    RunReference,
    reads_private,
    require_downloader,
    require_reader,
)
from requests_app.api.runs import run_of
from requests_app.outputs import viewed
from requests_app.services import outputs, releases
from runner.gates.previews import Place

LARGEST_PLACE = 999_999_999


class CheckItem(Item):
    """An automatic check of a file."""

    name = serializers.CharField()
    ok = serializers.BooleanField()
    value = serializers.JSONField(allow_null=True)
    threshold = serializers.JSONField(allow_null=True)
    text = serializers.CharField()


class OutputLine(Item):
    """A file that a run wrote, and that you may open."""

    id = serializers.UUIDField()
    run = RunReference()
    name = serializers.CharField()
    type = serializers.CharField()
    bytes = serializers.IntegerField()
    bytes_gone_at = serializers.DateTimeField(allow_null=True, help_text="When its content was deleted.")


class OutputCheck(Item):
    """What the owner and the reviewers see of a file: verdict, automatic checks, and what they have viewed."""

    verdict = serializers.ChoiceField(models.Output.Verdict.choices)
    comment = serializers.CharField()
    added_by = ContactReference(allow_null=True, help_text="Who added it, if the run did not write it.")
    checks = CheckItem(many=True)
    shown = serializers.ListField(child=serializers.CharField())
    not_shown = serializers.ListField(child=serializers.CharField())


class OutputItem(OutputLine):
    """A file that a run wrote. `check` is null for the author of a run on private data."""

    check = serializers.SerializerMethodField()

    @extend_schema_field(OutputCheck(allow_null=True))
    def get_check(self, output: models.Output) -> dict[str, object] | None:
        known = self.context.get("reads_private")
        if not (reads_private(self.context["call"], output.run) if known is None else known):
            return None
        seen = viewed.seen(output)
        parts = {name: getattr(output, name) for name in ("verdict", "comment", "added_by", "checks")}
        return OutputCheck({**parts, "shown": seen.shown, "not_shown": seen.not_shown}).data


def readable_in(call: Call, run: models.Run) -> "QuerySet[models.Output]":
    """Return the files of a run that this call may open: all, the released ones, or none."""
    if reads_private(call, run):
        return run.outputs.all()
    release = getattr(run, "release", None)
    if release is None or rules.may_download_release(call.user, release) is not None:
        return run.outputs.none()
    return run.outputs.filter(verdict=models.Output.Verdict.RELEASE)


def output_of(call: Call, pk: UUID) -> models.Output:
    """Return a file that this call may open; for everybody else it does not exist."""
    output = one(call, queries.outputs_of_runs(call.user), dataset="run__request__dataset", pk=pk)
    if rules.may_open_output(call.user, output) is not None:
        raise Http404
    if rules.is_let_out(call.user, output) is not None:
        require_reader(call, output.run)
    return output


class RunOutputs(Endpoint):
    """The files of a run."""

    @lists(OutputLine)
    def get(self, call: Call, pk: UUID) -> "QuerySet[models.Output]":
        """List the files that you may open: those of a mock run, released ones, and as a reviewer held ones."""
        return readable_in(call, run_of(call, pk))


class NewExcerpt(Body):
    """A part of a private log, without whatever reveals something about the data."""

    text = serializers.CharField(max_length=releases.LOG_LIMIT, trim_whitespace=False)


class RunLogExcerpt(Endpoint):
    """An excerpt of a private log."""

    @creates(OutputItem, body=NewExcerpt, scope="review", again=output_of, at="api:output")
    def post(self, call: Call, body: dict[str, Any], pk: UUID) -> models.Output:
        """Add an edited part of the log to the run's outputs, to be decided on like any other file."""
        return releases.add_log_excerpt(run_of(call, pk), by=call.user, text=body["text"])


class Output(Endpoint):
    """One file."""

    @reads(OutputItem)
    def get(self, call: Call, pk: UUID) -> models.Output:
        """Read what is known about a file."""
        return output_of(call, pk)


class OutputFile(Endpoint):
    """The content of a file."""

    @sends("application/octet-stream", scope=READERS)
    def get(self, call: Call, pk: UUID) -> HttpResponseBase:
        """Download a file: a mock run's, a released one, or a held one if the dataset's policy allows it."""
        output = output_of(call, pk)
        require_downloader(call, output)
        return as_download(outputs.open_file(output, by=call.user), name=output.name)


def _number(default: int | None, says: str, *, least: int = 0) -> serializers.IntegerField:
    return serializers.IntegerField(default=default, min_value=least, max_value=LARGEST_PLACE, help_text=says)


class PreviewPlace(Parameters):
    """The part of a file to show."""

    rows = _number(1, "Of a table: the page of rows, from 1.", least=1)
    columns = _number(1, "Of a table: the page of columns, from 1.", least=1)
    part = _number(0, "Of a text, or of a picture in full size: the part, from 1; 0 is the whole picture.")
    row = _number(None, "Of one cell, to be shown in full: its row, from 1; 0 has the names of the columns.")
    column = _number(1, "Of one cell: its column, from 1.", least=1)
    contrast = serializers.BooleanField(
        default=False, help_text="Of a picture: amplify the smallest differences between colours."
    )


class PreviewItem(Item):
    """A part of a file as plain values. What `content` has depends on `kind`."""

    kind = serializers.ChoiceField(["table", "cell", "json", "text", "image", "none"])
    content = serializers.DictField(child=serializers.JSONField(allow_null=True))


class OutputPreview(Endpoint):
    """A safe view of a file."""

    @reads(PreviewItem, scope=READERS, parameters=PreviewPlace)
    def get(self, call: Call, pk: UUID) -> dict[str, Any]:
        """Look at a part of a file, decoded in the sandbox. Which part of a held file you have seen is recorded."""
        output = output_of(call, pk)
        require_downloader(call, output)
        asked = parameters_of(call, PreviewPlace)
        row, column = asked.pop("row"), asked.pop("column")
        place = Place(**asked, cell=None if row is None else (row, column))
        with heavy_views.turn(heavy_views.SANDBOXED, call):
            content = dict(outputs.look(output, by=call.user, place=place).model)
        return {"kind": content.pop("kind"), "content": content}


class FileVerdict(Body):
    """A verdict on one file."""

    verdict = serializers.ChoiceField(
        [models.Output.Verdict.RELEASE.value, models.Output.Verdict.WITHHOLD.value]
    )
    comment = serializers.CharField(max_length=2000, allow_blank=True, default="")


class OutputVerdict(Endpoint):
    """The verdict on a file."""

    @acts(OutputItem, body=FileVerdict, scope="review")
    def post(self, call: Call, body: dict[str, Any], pk: UUID) -> models.Output:
        """Mark a held file as to be released or withheld. Nothing is released before the decision on all of them."""
        return releases.set_verdict(output_of(call, pk), by=call.user, **body)
