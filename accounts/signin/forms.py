"""Forms that replace allauth's for sign-in, password reset and authenticator apps."""

from typing import Any

from allauth.account.forms import LoginForm
from allauth.core import ratelimit
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm as AllauthActivateTOTPForm
from allauth.mfa.totp.internal.auth import TOTP
from django import forms
from django.http import HttpRequest

from accounts.forms import AddressField
from accounts.models import Mail
from accounts.notifications import write_letter


class SignInForm(LoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"] = AddressField(
            label="Email", widget=forms.EmailInput(attrs={"autocomplete": "username"})
        )


class ResetForm(forms.Form):
    """Sends a link that sets a new password. Nothing here depends on whether the address has an account."""

    email = AddressField(label="Email", widget=forms.EmailInput(attrs={"autocomplete": "email"}))

    def save(self, request: HttpRequest, **kwargs: object) -> str:
        """Queue the mail, up to a limit per address. Links that were sent before still work."""
        address: str = self.cleaned_data["email"]
        if ratelimit.consume(request, action="reset_mail", key=address):
            write_letter(address, Mail.Kind.RESET)
        return address


class ActivateTOTPForm(AllauthActivateTOTPForm):
    """Marks the code that activates the app as used, as every other code is."""

    def clean_code(self) -> str:
        code: str = super().clean_code()
        app = TOTP(Authenticator(user=self.user, type=Authenticator.Type.TOTP))
        if not app._mark_code_used(code):  # noqa: SLF001 -- what allauth does with every other code
            raise get_adapter().validation_error("incorrect_code")
        return code
