"""Ask again who it is before something dangerous."""

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
"""By this the adapter tells steps of the portal from allauth's own, such as a change of the second factor."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ConfirmAgain(Denied):
    """A program learns that its person has to confirm who they are; a browser is sent to the page for it."""

    code = "confirm_again"


def confirmed_recently(step: str) -> Callable[[View], View]:
    """Take a step only soon after a sign-in, or after a password or a factor was given again.

    Later, the person is asked first, on a page that names the `step`; what they had posted is carried out afterwards,
    with everything they had typed. Looking at a page (GET) asks nothing.
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
    """Keep the form in the session, and lead to the page that asks.

    allauth takes it up again when `next` is the path of the form; the query of its address is kept with it.
    """
    if wants_json(request) or request.content_type == "application/json":
        raise ConfirmAgain("Confirm who you are first: sign in again, or take this step in the browser.")
    if request.FILES:
        raise Refused("Sign in again first: a file cannot be kept meanwhile.")
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
    """What is carried out once the person of this page has confirmed who they are; "" when nothing waits."""
    waiting = request.session.get(STATE_SESSION_KEY) or {}
    going = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME)
    return str(waiting.get("step", "")) if going and going == waiting.get("path") else ""
