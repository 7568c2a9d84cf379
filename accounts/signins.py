"""Signing in and out: what is written down, and how lock-out names a person.

The libraries that handle passwords and factors announce what happened by signals; this is where they arrive.
"""

from typing import Any

from allauth.account import signals as account_signals
from allauth.mfa import signals as mfa_signals
from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts import services
from accounts.models import User
from audit import log


def lockout_name(request: HttpRequest | None, credentials: dict[str, Any] | None = None) -> str:
    """The name failed sign-ins are counted under: the address as typed, in small letters."""
    given = credentials or {}
    typed = given.get("email") or given.get("username") or (request.POST.get("login") if request else None)
    return str(typed or "").strip().lower()[:254]


def connect() -> None:
    """Called once, when the app is loaded."""
    user_logged_in.connect(signed_in, dispatch_uid="accounts.signed_in")
    user_logged_out.connect(signed_out, dispatch_uid="accounts.signed_out")
    user_login_failed.connect(sign_in_failed, dispatch_uid="accounts.sign_in_failed")
    user_locked_out.connect(locked_out, dispatch_uid="accounts.locked_out")
    for name, signal in (
        ("user.change_password", account_signals.password_changed),
        ("user.reset_password", account_signals.password_reset),
        ("user.add_factor", mfa_signals.authenticator_added),
        ("user.remove_factor", mfa_signals.authenticator_removed),
        ("user.renew_factor", mfa_signals.authenticator_reset),
    ):
        signal.connect(_credentials_changed(name), weak=False, dispatch_uid=f"accounts.{name}")


@transaction.atomic
def signed_in(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    request.session["device"] = request.headers.get("User-Agent", "")[:200]
    request.session["signed_in_at"] = timezone.now().isoformat(timespec="seconds")
    log.record("session.sign_in", by=user, on=user, person_id=user.pk)


@transaction.atomic
def signed_out(sender: object, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        log.record("session.sign_out", by=user, on=user, person_id=user.pk)


@transaction.atomic
def sign_in_failed(sender: object, credentials: dict[str, Any], **kwargs: Any) -> None:
    """What was typed is kept only when it is somebody's address: people type passwords into the wrong field."""
    _record_about(lockout_name(None, credentials), "session.sign_in_failed")


@transaction.atomic
def locked_out(sender: object, username: str, **kwargs: Any) -> None:
    _record_about(username, "session.lock_out")


def _record_about(address: str, action: str) -> None:
    system = User.objects.system()
    person = User.objects.people().filter(email=address).first()
    if person is None:
        log.record(action, by=system, on=system, known=False)
    else:
        log.record(action, by=system, on=person, person_id=person.pk, known=True)


def _credentials_changed(action: str) -> Any:
    def changed(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
        services.password_changed(user, by=user, action=action, keep=request.session.session_key)

    return changed
