"""One file that a run wrote: a safe preview, a verdict, a download. Nothing of it is ever served as a page."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from common import expensive
from common.errors import Refused
from common.http import UserRequest, found
from requests_app import releasing, rules
from requests_app.forms import OutputVerdictForm
from requests_app.models import Output, Release, Run
from requests_app.views.shared import show
from runner import previews

SANDBOX = "default-src 'none'; sandbox"
BYTES = "application/octet-stream"
ROWS = 100
LONGEST_NUMBER = 9


def _output(request: UserRequest, pk: UUID) -> Output:
    """An output that this person may read; for everybody else it does not exist."""
    runs = Run.objects.visible_to(request.user).order_by().values("pk")
    related = ("run__request__dataset__owner", "run__request__author", "run__release")
    output = found(Output.objects.filter(run__in=runs).select_related(*related), pk=pk)
    if rules.read_output(request.user, output.run) is None or _is_let_out(request, output):
        return output
    raise Http404


def _is_let_out(request: UserRequest, output: Output) -> bool:
    release: Release | None = getattr(output.run, "release", None)
    if release is None or output.verdict != Output.Verdict.RELEASE:
        return False
    return rules.download_release(request.user, release) is None


@require_safe
def preview(request: UserRequest, pk: UUID) -> HttpResponse:
    """The file as plain text, a table or a picture drawn anew: a page, or a fragment of one."""
    output = _output(request, pk)
    held = rules.read_output(request.user, output.run) is None and output.bytes_gone_at is None
    opened = releasing.open_held if held else releasing.open_released
    number = _page_number(request)
    path = opened(output, by=request.user)
    with expensive.turn(expensive.SANDBOXED, request):
        model = previews.preview(path, output.type, start=(number - 1) * ROWS)
    context = {
        "output": output,
        "run": output.run,
        "item": output.run.request,
        "preview": model,
        **_rows(number, model),
    }
    return show(request, "parts/preview" if request.htmx else "output", context)


def _page_number(request: UserRequest) -> int:
    text = request.GET.get("rows", "1")
    return max(1, int(text)) if text.isdecimal() and len(text) <= LONGEST_NUMBER else 1


def _rows(number: int, model: Mapping[str, Any]) -> dict[str, object]:
    """The part of a table that this page shows: the model begins with it."""
    if model["kind"] != "table":
        return {}
    page = Paginator(range(model["total_rows"]), ROWS).get_page(number)
    page.object_list = model["rows"][:ROWS]
    return {"page": page, "rows": page.object_list}


@require_POST
def verdict(request: UserRequest, pk: UUID) -> HttpResponse:
    output = _output(request, pk)
    release = found(Release.objects.visible_to(request.user), run=output.run_id)
    form = OutputVerdictForm(request.POST)
    if not form.is_valid():
        raise Refused("A file is released or withheld, with a comment of at most 2,000 characters.")
    releasing.set_verdict(output, by=request.user, **form.cleaned_data)
    return redirect(reverse("requests:check", args=[release.pk]) + f"#output-{output.pk}")


@require_safe
def download(request: UserRequest, pk: UUID) -> FileResponse:
    """A released file, always as a download and never as a page."""
    output = _output(request, pk)
    path = releasing.open_released(output, by=request.user)
    response = FileResponse(
        path.open("rb"), as_attachment=True, filename=output.name, content_type="application/octet-stream"
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = SANDBOX
    response["Cache-Control"] = "no-store"
    return response
