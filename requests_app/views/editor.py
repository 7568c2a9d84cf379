"""The editor of a request: the draft, its mock runs, and its submission."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from common import code_environments
from common.access import require
from common.errors import Conflict
from common.heavy_views import computing
from common.http import UserRequest, body_json, found
from common.pages import key_of, new_key, show
from datasets import rules as dataset_rules
from datasets.models import Dataset, Revision
from requests_app import queries, rules, services, workflow
from requests_app.forms import DraftForm, NewRequestForm
from requests_app.models import CodeRequest, Run
from requests_app.presentation import threads
from requests_app.views.runs import private_side, waiting

BODY_LIMIT = 1_500_000


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: UserRequest, dataset_pk: UUID) -> HttpResponse:
    dataset = found(Dataset.objects.visible_to(request.user).select_related("owner"), pk=dataset_pk)
    form = NewRequestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        item = services.new_request(dataset, by=request.user, title=form.cleaned_data["title"])
        return redirect("requests:edit", item.pk)
    refusal = dataset_rules.may_use(request.user, dataset)
    status = 400 if form.errors else 200
    return show(
        request, "requests/new", {"dataset": dataset, "form": form, "refusal": refusal}, status=status
    )


@require_http_methods(["GET", "HEAD", "POST"])
@computing
def edit(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show and save the draft. Without JavaScript each button saves first and then acts."""
    if request.method != "POST":
        item = _own(request, pk)
        form = _form(item, initial=services.draft_of(item))
        return show(request, "requests/edit", _page(request, item, form), parts={"mock-panel", "findings"})
    item = _known(request, pk)
    form = _form(item, request.POST)
    if not form.is_valid():
        require(rules.may_edit, request.user, item)
        return show(request, "requests/edit", _page(request, item, form), status=400)
    try:
        services.save_draft(item, by=request.user, **form.cleaned_data)
    except Conflict as conflict:
        return _written_elsewhere(request, item, form, conflict)
    return _after_saving(request, item)


def _after_saving(request: UserRequest, item: CodeRequest) -> HttpResponse:
    then = request.POST.get("then")
    if then == "run_on_mock":
        services.run_on_mock(item, by=request.user, key=key_of(request))
        return redirect(reverse("requests:edit", args=[item.pk]) + "#mock-panel")
    if then == "submit":
        return redirect("requests:submit", item.pk)
    messages.success(request, "Draft saved.")
    return redirect("requests:edit", item.pk)


def _written_elsewhere(
    request: UserRequest, item: CodeRequest, form: DraftForm, conflict: Conflict
) -> HttpResponse:
    """Show what was typed, with the number that lets it overwrite what the other tab has saved."""
    item.refresh_from_db()
    typed = request.POST.copy()
    typed["number"] = str(item.draft_number)
    again = _form(item, typed)
    return show(
        request, "requests/edit", {**_page(request, item, again), "conflict": str(conflict)}, status=409
    )


def _own(request: UserRequest, pk: UUID) -> CodeRequest:
    """Return the author's own request; raise Denied for others who may know of it."""
    item = _known(request, pk)
    require(rules.may_edit, request.user, item)
    return item


def _known(request: UserRequest, pk: UUID) -> CodeRequest:
    """Return a request that this person may know of, for a service that asks whether they may edit it."""
    visible = CodeRequest.objects.visible_to(request.user).select_related(
        "dataset__owner", "author", "latest"
    )
    item = found(visible, pk=pk)
    if item.author_id == request.user.pk:
        item.author = request.user
    return item


def _form(item: CodeRequest, *args: Any, **kwargs: Any) -> DraftForm:
    return DraftForm(*args, fixed_title=item.title if item.latest_id else "", **kwargs)


def _page(request: UserRequest, item: CodeRequest, form: DraftForm) -> dict[str, object]:
    revision = queries.described(item.dataset)
    return {
        "item": item,
        "form": form,
        "next_number": item.latest.number + 1 if item.latest else 1,
        "revision": revision,
        "words": lambda: json.dumps(_words(revision)),  # called by the page, and not by its parts
        "findings": queries.hints(str(form["code"].value() or ""), revision, item),
        "key": new_key(),
        "mock_refusal": rules.may_run_on_mock(request.user, item),
        "submit_refusal": workflow.refusal("submit", item, by=request.user),
        "open_threads": _open_threads(item, request.user),
        **_mock_run(item, request.user),
    }


def _words(revision: Revision | None) -> dict[str, object]:
    """Return what the editor can complete: the columns of each table, and the packages of each environment."""
    tables = revision.tables.all() if revision else []
    return {
        "tables": {table.name: [column.name for column in table.columns.all()] for table in tables},
        "packages": code_environments.importable(),
    }


def _open_threads(item: CodeRequest, user: User) -> list[tuple[threads.Thread, threads.Line]]:
    """Return the unresolved threads, each with its line in the draft."""
    if item.latest is None:
        return []
    item.latest.request = item
    versions = [item.latest, *queries.earlier_than(item.latest)]
    return threads.open_for_author(versions, item.code, user)


def _mock_run(item: CodeRequest, user: User) -> dict[str, object]:
    """Return the last mock run with everything that it wrote, which is all for its author."""
    run = item.runs.on_mock_by_author().first()
    if run is None:
        return {"run": None}
    run.request = item
    return {"run": run, "run_live": run.state in Run.LIVE, **waiting(run), **private_side(run, user)}


@require_http_methods(["GET", "HEAD", "POST"])
@computing
def autosave(request: UserRequest, pk: UUID) -> HttpResponse:
    """Save the valid fields from JavaScript and report errors in the others. GET returns the saved draft."""
    if request.method != "POST":
        return JsonResponse(services.draft_of(_own(request, pk)))
    item = _known(request, pk)
    body = body_json(request, limit=BODY_LIMIT)
    form = _form(item, body)
    form.full_clean()
    number = form.cleaned_data.pop("number", -1)
    saved = services.save_draft(item, by=request.user, number=number, **form.cleaned_data)
    hints = queries.hints(saved.code, queries.described(item.dataset), saved)
    saved.author, saved.dataset = item.author, item.dataset
    return JsonResponse(
        {
            "number": saved.draft_number,
            "findings": [
                {"line": hint.line, "level": hint.level, "code": hint.code, "text": hint.text}
                for hint in hints
            ],
            "errors": {name: " ".join(map(str, errors)) for name, errors in form.errors.items()},
            "submit_refusal": workflow.refusal("submit", saved, by=request.user) or "",
        }
    )


@require_POST
def run_on_mock(request: UserRequest, pk: UUID) -> HttpResponse:
    item = _own(request, pk)
    services.run_on_mock(item, by=request.user, key=key_of(request))
    if request.htmx:
        form = _form(item, initial=services.draft_of(item))
        return show(request, "requests/edit", _page(request, item, form), parts={"mock-panel"})
    return redirect(reverse("requests:edit", args=[pk]) + "#mock-panel")


@require_http_methods(["GET", "HEAD", "POST"])
def submit(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show what the version will contain, then submit it."""
    item = _own(request, pk)
    if request.method == "POST":
        version = services.submit(item, by=request.user, key=key_of(request))
        messages.success(
            request, f"Version {version.number} submitted. The owner and the reviewers have been notified."
        )
        return redirect("requests:detail", pk)
    bound = services.snapshot(item)
    context = {
        "item": item,
        "frozen": bound,
        "number": item.latest.number + 1 if item.latest else 1,
        "lines": len(item.code.splitlines()),
        "findings": queries.hints(item.code, queries.described(item.dataset), item),
        "trial": item.runs.on_mock_by_author().filter(sha256=bound.sha256).first(),
        "refusal": workflow.refusal("submit", item, by=request.user),
        "key": new_key(),
    }
    return show(request, "requests/submit", context)


@require_POST
def copy(request: UserRequest, pk: UUID) -> HttpResponse:
    """Create a new request with a copy of this one's draft."""
    item = found(CodeRequest.objects.visible_to(request.user).select_related("dataset"), pk=pk)
    fresh = services.copy_request(item, by=request.user)
    return redirect("requests:edit", fresh.pk)
