"""The workers page: each worker, its state and the queue. Admins drain a worker or pause all runs here."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.signin.reauthentication import confirmed_recently
from common.access import require
from common.http import UserRequest, found
from common.pages import show
from requests_app import queries, rules, services, visibility
from requests_app.forms import ReasonForm
from requests_app.models import Run, Worker

RUNS_SHOWN = 50


@require_safe
def workers(request: UserRequest) -> HttpResponse:
    require(rules.may_see_workers, request.user, None)
    return show(request, "requests/workers", _page(request, ReasonForm()), parts={"workers-live"})


def _page(request: UserRequest, form: ReasonForm) -> dict[str, object]:
    return {
        "workers": queries.workers(),
        "queue": queries.queue_length(),
        "runs": _live_runs(request.user),
        "pause": queries.pause(),
        "manage_refusal": rules.may_manage_workers(request.user),
        "reason_form": form,
    }


def _live_runs(user: User) -> list[Run]:
    """Return the runs that wait or are executed, the oldest first, as people see them who read no logs."""
    runs = Run.objects.visible_to(user).live().select_related("request__dataset", "version")
    return [visibility.redacted(run, reads_log=False) for run in runs.order_by("created_at")[:RUNS_SHOWN]]


@require_POST
@confirmed_recently("Drain a worker")
def drain(request: UserRequest, pk: UUID) -> HttpResponse:
    services.drain_worker(_worker(request, pk), by=request.user)
    return redirect("requests:workers")


@require_POST
@confirmed_recently("Stop draining a worker")
def undrain(request: UserRequest, pk: UUID) -> HttpResponse:
    services.undrain_worker(_worker(request, pk), by=request.user)
    return redirect("requests:workers")


def _worker(request: UserRequest, pk: UUID) -> Worker:
    require(rules.may_see_workers, request.user, None)
    return found(Worker.objects.all(), pk=pk)


@require_POST
@confirmed_recently("Pause all runs")
def pause(request: UserRequest) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        require(rules.may_manage_workers, request.user)
        return show(request, "requests/workers", _page(request, form), status=400)
    services.pause_runs(by=request.user, reason=form.cleaned_data["reason"])
    return redirect("requests:workers")


@require_POST
@confirmed_recently("Resume all runs")
def resume(request: UserRequest) -> HttpResponse:
    services.resume_runs(by=request.user)
    return redirect("requests:workers")
