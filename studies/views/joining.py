"""An owner's decisions about taking part: founding a study, joining one, and on whom to count.

Each is made in two steps: first what is to hold, then the conditions, word for word, to be agreed to.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from accounts.signin.reauthentication import confirmed_recently
from common.access import require
from common.http import UserRequest
from common.pages import attempt, show
from studies import mapping, rules
from studies.documents import read_study
from studies.forms import FoundForm, MappingForm, RelyForm
from studies.services import consents, participations, studies
from studies.views.shared import about, chosen, offers, others, peers, the_study

AGREE, REVIEW = "agree", "review"


@require_http_methods(["GET", "HEAD", "POST"])
@confirmed_recently("Found a study")
def found(request: UserRequest) -> HttpResponse:
    """Found a study out of a table of one's own dataset."""
    require(rules.is_owner, request.user)
    picked = chosen(request)
    if picked is None:
        return show(request, "studies/choose", {"offers": offers(request), "peers": peers()})
    dataset, name, spec = picked
    require(rules.may_found, request.user, dataset)
    form = FoundForm(request.POST or None, table=spec, portals=peers())
    shown, made = "", None

    def act() -> None:
        nonlocal shown, made
        columns, relied = form.cleaned_data["columns"], form.cleaned_data["relies_on"]
        if not set(relied) <= set(form.cleaned_data["portals"]):
            form.add_error("relies_on", "You can count on portals only that you invite.")
            return
        document = studies.drafted(dataset, name, columns, **form.parts)
        shown = consents.text_for(document, dataset, relied)
        if _agrees(request):
            said = {"relies_on": relied, "agreed_text": _agreed(request)}
            made = studies.found(dataset, name, columns, by=request.user, **said, **form.parts)

    confirming = _confirming(request, form, act)
    if made is not None:
        messages.success(request, "Study founded. The other portals are invited.")
        return redirect("studies:study", made.pk)
    context = {
        "form": form,
        "dataset": dataset,
        "table": spec,
        "confirming": confirming,
        "conditions": shown,
        "has_peers": bool(peers()),
    }
    return show(request, "studies/found", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@confirmed_recently("Join a study")
def join(request: UserRequest, pk: UUID) -> HttpResponse:
    """Join a study with a table of one's own dataset: map its columns, say on whom one counts, agree."""
    item = the_study(request, pk)
    require(rules.may_decide, request.user, item)
    picked = chosen(request)
    if picked is None:
        return show(request, "studies/choose", {**about(item), "offers": offers(request), "joins": True})
    dataset, name, spec = picked
    document = read_study(item.document)
    parts: dict[str, Any] = {"study": document.table, "own": spec, "portals": others(document)}
    if request.method == "POST" and request.POST.get("then") not in {
        REVIEW,
        AGREE,
    }:  # another column was chosen
        given = {
            key: request.POST.getlist(key) if key == "relies_on" else request.POST[key]
            for key in request.POST
        }
        form = MappingForm(initial=given, **parts)
    else:
        form = MappingForm(request.POST or None, **parts)
    shown, joined = "", False

    def act() -> None:
        nonlocal shown, joined
        ways, relied = form.mapping, form.cleaned_data["relies_on"]
        try:
            mapping.check(ways, spec, document.table)
        except mapping.DoesNotFit as misfit:
            form.add_misfits(misfit.columns)
            return
        shown = consents.consent_text(item, dataset, relied)
        if _agrees(request):
            participations.join(
                item, dataset, name, ways, relied, by=request.user, agreed_text=_agreed(request)
            )
            joined = True

    confirming = _confirming(request, form, act)
    if joined:
        messages.success(request, "You take part in the study. The other portals are notified.")
        return redirect("studies:study", pk)
    context = {**about(item), "form": form, "dataset": dataset, "own": spec, "confirming": confirming}
    context |= {"conditions": shown, "refusal": rules.may_join(request.user, item, dataset)}
    return show(request, "studies/join", context, parts={"mapping"}, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@confirmed_recently("Change on whom you count in a study")
def rely(request: UserRequest, pk: UUID) -> HttpResponse:
    """Change on whom the owner counts, for questions from now on."""
    item = the_study(request, pk)
    require(rules.may_change_reliance, request.user, item)
    own = item.participation
    form = RelyForm(
        request.POST or None,
        portals=others(read_study(item.document)),
        initial={"relies_on": own.relies_on},
    )
    shown, changed = "", False

    def act() -> None:
        nonlocal shown, changed
        relied = form.cleaned_data["relies_on"]
        shown = consents.consent_text(item, own.dataset, relied)
        if _agrees(request):
            participations.change_reliance(item, relied, by=request.user, agreed_text=_agreed(request))
            changed = True

    confirming = _confirming(request, form, act)
    if changed:
        messages.success(request, "Changed, for questions from now on.")
        return redirect("studies:study", pk)
    context = {**about(item), "form": form, "confirming": confirming, "conditions": shown}
    return show(request, "studies/rely", context, status=400 if form.errors else 200)


def _agrees(request: UserRequest) -> bool:
    return request.POST.get("then") == AGREE


def _agreed(request: UserRequest) -> str:
    return request.POST.get("conditions", "")


def _confirming(request: UserRequest, form: forms.Form, act: Callable[[], None]) -> bool:
    """Return whether the second step is to be shown, after doing what the first or the second one asks for."""
    if request.method != "POST" or request.POST.get("then") not in {REVIEW, AGREE}:
        return False
    return attempt(form, act) and not form.errors
