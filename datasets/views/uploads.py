"""Uploads: raw chunks sent by a script (as in the tus protocol), or one small multipart form without JavaScript."""

from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from common.errors import Conflict, Refused
from common.http import UserRequest, body_json, found
from datasets import rules
from datasets.forms import PlainUploadForm
from datasets.models import Dataset, Revision, Upload
from datasets.services import uploads
from datasets.views.shared import owned, redirect_with_message

CHUNK_TYPE = "application/offset+octet-stream"


def _draft(dataset: Dataset) -> Revision:
    if dataset.draft is None:
        raise Conflict(rules.NO_DRAFT)
    return dataset.draft


@require_POST
def begin(request: UserRequest, pk: UUID) -> HttpResponse:
    """Begin an upload: {name, size} in, {id, url, offset, chunk} out; `url` takes the chunks."""
    dataset = owned(request, pk)
    given = body_json(request, limit=10_000)
    name, size = given.get("name"), given.get("size")
    if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool):
        raise Refused("Send the name (text) and the size (a whole number of bytes) of the file.")
    upload = uploads.begin(_draft(dataset), by=request.user, file_name=name, size=size)
    url = reverse("datasets:upload", args=[upload.pk])
    answer = {"id": str(upload.pk), "url": url, "offset": 0, "chunk": settings.UPLOAD_CHUNK}
    return JsonResponse(answer, status=HTTPStatus.CREATED, headers={"Location": url})


@require_http_methods(["HEAD", "GET", "PATCH", "DELETE"])
def upload(request: UserRequest, pk: UUID) -> HttpResponse:
    """Report on an upload (GET, HEAD), append a chunk (PATCH), or cancel it (DELETE)."""
    item = found(Upload.objects.visible_to(request.user).select_related("revision__dataset__owner"), pk=pk)
    if request.method == "DELETE":
        uploads.cancel(item, by=request.user)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    if request.method == "PATCH":
        item = _receive(request, item)
    headers = {"Upload-Offset": str(uploads.resume(item)), "Upload-Length": str(item.size)}
    if request.method == "GET":
        answer = {"state": item.state, "offset": uploads.resume(item), "size": item.size, "error": item.error}
        return JsonResponse(answer, headers={**headers, "Cache-Control": "no-store"})
    return HttpResponse(status=HTTPStatus.NO_CONTENT, headers={**headers, "Cache-Control": "no-store"})


def _receive(request: UserRequest, item: Upload) -> Upload:
    offset = request.headers.get("Upload-Offset", "")
    if request.content_type != CHUNK_TYPE or not offset.isdecimal() or len(offset) > 18:
        raise Refused(f"Send a chunk as {CHUNK_TYPE}, with its position in the header Upload-Offset.")
    chunk = request.read(settings.UPLOAD_CHUNK + 1)
    if len(chunk) > settings.UPLOAD_CHUNK:
        raise Refused(f"Send at most {settings.UPLOAD_CHUNK:,} bytes in one chunk.")
    return uploads.receive(item, by=request.user, offset=int(offset), chunk=chunk)


@require_POST
def plain(request: UserRequest, pk: UUID) -> HttpResponse:
    """Upload a small file in one form."""
    revision = _draft(owned(request, pk))
    form = PlainUploadForm(request.POST, request.FILES)
    if not form.is_valid():
        raise Refused("Choose a file that is not empty.")
    file = form.cleaned_data["file"]
    chunks = file.chunks(settings.UPLOAD_CHUNK)
    uploads.take(revision, by=request.user, file_name=file.name, size=file.size, chunks=chunks)
    return redirect_with_message(
        request, "File uploaded. It is now being read.", "datasets:content", pk, "files"
    )


def _owned_upload(request: UserRequest, pk: UUID) -> Upload:
    return found(Upload.objects.visible_to(request.user).select_related("revision"), pk=pk)


@require_POST
def retry(request: UserRequest, pk: UUID) -> HttpResponse:
    item = uploads.retry(_owned_upload(request, pk), by=request.user)
    return redirect_with_message(
        request, "The file is now being read again.", "datasets:content", item.revision.dataset_id, "files"
    )


@require_POST
def cancel(request: UserRequest, pk: UUID) -> HttpResponse:
    item = _owned_upload(request, pk)
    uploads.cancel(item, by=request.user)
    return redirect_with_message(
        request, "Upload cancelled.", "datasets:content", item.revision.dataset_id, "files"
    )
