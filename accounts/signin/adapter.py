"""Adapter for allauth's account pages: sign-in, lock-out and reauthentication."""

import time
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.models import User
from accounts.rules import INACTIVE
from accounts.signin import reauthentication
from common.client_address import client_address

NOT_ACTIVE = {
    User.State.PENDING: "Your registration is waiting for an admin. You will get an e-mail when it is decided.",
    User.State.REFUSED: "Your registration was refused. Ask an admin if you think this is a mistake.",
    User.State.SUSPENDED: "Your account is suspended. Contact an admin if you think this is a mistake.",
}
METHODS = {
    "reauthenticate": "Use your password",
    "mfa_reauthenticate": "Use a code",
    "mfa_reauthenticate:webauthn": "Use a passkey",
}
"""Link texts for the ways to reauthenticate, by allauth's method id."""


class AccountAdapter(DefaultAccountAdapter):
    """Closes allauth's sign-up: accounts begin with an invitation or a registration that an admin approves."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Skip allauth's failure count, by which strangers could lock people out. Axes counts instead, per device."""

    def pre_login(self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> HttpResponse | None:
        """Refuse the demo's accounts outside the demo: their passwords are public."""
        if not settings.DEMO and user.get_username().endswith(f"@{settings.DEMO_DOMAIN}"):
            messages.warning(request, "This account works only in the demo. Sign in with another one.")
            return redirect("account_login")
        answer: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return answer

    def respond_user_inactive(self, request: HttpRequest, user: AbstractBaseUser) -> HttpResponse:
        """Show why the account is not active. Only the right password leads here, so no stranger learns of it."""
        if isinstance(user, User):
            text = NOT_ACTIVE.get(User.State(user.state), INACTIVE)
            reason = f" The reason given: {user.state_reason}" if user.state_reason else ""
            messages.warning(request, f"{text}{reason}")
        return redirect("account_login")

    def is_safe_url(self, url: str | None) -> bool:
        """Return whether to redirect there after signing in. allauth raises ValueError for malformed URLs."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def get_reauthentication_methods(self, user: AbstractBaseUser | AnonymousUser) -> list[dict[str, Any]]:
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        return [{**method, "description": METHODS[method["id"]]} for method in methods]

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Return whether the last sign-in or reauthentication is too old.

        The portal's own steps may be configured never to ask (CONFIRM_MINUTES = 0); a change of factors always asks.
        """
        if app == reauthentication.APP and not settings.CONFIRM_MINUTES:
            return False
        records = get_authentication_records(context.request, context.request.user)
        newest = max((record["at"] for record in records), default=0)
        return bool(time.time() - newest >= app_settings.REAUTHENTICATION_TIMEOUT)
