"""The pages of the other portals: the list, and one portal with what an admin decides about it."""

from collections.abc import Callable
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.signin.reauthentication import confirmed_recently
from audit import queries as audit_queries
from common.http import UserRequest
from common.pages import attempt, paginated, show
from network import identity, queries, rules
from network.cards import key_id
from network.forms import ChangeForm, ComparedForm, ReasonForm
from network.models import Peer
from network.services import changes, directories, introductions, peers, pins
from network.views.access import for_overseers, peer_of

HISTORY = 20


@require_safe
@for_overseers
def peer_list(request: UserRequest) -> HttpResponse:
    """Show this portal's identity and the other portals, first what waits for somebody."""
    own = queries.identity()
    context = {
        "own": own,
        "address": settings.BASE_URL,
        "fingerprint": identity.fingerprint() if own else "",
        "page": paginated(request, queries.peers(request.user)),
        "refusal": rules.may_introduce(request.user),
        "manage_refusal": rules.may_manage(request.user),
        "suggestions": directories.suggestions(),
        "alarms": queries.has_open_alarms(),
    }
    return show(request, "network/list", context, parts={"network-live"})


@require_safe
@for_overseers
def peer(request: UserRequest, pk: UUID) -> HttpResponse:
    return _page(request, peer_of(request, pk))


def _page(
    request: UserRequest,
    shown: Peer,
    *,
    form: forms.Form | None = None,
    failed: str = "",
    status: int = 200,
) -> HttpResponse:
    """Render the page of one portal. `failed` names the form that has errors, which is `form`."""
    user, now = request.user, timezone.now()
    found = audit_queries.Search(object=str(shown.pk))
    fingerprint = pins.fingerprint(shown)
    context = {
        "peer": shown,
        "card": pins.card_of(shown),
        "fingerprint": fingerprint,
        "own_fingerprint": identity.fingerprint() if shown.recovered_at else "",
        "keys": [(key_id(bytes(key.public)), key, key.counts(now)) for key in queries.keys_of(shown)],
        "wishes": [
            (changes.WORDS[name], getattr(shown, name), value) for name, value in shown.wished.items()
        ],
        "refusals": {
            "suspend": rules.may_suspend(user, shown),
            "resume": rules.may_resume(user, shown),
            "remove": rules.may_remove(user, shown),
            "dismiss": rules.may_dismiss(user, shown),
            "introduce": rules.may_introduce(user),
            "call": rules.may_call(user, shown),
            "ask_again": rules.may_ask_again(user, shown),
            "compare": rules.may_compare_again(user, shown),
            "change": rules.may_decide_change(user, shown),
        },
        "compare_form": form
        if isinstance(form, ComparedForm)
        else ComparedForm(initial={"fingerprint": fingerprint}),
        "reason_forms": {
            name: form if failed == name else ReasonForm(auto_id=f"id_{name}_%s")
            for name in ("suspend", "resume", "remove")
        },
        "history": audit_queries.search(audit_queries.readable(user), found)[:HISTORY],
        "failed": failed,
    }
    return show(request, "network/peer", context, status=status)


def _with_reason(
    name: str, service: Callable[..., Peer], message: str, *, step: str
) -> Callable[..., HttpResponse]:
    """Return a view that calls `service` on a portal with a reason, after a recent reauthentication."""

    @require_POST
    @confirmed_recently(step)
    @for_overseers
    def view(request: UserRequest, pk: UUID) -> HttpResponse:
        shown = peer_of(request, pk)
        form = ReasonForm(request.POST, auto_id=f"id_{name}_%s")
        if not form.is_valid():
            return _page(request, shown, form=form, failed=name, status=422)
        service(shown, by=request.user, reason=form.cleaned_data["reason"])
        messages.success(request, message.format(shown))
        return redirect("network:peer", pk)

    return view


suspend = _with_reason(
    "suspend", peers.suspend, "{} suspended. Its next call is refused.", step="Suspend another portal"
)
resume = _with_reason("resume", peers.resume, "{} resumed.", step="Resume another portal")
remove = _with_reason(
    "remove", peers.remove, "{} removed. Its next call is refused.", step="Remove another portal"
)


@require_POST
@for_overseers
def call_now(request: UserRequest, pk: UUID) -> HttpResponse:
    peers.call_now(peer_of(request, pk), by=request.user)
    messages.success(request, "The portal is called now. Reload the page in a few seconds.")
    return redirect("network:peer", pk)


@require_POST
@confirmed_recently("Confirm another portal again")
@for_overseers
def compare(request: UserRequest, pk: UUID) -> HttpResponse:
    """Confirm the fingerprint again after the portal's keys were replaced with its recovery key."""
    shown = peer_of(request, pk)
    form = ComparedForm(request.POST)
    if not attempt(
        form,
        lambda: introductions.compare_again(
            shown,
            by=request.user,
            fingerprint=form.cleaned_data["fingerprint"],
            compared_with=form.cleaned_data["compared_with"],
        ),
    ):
        return _page(request, shown, form=form, failed="compare", status=422)
    messages.success(request, f"{shown} confirmed again.")
    return redirect("network:peer", pk)


@require_POST
@confirmed_recently("Decide on another portal's name or address")
@for_overseers
def change(request: UserRequest, pk: UUID) -> HttpResponse:
    """Accept or refuse the other name or address that a portal asks for."""
    shown = peer_of(request, pk)
    form = ChangeForm(request.POST)
    if not form.is_valid():
        return _page(request, shown, failed="change", status=422)
    accepts = form.cleaned_data["verdict"] == "accept"
    (changes.accept if accepts else changes.refuse)(shown, by=request.user, seen=form.seen())
    messages.success(request, "Change accepted." if accepts else "Change refused.")
    return redirect("network:peer", pk)
