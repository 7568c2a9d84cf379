"""What the worker does for people: mail."""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from celery import shared_task
from django.core import signing
from django.db import transaction
from django.urls import reverse

from accounts.models import Notification, User
from common import mail

CONFIRMATION_SALT = "accounts.confirm-address"


@shared_task(ignore_result=True)
def mail_notifications(pks: list[str]) -> None:
    for item in Notification.objects.filter(pk__in=pks).select_related("user"):
        mail.send(item.user.email, item.text, url=item.url)


@shared_task(ignore_result=True)
def mail_address(address: str, text: str, url: str = "", extra: str = "") -> None:
    """Mail that does not wait in anybody's bell: to those who cannot sign in yet, or no longer."""
    mail.send(address, text, url=url, extra=extra)


@shared_task(ignore_result=True)
def mail_reset_link(address: str) -> None:
    """The link that sets a new password, if this is the address of an active account.

    The page that asked has answered by now: how long this takes says nothing about who has an account.
    """
    person = User.objects.with_address(address).filter(is_active=True).first()
    if person is None:
        return
    key = f"{user_pk_to_url_str(person)}-{default_token_generator.make_token(person)}"
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
    mail.send(
        person.email,
        "Set a new password for Weir.",
        url=path.replace("UID-KEY", key),
        extra="Somebody asked for this link with your address. If it was not you, do nothing: your password stays.",
    )


@shared_task(ignore_result=True)
def follow_registration(pk: str, is_new: bool) -> None:  # noqa: FBT001 -- as the broker carries it
    """Mail to the address that asked for an account, and a line in the admins' bells.

    Neither repeats a word of what a stranger has typed.
    """
    from accounts.notifications import tell  # noqa: PLC0415 -- it rings for tasks itself

    person = User.objects.get(pk=pk)
    if not is_new:
        mail.send(person.email, "Somebody asked for an account with your address, which has one.", url="/")
        return
    mail.send(
        person.email,
        "Confirm your address for Weir.",
        url=reverse("accounts:confirm_address", args=[signing.dumps(pk, salt=CONFIRMATION_SALT)]),
        extra="You asked for an account. After this an admin decides on it.",
    )
    page = reverse("accounts:registrations")
    with transaction.atomic():
        know = Notification.objects.unread().filter(url=page).values("user")
        tell(User.objects.admins().exclude(pk__in=know), "Somebody asks for an account.", url=page)
