"""The text of queued mails. A mail that contains a secret, or depends on who has an account, is stored as a kind only.

The worker composes it here, after the page has responded: the response time does not reveal who has an account, and
no secret link is stored in the database.
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
    """A sentence, a link to a page of the portal, and a further paragraph."""

    text: str
    url: str = ""
    extra: str = ""


def letter(item: Mail) -> Letter | None:
    """Return the content of this mail, or None if it has no recipient any longer."""
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
            return Letter(
                text="Somebody asked for an account with your address, which already has one.", url="/"
            )


def secret_of(invitation: Invitation) -> str:
    """Return the secret at the end of the invitation's link. Only the portal's key can derive it; it is not stored."""
    return fingerprints.keyed("accounts.invitation", str(invitation.pk))


def _invited(address: str) -> Letter | None:
    item = Invitation.objects.open().filter(email=address).select_related("invited_by").first()
    if item is None:
        return None
    return Letter(
        text=f"{item.invited_by} invites you to Weir.",
        url=reverse("accounts:welcome", args=[secret_of(item)]),
        extra="Weir is a portal through which people compute with private data that they never see. You would be: "
        f"{', '.join(item.role_names)}. The link works for {INVITATION_DAYS} days.",
    )


def _reset(person: User) -> Letter:
    key = f"{user_pk_to_url_str(person)}-{default_token_generator.make_token(person)}"
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
    return Letter(
        text="Set a new password for Weir.",
        url=path.replace("UID-KEY", key),
        extra="Somebody asked for this link with your address. If it was not you, ignore this e-mail: "
        "your password stays the same.",
    )


def _registered(person: User) -> Letter:
    return Letter(
        text="Confirm your address for Weir.",
        url=reverse("accounts:confirm_address", args=[signing.dumps(str(person.pk), salt=CONFIRMATION_SALT)]),
        extra="You asked for an account. Once you have confirmed your address, an admin decides.",
    )
