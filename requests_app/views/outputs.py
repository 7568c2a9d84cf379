"""One file that a run wrote: a safe preview, a verdict, a download. Its content is never served as a page."""

from pathlib import Path
from uuid import UUID

from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from common import heavy_views
from common.errors import Refused
from common.http import UserRequest, found
from common.pages import show
from requests_app import rules, workflow
from requests_app.forms import OutputVerdictForm
from requests_app.models import Output, Release, Run
from requests_app.outputs import viewed
from requests_app.services import outputs, releases
from requests_app.views import output_pages
from runner.gates import previews

SANDBOX = "default-src 'none'; sandbox"
BYTES = "application/octet-stream"


def _output(request: UserRequest, pk: UUID) -> Output:
    """Return an output that this person may read; respond with 404 to everybody else."""
    runs = Run.objects.visible_to(request.user).order_by().values("pk")
    related = ("run__request__dataset__owner", "run__request__author", "run__release")
    output = found(Output.objects.filter(run__in=runs).select_related(*related), pk=pk)
    if rules.may_read_output(request.user, output.run) is None or _is_let_out(request, output):
        return output
    raise Http404


def _is_let_out(request: UserRequest, output: Output) -> bool:
    release: Release | None = getattr(output.run, "release", None)
    if release is None or output.verdict != Output.Verdict.RELEASE:
        return False
    return rules.may_download_release(request.user, release) is None


@require_safe
def preview(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show a part of the file as plain text, a table or a re-encoded picture, on a page or in a fragment."""
    output = _output(request, pk)
    held = rules.may_read_output(request.user, output.run) is None and output.bytes_gone_at is None
    opened = outputs.open_held if held else outputs.open_released
    place = output_pages.place(request.GET)
    path = opened(output, by=request.user)
    with heavy_views.turn(heavy_views.SANDBOXED, request):
        model = previews.preview(path, output.type, place=place)
    context: dict[str, object] = {
        "output": output,
        "run": output.run,
        "item": output.run.request,
        "preview": model,
        **output_pages.context(place, model),
    }
    if held and output.run.kind == Run.Kind.PRIVATE:
        viewed.note(output, by=request.user, place=place, model=model)
        output.refresh_from_db(fields=["extent"])
        context["seen"] = viewed.seen(output)
        context["decides"] = _decides(request, output)
    return show(request, "requests/parts/preview" if request.htmx else "requests/output", context)


def _decides(request: UserRequest, output: Output) -> bool:
    """Return whether this person can decide now: the page around the preview then lists the parts not viewed."""
    release: Release | None = getattr(output.run, "release", None)
    return release is not None and workflow.refusal("release", release, by=request.user) is None


@require_POST
def verdict(request: UserRequest, pk: UUID) -> HttpResponse:
    output = _output(request, pk)
    release = found(Release.objects.visible_to(request.user), run=output.run_id)
    form = OutputVerdictForm(request.POST)
    if not form.is_valid():
        raise Refused(
            "Choose whether to release or withhold the file. A comment has at most 2,000 characters."
        )
    releases.set_verdict(output, by=request.user, **form.cleaned_data)
    return redirect(reverse("requests:check", args=[release.pk]) + f"#output-{output.pk}")


@require_safe
def download(request: UserRequest, pk: UUID) -> FileResponse:
    """Send a released file, always as a download and never as a page."""
    output = _output(request, pk)
    return _as_download(output, outputs.open_released(output, by=request.user))


@require_safe
def download_held(request: UserRequest, pk: UUID) -> FileResponse:
    """Send a held file to a reviewer, where the dataset's policy allows it."""
    output = _output(request, pk)
    return _as_download(output, outputs.open_held_download(output, by=request.user))


def _as_download(output: Output, path: Path) -> FileResponse:
    response = FileResponse(path.open("rb"), as_attachment=True, filename=output.name, content_type=BYTES)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = SANDBOX
    response["Cache-Control"] = "no-store"
    return response
