"""The page on which an owner sees how a file was read, and has it read in another way without sending it again."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from common.errors import Refused
from common.heavy_views import computing
from common.http import UserRequest, found
from common.pages import paginated
from datasets.ingest.reader import Look
from datasets.models import READING, Revision, Upload
from datasets.reading import found as readings
from datasets.reading.outcome import Unreadable
from datasets.reading_forms import NOTHING, ColumnForm, FileForm, merged
from datasets.services import uploads
from datasets.views.shared import redirect_with_message, show_dataset

COLUMNS = 40
MOST = 400_000
"""The most characters of options that the page sends back."""


@require_http_methods(["GET", "HEAD", "POST"])
@computing
def reading(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show how a file was read. A POST looks at it with other options, or has it read with them."""
    visible = Upload.objects.visible_to(request.user).select_related("revision__dataset__owner", "table")
    upload = found(visible, pk=pk)
    dataset = upload.revision.dataset_id
    if upload.revision.state != Revision.State.DRAFT or not uploads.is_stored(upload):
        messages.warning(request, uploads.GONE)
        return redirect("datasets:content", dataset)
    before = upload.options.get(READING, {})
    if request.method != "POST":
        return _shown(request, upload, before)
    shown, asked = _sent(request, "shown"), _sent(request, "asked")
    file, columns = _forms(request.POST, shown)
    if not (file.is_valid() and all(form.is_valid() for form in columns)):
        return _shown(request, upload, asked, wrong=(file, columns))
    asked = merged(asked, file, columns)
    if request.POST.get("then") != "read":
        return _shown(request, upload, asked)
    if upload.table and asked == before and upload.state == Upload.State.DONE:
        return redirect("datasets:declare", upload.table.pk)
    try:
        uploads.reread(upload, by=request.user, reading=asked)
    except Refused as why:
        file.add_error(None, str(why))
        return _shown(request, upload, before, wrong=(file, columns))
    return redirect_with_message(
        request, "The file is now being read again.", "datasets:content", dataset, "files"
    )


def _sent(request: UserRequest, name: str) -> dict[str, Any]:
    """Return what the page has sent back. Raises Refused if it was changed on the way."""
    text = request.POST.get(name, "")
    try:
        value = json.loads(text if len(text) <= MOST else "")
        if name == "asked":
            return uploads.reading_options(value)
        return {**NOTHING, **readings.from_json(value or None)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as bad:
        raise Refused("Parts of this page are missing. Load it again.") from bad


def _forms(data: Mapping[str, Any] | None, shown: Mapping[str, Any]) -> tuple[FileForm, list[ColumnForm]]:
    columns = [
        ColumnForm(
            data,
            place=place,
            shown={**each, "missing": each["missing"] or shown["missing"]},
            kind=shown["kind"],
        )
        for place, each in enumerate(shown["columns"])
    ]  # fmt: skip
    return FileForm(data, shown=shown), columns


def _shown(
    request: UserRequest,
    upload: Upload,
    asked: dict[str, Any],
    *,
    wrong: tuple[FileForm, list[ColumnForm]] | None = None,
) -> HttpResponse:
    look, why = _look(request, upload, asked)
    is_as_read = (
        upload.found and upload.state == Upload.State.DONE and asked == upload.options.get(READING, {})
    )
    held = upload.found if is_as_read else look.found if look else (upload.found or NOTHING)
    page = paginated(request, held["columns"], COLUMNS)
    shown = {**NOTHING, **held, "columns": list(page)}
    file, columns = wrong or _forms(None, shown)
    first = page.start_index() - 1 if held["columns"] else 0
    for place, form in enumerate(columns):
        form.examples = [row[first + place] for row in look.rows] if look and len(look.rows[:1]) else []
    context = {
        "upload": upload,
        "file": file,
        "columns": columns,
        "page": page,
        "look": look,
        "why": why,
        "notes": upload.table.findings if is_as_read and upload.table else look.notes if look else [],
        "wrong": wrong is not None,
        "asked": json.dumps(asked),
        "shown": json.dumps(shown),
        "is_as_read": is_as_read,
        "kind": KINDS[shown["kind"]],
    }
    status = 400 if wrong else 200
    return show_dataset(request, "reading", upload.revision.dataset, context, tab="content", status=status)


KINDS = {
    "csv": "a text file with fields (CSV)",
    "excel": "a workbook",
    "json": "JSON",
    "stata": "a Stata file",
    "spss": "an SPSS file",
    "sas": "a SAS file",
    "xport": "a SAS transport file",
    "parquet": "Parquet",
}


def _look(request: UserRequest, upload: Upload, asked: dict[str, Any]) -> tuple[Look | None, str]:
    """Return the beginning of the file, or why it cannot be shown."""
    try:
        return uploads.look(upload, by=request.user, reading=asked), ""
    except (Unreadable, Refused) as why:
        return None, str(why)
