"""Passkeys (WebAuthn): the site that they belong to, and what is accepted from a browser.

allauth and fido2 run the ceremonies. A passkey is bound to the host name of WEIR_BASE_URL. Each requires a fingerprint,
a face or a PIN, so it is two factors by itself.
"""

import ipaddress
import struct
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms as allauth_forms
from django import forms
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from fido2.utils import websafe_decode
from fido2.webauthn import CollectedClientData

from common import plain_json

T = TypeVar("T")
MOST = 20
LONGEST_NAME = 60
LONGEST_ANSWER = 20_000
REFUSED = "This passkey was not accepted. Try again, or sign in another way."
TOO_MANY = {"too_many_login_attempts", "rate_limited"}
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, struct.error)
"""What fido2 raises for bytes that are not an authenticator's response."""


def unavailable() -> str | None:
    """Return why browsers create no passkeys for this portal's address, or None if they do."""
    base = urlsplit(settings.BASE_URL)
    host = base.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if base.scheme == "https" or host == "localhost":
            return None
        return "Browsers allow passkeys only at https addresses."
    why = "Browsers allow passkeys only if the portal's address is a host name, not an IP address."
    return (
        f"{why} To try passkeys, start the demo with: bin/launch --host localhost" if settings.DEMO else why
    )


class MFAAdapter(DefaultMFAAdapter):
    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": urlsplit(settings.BASE_URL).hostname or "", "name": "Weir"}

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:  # noqa: A002 -- allauth's name
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return f"Passkey {count + 1}"


class AnswerField(forms.CharField):
    """The authenticator's response as JSON, accepted only from a page of this portal."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(
            max_length=LONGEST_ANSWER, error_messages={"required": REFUSED, "max_length": REFUSED}
        )

    def clean(self, value: Any) -> dict[str, Any]:
        text = super().clean(value)
        try:
            answer: dict[str, Any] = plain_json.loads(text)
            signed = CollectedClientData(websafe_decode(answer["response"]["clientDataJSON"]))
        except MALFORMED as bad:
            raise ValidationError(REFUSED) from bad
        # fido2 alone would accept every port and every subdomain.
        if signed.origin != settings.BASE_URL or signed.cross_origin:
            raise ValidationError(REFUSED)
        return answer


class AddForm(allauth_forms.AddWebAuthnForm):
    name = forms.CharField(
        label="Name",
        max_length=LONGEST_NAME,
        required=False,
        help_text="A name by which you recognize it: “Office laptop”, “Phone”, “Blue key”.",
    )
    credential = AnswerField()
    passwordless = None  # every passkey may sign in by itself, if the authenticator can keep it

    def clean(self) -> dict[str, Any]:
        held = Authenticator.objects.filter(user=self.user, type=Authenticator.Type.WEBAUTHN).count()
        if held >= MOST:
            raise ValidationError(f"You already have {MOST} passkeys. Remove one that you do not use.")
        return _accepted(super().clean)


class RenameForm(allauth_forms.EditWebAuthnForm):
    name = forms.CharField(label="Name", max_length=LONGEST_NAME)


class AuthenticateForm(allauth_forms.AuthenticateWebAuthnForm):
    """Sign-in with a passkey as the second step, after the password."""

    credential = AnswerField()

    def clean_credential(self) -> Authenticator:
        return _accepted(super().clean_credential)


class SignInForm(allauth_forms.LoginWebAuthnForm):
    """Sign-in with a passkey alone."""

    credential = AnswerField()

    def clean_credential(self) -> Authenticator:
        return _accepted(super().clean_credential)


class ReauthenticateForm(allauth_forms.ReauthenticateWebAuthnForm):
    credential = AnswerField()

    def clean_credential(self) -> Authenticator:
        return _accepted(super().clean_credential)


def _accepted(check: Callable[[], T]) -> T:
    """Return the result of `check`. Every invalid response gets the same error, except after too many attempts."""
    try:
        return check()
    except ValidationError as refused:
        if refused.code in TOO_MANY:
            raise
        raise ValidationError(REFUSED) from refused
    except MALFORMED as bad:
        raise ValidationError(REFUSED) from bad
