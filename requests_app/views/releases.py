"""The output check: view what a run wrote, give verdicts on its files, decide on the release, recall it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.signin.reauthentication import confirmed_recently
from audit import receipt_pages
from common.access import require
from common.errors import Denied
from common.http import UserRequest, as_json, found
from common.pages import attempt, show
from requests_app import queries, rules, workflow
from requests_app.forms import DecisionForm, ReasonForm
from requests_app.models import Output, Release
from requests_app.outputs import run_endings, viewed
from requests_app.services import receipts, releases
from requests_app.views import words
from requests_app.views.runs import run_page

RELATED = (
    "run__request__dataset__owner",
    "run__request__author",
    "run__version",
    "run__revision",
    "run__approval",
    "decided_by",
)


def _release(request: UserRequest, pk: UUID) -> Release:
    return found(Release.objects.visible_to(request.user).select_related(*RELATED), pk=pk)


@require_safe
def check(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show the output check to those who may read outputs. The others' page of a release is that of its run."""
    release = _release(request, pk)
    if request.user.oversees:
        return redirect("requests:run", release.run_id)
    require(rules.may_read_output, request.user, release.run)
    return show(request, "requests/check", _page(request, release))


def _page(request: UserRequest, release: Release) -> dict[str, object]:
    run = release.run
    outputs = list(run.outputs.select_related("added_by").prefetch_related("looks"))
    refusals = workflow.refusals(["begin_check", "release"], release, by=request.user)
    return {
        "release": release,
        "run": run,
        "item": run.request,
        "failure": words.failure(run, reads_log=True),
        "outputs": [(output, viewed.seen(output), *_sorted(output.checks)) for output in outputs],
        "pending": [output for output in outputs if output.verdict == Output.Verdict.PENDING],
        "going": [output for output in outputs if output.verdict == Output.Verdict.RELEASE],
        "open": release.state in Release.OPEN,
        "refused_outputs": list(run.refused_outputs.all()),
        "earlier": queries.release_history(run.request.dataset, before=release),
        "begin_refusal": refusals["begin_check"],
        "may_download": rules.may_download_held(request.user, run) is None,
        "refusal": refusals["release"],
        "decision_form": DecisionForm(),
        "endings": run_endings.of(run.approval) if run.approval else None,
    }


def _sorted(checks: list[dict[str, object]]) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return the checks with a warning, and those that passed."""
    return [check for check in checks if not check["ok"]], [check for check in checks if check["ok"]]


@require_POST
def begin(request: UserRequest, pk: UUID) -> HttpResponse:
    releases.begin_check(_release(request, pk), by=request.user)
    return redirect("requests:check", pk)


@require_POST
@confirmed_recently("Decide on held outputs")
def decide(request: UserRequest, pk: UUID) -> HttpResponse:
    release = _release(request, pk)
    form = DecisionForm(request.POST)
    if not attempt(
        form, lambda: releases.decide(release, by=request.user, **form.cleaned_data), raising=Denied
    ):
        require(rules.may_check_output, request.user, release)
        return show(request, "requests/check", {**_page(request, release), "decision_form": form}, status=400)
    messages.success(request, "Decision recorded. The author has been notified.")
    return redirect("requests:run", release.run_id)


@require_POST
@confirmed_recently("Recall a release")
def recall(request: UserRequest, pk: UUID) -> HttpResponse:
    release = _release(request, pk)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return show(
            request, "requests/run", {**run_page(release.run, request.user), "reason_form": form}, status=400
        )
    releases.recall(release, by=request.user, reason=form.cleaned_data["reason"])
    messages.success(request, "Release recalled. Everyone who had access to it has been notified.")
    return redirect("requests:run", release.run_id)


@require_safe
def record(request: UserRequest, pk: UUID) -> HttpResponse:
    """Send the machine-readable record of a release."""
    release = _release(request, pk)
    content = queries.record_for(request.user, release)
    return as_json(content, name=f"release-{release.pk}.json")


@require_safe
def receipt(request: UserRequest, pk: UUID) -> HttpResponse:
    """Download the receipt of a release."""
    release = _release(request, pk)
    found = receipts.of_release(release, by=request.user)
    back = reverse("requests:run", args=[release.run_id])
    return receipt_pages.sent(request, found, name=f"release-{release.pk}-receipt.json", back=back)
