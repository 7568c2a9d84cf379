"""Create accounts: by the first admin's link, by invitation, or by a registration that an admin approves."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts import addresses, names, rules
from accounts.mail.letters import CONFIRMATION_SALT, INVITATION_DAYS, secret_of
from accounts.models import Invitation, Mail, Role, User
from accounts.notifications import notify, write_letter, write_to
from accounts.services.privileges import free_name, known_role, set_state, write_grant
from accounts.topics import Topic
from audit import log
from common import rows
from common.access import require
from common.errors import Conflict, Denied, Refused
from common.reasons import reason as written_reason

FIRST_ADMIN_HOURS = 24
WAITING = 500
"""How many registrations may be pending at a time."""
CONFIRMATION_SECONDS = 7 * 24 * 3600


@transaction.atomic
def first_admin_link() -> str:
    """Return a one-time link that creates the first admin. Earlier links stop working."""
    if User.objects.admins().exists():
        raise Conflict("There already is an admin. Ask them for an invitation.")
    system = User.objects.system()
    now = timezone.now()
    Invitation.objects.filter(email="", accepted_at=None, revoked_at=None).update(revoked_at=now)
    item, secret = _new_invitation(
        "", [Role.ADMIN], by=system, until=now + timedelta(hours=FIRST_ADMIN_HOURS)
    )
    log.record("invitation.first_admin", by=system, on=item, expires_at=item.expires_at)
    return _link(secret)


@transaction.atomic
def invite(email: str, *, by: User, roles: Sequence[str]) -> tuple[Invitation, str]:
    """Invite somebody; return the invitation and its link, which is mailed and shown only this once.

    Earlier invitations of this address are withdrawn, so that their roles do not apply besides.
    """
    require(rules.may_manage_people, by, None)
    address = addresses.exact(email)
    chosen = _chosen(roles)
    if User.objects.filter(email=address).exists():
        raise Refused(f"{address} already has an account. Change its roles on the person's page.")
    for earlier in Invitation.objects.open().filter(email=address):
        revoke_invitation(earlier, by=by)
    until = timezone.now() + timedelta(days=INVITATION_DAYS)
    item, secret = _new_invitation(address, chosen, by=by, until=until)
    log.record("invitation.create", by=by, on=item, roles=chosen, expires_at=item.expires_at)
    write_letter(address, Mail.Kind.INVITED)
    return item, _link(secret)


@transaction.atomic
def revoke_invitation(item: Invitation, *, by: User) -> Invitation:
    item = rows.locked(item)
    require(rules.may_revoke_invitation, by, item)
    item.revoked_at = timezone.now()
    item.save(update_fields=["revoked_at"])
    log.record("invitation.revoke", by=by, on=item, changes={"state": ("open", "withdrawn")})
    return item


def find_invitation(secret: str) -> Invitation | None:
    """Return the invitation with this secret, in any state, or None."""
    found = Invitation.objects.filter(secret_hash=_hash(secret)).select_related("invited_by")
    return found.first()


@transaction.atomic
def accept(secret: str, *, email: str, name: str, password: str, time_zone: str) -> User:
    """Create the account of an invitation. The row lock lets the link be used once, even by two people at a time."""
    item = Invitation.objects.select_for_update(of=("self",)).filter(secret_hash=_hash(secret)).first()
    if item is None:
        raise Refused("This invitation does not exist. Ask for a new one.")
    if why := rules.invitation_is_open(item):
        raise Conflict(why)
    if not item.email and User.objects.admins().exists():
        raise Conflict("There already is an admin. Ask them for an invitation.")
    confirmed = timezone.now() if item.email else None
    user = _new_user(
        item.email or email, password, name=free_name(name), time_zone=time_zone, email_confirmed_at=confirmed
    )
    item.accepted_at, item.accepted_by = timezone.now(), user
    item.save(update_fields=["accepted_at", "accepted_by"])
    log.record(
        "invitation.accept", by=user, on=item, person_id=user.pk, changes={"state": ("open", "accepted")}
    )
    for role in item.roles:
        write_grant(user, by=item.invited_by, role=known_role(role), reason="With the invitation")
    text = f"{user} accepted your invitation."
    notify([item.invited_by], text, about=Topic.ASKED, url=person_url(user), by=user)
    return user


def register(email: str, **given: str) -> None:
    """Ask for an account; raise Denied if registration is closed."""
    if not settings.REGISTRATION:
        raise Denied("Registration is closed. Ask an admin for an invitation.")
    ask_for_account(email, **given)


@transaction.atomic
def ask_for_account(
    email: str, *, name: str, password: str, affiliation: str, note: str, time_zone: str
) -> None:
    """Create a pending account. The response and the work are the same whether or not the address has an account.

    A known address fails on the database's unique constraint. A task sends the mail and notifies the admins.
    """
    if User.objects.filter(state=User.State.PENDING).count() >= WAITING:
        raise Refused(
            "Too many people are waiting for an account at the moment. Try again later, or ask an admin for an "
            "invitation."
        )
    address = addresses.exact(email)
    fields = {"affiliation": affiliation, "registration_note": note, "time_zone": time_zone}
    try:
        waits = {"state": User.State.PENDING, "is_active": False}
        _new_user(address, password, name=names.clean(name), **fields, **waits)
        action = "register"
    except Conflict:
        action = "register_again"
    person = User.objects.get(email=address)
    by = person if action == "register" else User.objects.system_actor()
    log.record(f"user.{action}", by=by, on=person, person_id=person.pk)
    write_letter(address, Mail.Kind.REGISTERED if action == "register" else Mail.Kind.REGISTERED_AGAIN)


@transaction.atomic
def confirm_address(token: str) -> User:
    """Record that a registered person has received mail at their address."""
    try:
        pk = signing.loads(token, salt=CONFIRMATION_SALT, max_age=CONFIRMATION_SECONDS)
    except signing.BadSignature as bad:
        raise Refused("This link is no longer valid. Ask an admin for an invitation.") from bad
    person = User.objects.select_for_update(of=("self",)).get(pk=pk)
    if person.email_confirmed_at is None:
        person.email_confirmed_at = timezone.now()
        person.save(update_fields=["email_confirmed_at"])
        log.record("user.confirm_address", by=person, on=person, person_id=person.pk)
    return person


@transaction.atomic
def approve_registration(person: User, *, by: User, roles: Sequence[str], name: str = "") -> User:
    """Approve a registration with these roles. Pass another `name` if theirs looks like somebody else's."""
    person = rows.locked(person)
    require(rules.may_decide_registration, by, person)
    chosen = _chosen(roles)
    _settle_name(person, name or person.name, by=by)
    person = set_state(person, User.State.ACTIVE, by=by, action="approve_registration", reason="")
    for role in chosen:
        write_grant(person, by=by, role=role, reason="With the registration")
    write_to(person.email, "Your account is ready. Sign in.", url=reverse("account_login"))
    return person


@transaction.atomic
def refuse_registration(person: User, *, by: User, reason: str) -> User:
    person = rows.locked(person)
    require(rules.may_decide_registration, by, person)
    text = written_reason(reason)
    person = set_state(person, User.State.REFUSED, by=by, action="refuse_registration", reason=text)
    write_to(person.email, "Your registration was refused.", extra=f"The reason given: {text}")
    return person


def _settle_name(person: User, wanted: str, *, by: User) -> None:
    old, person.name = person.name, free_name(wanted, person)
    if person.name != old:
        person.save(update_fields=["name"])
        log.record("user.update", by=by, on=person, person_id=person.pk, changes={"name": (old, person.name)})


def person_url(person: User) -> str:
    return reverse("accounts:person", args=[person.pk])


def _new_invitation(email: str, roles: Sequence[str], *, by: User, until: datetime) -> tuple[Invitation, str]:
    item = Invitation(email=email, roles=list(roles), invited_by=by, expires_at=until)
    secret = secret_of(item)
    item.secret_hash = _hash(secret)
    item.save()
    return item, secret


def _new_user(email: str, password: str, **fields: object) -> User:
    try:
        with transaction.atomic():
            return User.objects.create_user(email, password, **fields)
    except IntegrityError as taken:
        raise Conflict("This address already has an account. Sign in with it.") from taken


def _chosen(roles: Sequence[str]) -> list[str]:
    """Return the roles of a new account, checked against each other. Somebody who only reviews has none."""
    chosen = sorted({known_role(role) for role in roles})
    if why := rules.go_together(chosen):
        raise Refused(why)
    return chosen


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _link(secret: str) -> str:
    return f"{settings.BASE_URL}{reverse('accounts:welcome', args=[secret])}"
