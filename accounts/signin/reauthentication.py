"""Ask people to confirm their identity again before a dangerous step."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY, is_reauthentication_required
from allauth.core.internal.httpkit import serialize_request
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from common.errors import Denied, Refused
from common.http import UserRequest, wants_json

View = Callable[..., HttpResponse]

APP = "accounts"
"""How the adapter tells the portal's steps from allauth's own, such as a change of the second step."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ConfirmAgain(Denied):
    """Raised for a program whose person must reauthenticate. A browser is redirected to the page for it instead."""

    code = "confirm_again"


def confirmed_recently(step: str) -> Callable[[View], View]:
    """Allow a view's POST only soon after a sign-in or a reauthentication. GET never asks.

    Otherwise the person first reauthenticates, on a page that names the `step`. The posted form is carried out
    afterwards, with everything they entered.
    """

    def decorated(view: View) -> View:
        @wraps(view)
        def guarded(request: UserRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method in SAFE or not is_reauthentication_required(request, app=APP):
                return view(request, *args, **kwargs)
            return _ask(request, step)

        guarded.confirms = step  # type: ignore[attr-defined]  # a test reads which views ask
        return guarded

    return decorated


def _ask(request: UserRequest, step: str) -> HttpResponse:
    """Store the form in the session and redirect to the page that asks.

    allauth resumes the request if `next` is the path of the form; its query string is stored with it.
    """
    if wants_json(request) or request.content_type == "application/json":
        raise ConfirmAgain("Confirm your identity first: sign in again, or take this step in the browser.")
    if request.FILES:
        raise Refused("Sign in again, then choose the file again: it cannot be stored while you sign in.")
    request.session[STATE_SESSION_KEY] = {
        "request": serialize_request(request),
        "step": step,
        "path": request.path,
    }
    methods = get_adapter().get_reauthentication_methods(request.user)
    page = methods[0]["url"] if methods else reverse("account_login")
    url = f"{page}?{urlencode({REDIRECT_FIELD_NAME: request.path})}"
    if request.htmx:
        return HttpResponse(headers={"HX-Redirect": url})
    return redirect(url)


def step_to_confirm(request: HttpRequest) -> str:
    """Return the step that is carried out once the person has reauthenticated, or "" if none is waiting."""
    waiting = request.session.get(STATE_SESSION_KEY) or {}
    going = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME)
    return str(waiting.get("step", "")) if going and going == waiting.get("path") else ""
