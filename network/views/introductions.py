"""Pages that introduce another portal: look its card up, compare the fingerprint, confirm."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.signin.reauthentication import confirmed_recently
from common.errors import Denied
from common.http import UserRequest
from common.pages import attempt
from network import identity, rules
from network.forms import ADDRESS, AddressForm, IntroduceForm
from network.services import introductions
from network.services.introductions import Found
from network.views.access import for_overseers, peer_of


@require_http_methods(["GET", "HEAD", "POST"])
@for_overseers
def introduce(request: UserRequest) -> HttpResponse:
    """Ask for an address; given one, fetch the card and show it beside what there is to compare."""
    form = AddressForm(request.POST or None, initial={"address": request.GET.get("address", "")[:ADDRESS]})
    found: list[Found] = []
    if request.method == "POST" and attempt(
        form,
        lambda: found.append(introductions.look_up(form.cleaned_data["address"], by=request.user)),
        raising=Denied,
    ):
        return _compare(request, found[0])
    context = {"form": form, "refusal": None if form.is_bound else rules.may_introduce(request.user)}
    return render(request, "network/introduce.html", context, status=422 if form.errors else 200)


def _compare(
    request: UserRequest, found: Found, form: IntroduceForm | None = None, *, status: int = 200
) -> HttpResponse:
    form = form or IntroduceForm(initial={"address": found.url, "fingerprint": found.fingerprint})
    context = {"found": found, "form": form, "own_fingerprint": identity.fingerprint()}
    return render(request, "network/compare.html", context, status=status)


@require_POST
@confirmed_recently("Confirm another portal")
@for_overseers
def confirm(request: UserRequest) -> HttpResponse:
    """Confirm the portal whose fingerprint was compared. What is missing in the form is asked for on the same page."""
    form = IntroduceForm(request.POST)
    if not form.is_valid():
        found = introductions.look_up(request.POST.get("address", ""), by=request.user)
        return _compare(request, found, form, status=422)
    given = form.cleaned_data
    peer = introductions.introduce(
        given["address"],
        by=request.user,
        fingerprint=given["fingerprint"],
        compared_with=given["compared_with"],
    )
    messages.success(
        request, f"{peer} confirmed. It becomes active as soon as its admin has confirmed this portal."
    )
    return redirect("network:peer", peer.pk)


@require_POST
@for_overseers
def dismiss(request: UserRequest, pk: UUID) -> HttpResponse:
    introductions.dismiss(peer_of(request, pk), by=request.user)
    messages.success(request, "Introduction dismissed.")
    return redirect("network:list")


@require_POST
@for_overseers
def ask_again(request: UserRequest, pk: UUID) -> HttpResponse:
    introductions.ask_again(peer_of(request, pk), by=request.user)
    messages.success(request, "The introduction is sent again.")
    return redirect("network:peer", pk)
