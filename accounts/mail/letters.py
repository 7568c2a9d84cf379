"""What a waiting mail says. Of those that hold a secret, or depend on who has an account, only the kind is kept.

They are written here, by the worker: the page that asked has answered by then, so that how long this takes says
nothing about who has an account, and no secret link lies in the database.
"""

from dataclasses import dataclass

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.core import signing
from django.urls import reverse

from accounts.models import Invitation, Mail, User
from common import fingerprints

CONFIRMATION_SALT = "accounts.confirm-address"
INVITATION_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A sentence, a link to a page of the portal, and what else is to be said."""

    text: str
    url: str = ""
    extra: str = ""


def letter(item: Mail) -> Letter | None:
    """What this mail says; None when there is nobody to say it to."""
    if item.kind == Mail.Kind.MESSAGE:
        return Letter(text=item.text, url=item.url, extra=item.extra)
    if item.kind == Mail.Kind.INVITED:
        return _invited(item.address)
    person = User.objects.with_address(item.address).first()
    if person is None:
        return None
    match Mail.Kind(item.kind):
        case Mail.Kind.RESET:
            return _reset(person) if person.is_active else None
        case Mail.Kind.REGISTERED:
            return _registered(person)
        case _:
            return Letter(text="Somebody asked for an account with your address, which has one.", url="/")


def secret_of(invitation: Invitation) -> str:
    """What its link ends in. The portal alone can work it out: it is kept nowhere."""
    return fingerprints.keyed("accounts.invitation", str(invitation.pk))


def _invited(address: str) -> Letter | None:
    item = Invitation.objects.open().filter(email=address).select_related("invited_by").first()
    if item is None:
        return None
    return Letter(
        text=f"{item.invited_by} invites you to Weir.",
        url=reverse("accounts:welcome", args=[secret_of(item)]),
        extra=f"The link works for {INVITATION_DAYS} days.",
    )


def _reset(person: User) -> Letter:
    key = f"{user_pk_to_url_str(person)}-{default_token_generator.make_token(person)}"
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
    return Letter(
        text="Set a new password for Weir.",
        url=path.replace("UID-KEY", key),
        extra="Somebody asked for this link with your address. If it was not you, do nothing: your password stays.",
    )


def _registered(person: User) -> Letter:
    return Letter(
        text="Confirm your address for Weir.",
        url=reverse("accounts:confirm_address", args=[signing.dumps(str(person.pk), salt=CONFIRMATION_SALT)]),
        extra="You asked for an account. After this an admin decides on it.",
    )
