"""One file that a run wrote: a safe preview, a verdict, a download. Its content is never served as a page."""

from uuid import UUID

from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from common import heavy_views
from common.errors import Refused
from common.http import UserRequest, as_download, found
from common.pages import show
from requests_app import queries, rules, workflow
from requests_app.forms import OutputVerdictForm
from requests_app.models import Output, Release
from requests_app.outputs import viewed
from requests_app.services import outputs, releases
from requests_app.views import output_pages


def _output(request: UserRequest, pk: UUID) -> Output:
    """Return an output that this person may read; respond with 404 to everybody else."""
    output = found(queries.outputs_of_runs(request.user), pk=pk)
    if rules.may_open_output(request.user, output) is not None:
        raise Http404
    return output


@require_safe
def preview(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show a part of the file as plain text, a table or a re-encoded picture, on a page or in a fragment."""
    output = _output(request, pk)
    place = output_pages.place(request.GET)
    with heavy_views.turn(heavy_views.SANDBOXED, request):
        looked = outputs.look(output, by=request.user, place=place)
    context: dict[str, object] = {
        "output": output,
        "run": output.run,
        "item": output.run.request,
        "preview": looked.model,
        **output_pages.context(place, looked.model),
    }
    if looked.is_noted:
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
    return as_download(outputs.open_released(output, by=request.user), name=output.name)


@require_safe
def download_held(request: UserRequest, pk: UUID) -> FileResponse:
    """Send a held file to a reviewer, where the dataset's policy allows it."""
    output = _output(request, pk)
    return as_download(outputs.open_held_download(output, by=request.user), name=output.name)
