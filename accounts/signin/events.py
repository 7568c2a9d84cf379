"""Receivers for the signals of django.contrib.auth, allauth and axes: audit entries, sessions and lock-out.

Also names the account or device under which axes counts failed sign-ins.
"""

from typing import Any

from allauth.account import signals as account_signals
from allauth.mfa import signals as mfa_signals
from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts import addresses, services
from accounts.models import User
from accounts.signin import devices
from audit import log
from common.client_address import client_address
from common.errors import Refused


def lockout_name(request: HttpRequest | None, credentials: dict[str, Any] | None = None) -> str:
    """Return the name under which failed sign-ins are counted: the known device, else the address."""
    address = typed_address(request, credentials)
    device = devices.known(request, address) if request is not None else None
    return address if device is None else f"device {device}"


def typed_address(request: HttpRequest | None, credentials: dict[str, Any] | None = None) -> str:
    """Return the address of a sign-in attempt in its stored form, or "" if it is invalid."""
    given = credentials or {}
    typed = given.get("email") or given.get("username") or (request.POST.get("login") if request else None)
    try:
        return addresses.exact(str(typed or ""))
    except Refused:
        return ""


def connect() -> None:
    """Connect the receivers. Call it once, from AppConfig.ready()."""
    user_logged_in.connect(signed_in, dispatch_uid="accounts.signed_in")
    user_logged_out.connect(signed_out, dispatch_uid="accounts.signed_out")
    user_login_failed.connect(sign_in_failed, dispatch_uid="accounts.sign_in_failed")
    user_locked_out.connect(locked_out, dispatch_uid="accounts.locked_out")
    account_signals.password_reset.connect(password_reset, dispatch_uid="accounts.password_reset")
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
    client = client_address(request)
    request.session["device"] = request.headers.get("User-Agent", "")[:200]
    request.session["signed_in_at"] = timezone.now().isoformat(timespec="seconds")
    request.session["client"] = client
    devices.proved(request, user.email)
    log.record("session.sign_in", by=user, on=user, person_id=user.pk, client=client)


@transaction.atomic
def signed_out(sender: object, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        log.record("session.sign_out", by=user, on=user, person_id=user.pk)


@transaction.atomic
def sign_in_failed(
    sender: object, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """Record a failed sign-in.

    The address is stored only if it has an account: people sometimes type their password into this field.
    """
    _record_about("session.sign_in_failed", request, credentials)


@transaction.atomic
def locked_out(sender: object, request: HttpRequest, **kwargs: Any) -> None:
    _record_about("session.lock_out", request, getattr(request, "axes_credentials", None))


def password_reset(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Treat the browser as known after a reset by mail, so that strangers' attempts do not lock the person out."""
    devices.proved(request, user.email)


def _record_about(action: str, request: HttpRequest | None, credentials: dict[str, Any] | None) -> None:
    system = User.objects.system()
    person = User.objects.people().filter(email=typed_address(request, credentials)).first()
    known = person is not None
    log.record(
        action,
        by=system,
        on=person or system,
        person_id=person.pk if person else "",
        known=known,
        client=client_address(request) if request is not None else "",
    )


def _credentials_changed(action: str) -> Any:
    def changed(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
        services.password_changed(user, by=user, action=action, keep=request.session.session_key)

    return changed
