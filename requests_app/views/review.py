"""The review page: code, differences, and the verdict."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.signin.reauthentication import confirmed_recently
from common.access import require
from common.errors import Conflict
from common.heavy_views import computing
from common.http import UserRequest, found
from common.pages import new_key, show
from requests_app import queries, rules, services, visibility, workflow
from requests_app.code import diffs
from requests_app.code.findings import find
from requests_app.forms import CommentForm, TryForm, VerdictForm
from requests_app.models import CodeRequest, Review, Run, Version
from requests_app.outputs import run_endings
from requests_app.outputs.run_endings import Endings
from requests_app.presentation import differences, threads
from requests_app.services.drafts import parameters_text
from requests_app.views.runs import private_side, waiting
from requests_app.visibility import Viewer


def readable_version(request: UserRequest, pk: UUID) -> Version:
    """Return a version whose code this person may read; respond with 404 or 403 to everybody else."""
    version = found(queries.versions(request.user), pk=pk)
    require(rules.may_read_code, request.user, version.request)
    return version


@require_safe
@computing
def review(request: UserRequest, pk: UUID) -> HttpResponse:
    version = readable_version(request, pk)
    if _part(request) == "try-run":
        runs = queries.last_mock_runs(version, request.user)
        context = {"version": version, **_tried(_run_of(request.user.pk, runs), version, request.user)}
        return show(request, "requests/parts/try-run", context)
    return show(request, "requests/review", page_of(request, version), parts={"review-state"})


def _part(request: UserRequest) -> str:
    """Return the id of the element that htmx asks for; "" for the whole page."""
    return str(getattr(request.htmx, "target", "") or "") if request.htmx else ""


@require_POST
def begin(request: UserRequest, pk: UUID) -> HttpResponse:
    services.begin_review(readable_version(request, pk), by=request.user)
    return redirect("requests:review", pk)


@require_POST
@confirmed_recently("Give your verdict on code")
def verdict(request: UserRequest, pk: UUID) -> HttpResponse:
    version = readable_version(request, pk)
    require(rules.may_begin_review, request.user, version.request)
    form = VerdictForm(request.POST, dataset=version.request.dataset)
    if not form.is_valid():
        return show(
            request, "requests/review", {**page_of(request, version), "verdict_form": form}, status=400
        )
    try:
        given = services.review(version, by=request.user, **form.cleaned_data)
    except Conflict as conflict:
        return _stale(request, version, conflict, typed=form.cleaned_data["comment"])
    messages.success(request, f"Verdict sent: {given.get_verdict_display().lower()}.")
    return redirect("requests:detail", version.request_id)


def _stale(request: UserRequest, version: Version, conflict: Conflict, *, typed: str) -> HttpResponse:
    """Show that a newer version was submitted meanwhile, with a link to it. Re-raise other conflicts."""
    item = CodeRequest.objects.select_related("latest").get(pk=version.request_id)
    if item.latest is None or item.latest_id == version.pk:
        raise conflict
    context = {
        "version": version,
        "item": item,
        "newer": item.latest,
        "reason": str(conflict),
        "typed": typed,
    }
    return show(request, "requests/stale", context, status=conflict.status)


def page_of(request: UserRequest, version: Version) -> dict[str, object]:
    item, user = version.request, request.user
    reviews = list(version.reviews.select_related("reviewer"))
    viewer = visibility.viewer_of(version, user, reviews)
    state: dict[str, object] = {
        "version": version,
        "item": item,
        "newer": item.latest if item.latest_id != version.pk else None,
        "is_author": viewer.is_author,
        "names": visibility.names_reviewers(viewer),
        "reviews": visibility.verdicts(reviews, viewer),
        "progress": _progress(item, reviews, viewer),
        "begin_refusal": workflow.refusal("begin_review", item, by=user),
    }
    if _part(request) == "review-state":
        return state
    earlier = queries.earlier_than(version)
    shown = threads.of(version, viewer, earlier)
    return {
        **state,
        **_code(request, version, shown.by_line, queries.bases(earlier)),
        **_comments(shown.by_line, viewer),
        "earlier_threads": shown.earlier,
        **_sides(version, user, viewer),
        "endings": _endings(version, earlier) if viewer.is_reviewer else None,
    }


def _endings(version: Version, earlier: list[Version]) -> Endings | None:
    """Return how runs of this request have ended before; None if no earlier version was approved."""
    if not any(getattr(old, "approval", None) for old in earlier):
        return None
    return run_endings.earlier(version.request, before=version)


def _progress(item: CodeRequest, reviews: list[Review], viewer: Viewer) -> str:
    needed = item.dataset.reviewers_needed
    if not viewer.sees_verdicts:
        return f"{needed} approvals are needed. Reviewers of this dataset decide independently."
    given = sum(review.verdict == Review.Verdict.APPROVE for review in reviews)
    if needed == 1:
        return "One approval is needed."
    return f"{given} of {needed} approvals given."


def _code(
    request: UserRequest, version: Version, by_line: Mapping[threads.Line, object], bases: list[queries.Base]
) -> dict[str, object]:
    """Return the code, compared with the version chosen."""
    wanted = request.GET.get("base", "")
    base = next((base for base in bases if base.name == wanted), None)
    if base is None and wanted != "none" and bases:
        base = bases[0]
    split = base is not None and request.GET.get("view") == "split"
    rows = diffs.rows(base.version.code if base else None, version.code)
    added, removed = (sum(row.kind in {kind, "changed"} for row in rows) for kind in ("added", "removed"))
    at = threads.number(request.GET.get("comment"))
    if base is not None and "whole" not in request.GET:
        commented = {at, *by_line, *(hint["line"] for hint in version.findings)} - {None}
        rows = diffs.folded(rows, keep=commented)
    return {
        "bases": bases,
        "base": base,
        "split": split,
        "differences": differences.between(base.version, version) if base else [],
        "added": added,
        "removed": removed,
        "rows": rows if split else diffs.unified(rows),
        "query": threads.query_of(request),
        "comment_at": at,
        "line_form": CommentForm.on_line(at),
    }


def _comments(by_line: Mapping[threads.Line, list[threads.Thread]], viewer: Viewer) -> dict[str, object]:
    may_comment = viewer.is_author or viewer.is_reviewer
    return {
        "by_line": by_line,
        "threads": by_line.get(None, []),
        "held": threads.held(by_line),
        "may_comment": may_comment,
        "comment_form": CommentForm() if may_comment else None,
        "will_hold": visibility.is_held(viewer),
    }


def _sides(version: Version, user: User, viewer: Viewer) -> dict[str, object]:
    """Return what is shown beside the code: the verdict form, the author's mock run of this version, and what this
    reviewer tries."""
    item = version.request
    runs = queries.last_mock_runs(version, user)
    mock_run = _run_of(item.author_id, runs)
    scope = {"runs": item.dataset.max_runs, "days": item.dataset.approval_days}
    return {
        "decide_refusal": workflow.refusal("approve", item, by=user),
        "overseer": not viewer.is_reviewer,
        "verdict_form": VerdictForm(dataset=item.dataset, initial={"seen": version.sha256, **scope}),
        "run_bits": run_endings.one_run_can_tell(version),
        "mock_run": mock_run,
        **(private_side(mock_run, user) if mock_run else {}),
        **(try_panel(version, user, runs) if viewer.is_reviewer else {}),
    }


def _run_of(person: UUID, runs: Iterable[Run]) -> Run | None:
    return next((run for run in runs if run.asked_by_id == person), None)


def try_panel(
    version: Version, user: User, runs: Iterable[Run], form: TryForm | None = None
) -> dict[str, object]:
    """Return the form with the version's parameters, or with those sent, and what each reviewer has tried last."""
    return {
        "try_form": form or TryForm(initial={"parameters": parameters_text(version.parameters)}),
        "try_refusal": rules.may_try_on_mock(user, version),
        "try_key": new_key(),
        "others_tries": [run for run in runs if run.asked_by_id not in {user.pk, version.request.author_id}],
        **_tried(_run_of(user.pk, runs), version, user),
    }


def _tried(run: Run | None, version: Version, user: User) -> dict[str, object]:
    """Return a run that this person has tried, with everything that it wrote."""
    if run is None:
        return {"tried": None}
    live = run.state in Run.LIVE
    unused = [each.text for each in find(version.code, {}, run.parameters) if each.code == "parameter"]
    return {"tried": {"run": run, "live": live, "unused": unused, **waiting(run), **private_side(run, user)}}
