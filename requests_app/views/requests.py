"""The list of requests, and one request with its versions, runs and releases."""

from collections.abc import Sequence
from uuid import UUID

from django.contrib import messages
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from accounts.models import RoleGrant, User
from accounts.signin.reauthentication import confirmed_recently
from common.http import UserRequest, found
from common.pages import new_key, paginated, show
from datasets.models import Dataset
from requests_app import queries, rules, services, visibility, workflow
from requests_app.forms import FilterForm, ReasonForm
from requests_app.models import Approval, CodeRequest, Release, Run
from requests_app.outputs import run_endings
from requests_app.outputs.run_endings import Endings
from requests_app.presentation import history
from requests_app.views import words

State = CodeRequest.State


@require_safe
def listing(request: UserRequest) -> HttpResponse:
    visible = CodeRequest.objects.known_to(request.user)
    datasets = Dataset.objects.filter(pk__in=visible.order_by().values("dataset"))
    form = FilterForm(request.GET, datasets=datasets)
    form.full_clean()
    rows = queries.narrowed(visible, form.cleaned_data, user=request.user)
    page = paginated(request, rows.select_related("dataset", "author", "latest"))
    return show(
        request,
        "requests/list",
        {"form": form, "page_obj": page, "filtered": any(form.cleaned_data.values())},
    )


@require_safe
def detail(request: UserRequest, pk: UUID) -> HttpResponse:
    return show(request, "requests/detail", _page(_known(request, pk), request.user), parts={"request-live"})


def _known(request: UserRequest, pk: UUID) -> CodeRequest:
    """Return a request that this person may know of. Admins do, without reading its code."""
    related = ("dataset__owner", "author", "latest__approval", "latest__revision")
    held = ArraySubquery(RoleGrant.objects.filter(user=OuterRef("author")).order_by().values("role"))
    known = CodeRequest.objects.known_to(request.user).select_related(*related)
    item = found(known.annotate(author_roles=held), pk=pk)
    item.author.roles = frozenset(item.author_roles)  # type: ignore[attr-defined]
    if item.author_id == request.user.pk:
        item.author = request.user
    if item.latest is not None:
        item.latest.request = item
    return item


def _page(item: CodeRequest, user: User) -> dict[str, object]:
    past = history.of(item, user)
    return {
        "item": item,
        "versions": past.versions,
        "runs": past.runs,
        "events": past.events,
        "turn": workflow.TURN["request"][item.state],
        "is_author": past.part.is_author,
        "is_reviewer": past.part.is_reviewer,
        "may_read_code": past.reads,
        "reads_reason": visibility.sees_reason(item, reads_code=past.reads),
        "about": item if past.part.is_author else item.latest,
        **_standing(item, past.runs),
        **_steps(item, user),
        "endings": _endings(item, past.runs) if past.part.is_reviewer else None,
    }


def _endings(item: CodeRequest, runs: Sequence[Run]) -> Endings | None:
    """Return the endings of the approval's runs: from the page's runs, unless there may be more."""
    approval = getattr(item.latest, "approval", None)
    if approval is None:
        return None
    if len(runs) == history.RUNS:
        return run_endings.of(approval)
    return run_endings.among(run for run in runs if run.approval_id == approval.pk)


def _standing(item: CodeRequest, runs: Sequence[Run]) -> dict[str, object]:
    """Return the state of the request in one sentence, its approval, and the runs left."""
    approval = getattr(item.latest, "approval", None)
    used = (
        approval.runs.filter(Run.COUNTED).count()
        if approval and len(runs) == history.RUNS
        else _used(approval, runs)
    )
    last = runs[0] if runs else None
    release = getattr(last, "release", None)
    open_release = release if release is not None and release.state in Release.OPEN else None
    return {
        "approval": approval,
        "runs_left": max(approval.runs_allowed - used, 0) if approval else 0,
        "to_check": open_release,
        "released_run": last if release is not None and release.state == Release.State.RELEASED else None,
        "sentence": words.request_sentence(item, approval=approval, used=used, run=last, release=release),
    }


def _used(approval: Approval | None, runs: Sequence[Run]) -> int:
    """Return how many of these runs count against the approval."""
    mine = [run for run in runs if approval is not None and run.approval_id == approval.pk]
    return sum(run.is_counted for run in mine)


def _steps(item: CodeRequest, user: User) -> dict[str, object]:
    """Return what this person may do now, with the reasons why not."""
    may_start = item.state == State.APPROVED and rules.is_author_or_owner(user, item) is None
    return {
        "key": new_key(),
        "may_edit": rules.may_edit(user, item) is None,
        "may_start": may_start,
        "withdraw_refusal": workflow.refusal("withdraw", item, by=user),
        "revoke_refusal": workflow.refusal("revoke", item, by=user),
        "start_refusal": rules.may_start_run(user, item) if may_start else None,
        "reason_form": ReasonForm(),
    }


@require_POST
def withdraw(request: UserRequest, pk: UUID) -> HttpResponse:
    item = found(CodeRequest.objects.visible_to(request.user), pk=pk)
    services.withdraw(item, by=request.user)
    messages.success(request, "Request withdrawn.")
    return redirect("requests:detail", pk)


@require_POST
@confirmed_recently("Revoke an approval")
def revoke(request: UserRequest, pk: UUID) -> HttpResponse:
    item = _known(request, pk)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return show(
            request, "requests/detail", {**_page(item, request.user), "reason_form": form}, status=400
        )
    services.revoke(item, by=request.user, reason=form.cleaned_data["reason"])
    messages.success(request, "Approval revoked. The author has been notified.")
    return redirect("requests:detail", pk)
