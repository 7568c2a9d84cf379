"""One run: its state, why it waits, what it used. Start and cancel runs here."""

from dataclasses import asdict
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from common.access import require
from common.http import UserRequest, found
from common.pages import key_of, show
from requests_app import queries, rules, services, visibility, workflow
from requests_app.forms import LogExcerptForm, ReasonForm
from requests_app.models import CodeRequest, Output, Release, Run, RunLog
from requests_app.services import outputs, releases
from requests_app.views import words

LOG_LINES = 500


@require_POST
def start(request: UserRequest, pk: UUID) -> HttpResponse:
    item = found(CodeRequest.objects.visible_to(request.user), pk=pk)
    run = services.start_run(item, by=request.user, key=key_of(request))
    return redirect("requests:run", run.pk)


@require_POST
def cancel(request: UserRequest, pk: UUID) -> HttpResponse:
    run = found(Run.objects.visible_to(request.user), pk=pk)
    services.cancel_run(run, by=request.user)
    # The panel of the page then fetches itself: a request that follows a redirect is a GET with htmx's headers.
    if run.is_by_reviewer:
        return redirect(reverse("requests:review", args=[run.version_id]) + "#try-panel")
    if run.kind == Run.Kind.MOCK:
        return redirect("requests:edit", run.request_id)
    return redirect("requests:run", pk)


@require_safe
def run(request: UserRequest, pk: UUID) -> HttpResponse:
    visible = Run.objects.visible_to(request.user).select_related(
        "request__dataset__owner", "request__author", "version", "revision", "release", "asked_by"
    )
    item = found(visible, pk=pk)
    return show(request, "requests/run", run_page(item, request.user), parts={"run-live"})


def run_page(item: Run, user: User) -> dict[str, object]:
    release: Release | None = getattr(item, "release", None)
    if item.request.author_id == user.pk:
        item.request.author = user
    step = "cancel_queued" if item.state == Run.State.QUEUED else "cancel"
    private = private_side(item, user)
    reads_log = bool(private["reads_log"])
    item = visibility.redacted(item, reads_log=reads_log)
    clock = _clock(item, reads_log=reads_log)
    return {
        "run": item,
        "item": item.request,
        "release": release,
        "live": item.state in Run.LIVE,
        "stages": words.stages(item, reads_log=reads_log),
        "cancel_refusal": workflow.refusal(step, item, by=user),
        "failure": words.failure(item, reads_log=reads_log),
        "is_author": rules.is_author(user, item.request) is None,
        "recall_refusal": workflow.refusal("recall", release, by=user)
        if release
        else "Nothing has been released.",
        "reason_form": ReasonForm(),
        **clock,
        **waiting(item),
        **private,
        **_released(item, release, user),
        "record": _record(release, user),
        "has_receipt": release is not None and visibility.may_have_receipt(user, release) is None,
    }


def _clock(run: Run, *, reads_log: bool) -> dict[str, object]:
    """Return the elapsed seconds, and the age of the last heartbeat while the code runs."""
    now = timezone.now()
    beat = run.heartbeat_at if run.ended_at is None else None
    elapsed = visibility.duration(run, now=now, reads_log=reads_log)
    return {
        "elapsed": round(elapsed.total_seconds()),
        "heartbeat_age": round((now - beat).total_seconds()) if beat else None,
    }


def waiting(run: Run) -> dict[str, object]:
    waits = queries.waits(run)
    return {"position": None, "reason": ""} if waits is None else asdict(waits)


def private_side(run: Run, user: User) -> dict[str, object]:
    """Return the log, resources and outputs, only for those who may read what depends on the data."""
    if rules.may_read_log(user, run) is not None:
        return {"reads_log": False}
    return {
        "reads_log": True,
        "failure": words.failure(run, reads_log=True),
        "refused_outputs": list(run.refused_outputs.all()),
        **({"outputs": list(run.outputs.all()), **streams(run)} if run.kind == Run.Kind.MOCK else {}),
    }


def streams(run: Run) -> dict[str, object]:
    """Return the last lines of a run's log."""
    log = RunLog.objects.filter(run=run).first()
    return {"stdout": _tail(log.stdout if log else ""), "stderr": _tail(log.stderr if log else "")}


def _tail(text: str) -> str:
    """Return the last lines of a stream, as many as a page can show."""
    lines = text.splitlines()
    if len(lines) <= LOG_LINES:
        return text
    return "\n".join([f"… {len(lines) - LOG_LINES:,} earlier lines: see the full log", *lines[-LOG_LINES:]])


def _released(run: Run, release: Release | None, user: User) -> dict[str, object]:
    """Return the released files for those who may download them, and whether this person may check held ones."""
    if release is None:
        return {"released": [], "may_check": False, "sentence": words.run_sentence(run, None)}
    readable = rules.may_download_release(user, release) is None
    decided = release.state not in Release.OPEN
    reads_held = decided and rules.may_read_output(user, run) is None
    released = list(run.outputs.filter(verdict=Output.Verdict.RELEASE)) if readable else []
    outputs = run.outputs.count() if reads_held and released else 0
    return {
        "released": released,
        "may_check": not decided and rules.may_check_output(user, release) is None,
        "may_look_back": reads_held,
        "sentence": words.run_sentence(
            run, release, outputs=outputs, withheld=outputs - len(released) if outputs else 0
        ),
    }


def _record(release: Release | None, user: User) -> dict[str, object] | None:
    """Return the record of what was released, for auditors, who read no files."""
    if release is None or not user.is_auditor or not release.record:
        return None
    record = queries.record_for(user, release)
    for output in record["outputs"]:
        output["passed"] = sum(bool(check["ok"]) for check in output["checks"])
    return record


@require_safe
def log(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show or download a run's log, for those who may read it. Access to a private log is recorded."""
    run = _known(request, pk)
    download = "download" in request.GET
    written = outputs.open_log(run, by=request.user, download=download)
    if download:
        text = f"== stdout ==\n{written.stdout}\n== stderr ==\n{written.stderr}\n"
        response = HttpResponse(text, content_type="text/plain; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="run-{run.pk}.log"'
        return response
    return show(request, "requests/log", _log_page(run, written, request.user, LogExcerptForm()))


def _known(request: UserRequest, pk: UUID) -> Run:
    related = ("request__dataset__owner", "request__author", "version")
    return found(Run.objects.visible_to(request.user).select_related(*related), pk=pk)


def _log_page(run: Run, written: RunLog, user: User, form: LogExcerptForm) -> dict[str, object]:
    return {
        "run": run,
        "item": run.request,
        "stdout": _tail(written.stdout),
        "stderr": _tail(written.stderr),
        "excerpt_form": form,
        "excerpt_refusal": rules.may_add_log_excerpt(user, run),
        "excerpt_made": run.outputs.filter(name=releases.LOG_OUTPUT).exists(),
    }


@require_POST
def excerpt(request: UserRequest, pk: UUID) -> HttpResponse:
    """Add an edited part of a private log to the run's outputs, to be decided on like any other file."""
    run = _known(request, pk)
    form = LogExcerptForm(request.POST)
    if not form.is_valid():
        written = outputs.open_log(run, by=request.user)
        return show(request, "requests/log", _log_page(run, written, request.user, form), status=400)
    require(rules.may_read_log, request.user, run)
    made = releases.add_log_excerpt(run, by=request.user, text=form.cleaned_data["text"])
    release = found(Release.objects.visible_to(request.user), run=made.run_id)
    return redirect("requests:check", release.pk)
