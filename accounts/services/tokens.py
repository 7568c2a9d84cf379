"""Access tokens: make, revoke, and note that one was used."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import rules, secrets
from accounts.models import AccessToken, DeviceSignIn, User
from audit import log
from common import live, plain_json, rows
from common.access import require
from common.errors import Conflict, Refused
from common.rest.grants import SCOPES
from runner.plain_text import is_hidden

DAYS = 30
"""How long a token lasts unless its person chooses."""
LONGEST_DAYS = 365
LONGEST_DAYS_OF_CONFIRMED = 30
CONFIRMED = frozenset({"publish", "budgets", "review"})
"""Scopes with steps for which a browser asks the password: given with the password, and not for long."""
MOST = 50
"""How many live tokens a person may have."""
NAME_LIMIT = 100
DATASETS_LIMIT = 100


@transaction.atomic
def make(
    *,
    by: User,
    name: str,
    scopes: Collection[str],
    days: int = DAYS,
    dataset_ids: Collection[UUID] | None = None,
    origin: str = AccessToken.Origin.PAGE,
) -> tuple[AccessToken, str]:
    """Make a token for oneself; return it and its secret, which nobody can read again."""
    require(rules.may_sign_in, by, by)
    name = checked_name(name)
    chosen = _scopes(scopes)
    _check_days(days, chosen)
    rows.locked(by)
    if by.access_tokens.filter(Q(revoked_at=None), expires_at__gt=timezone.now()).count() >= MOST:
        raise Conflict(f"You have {MOST} access tokens already. Revoke one that you no longer use.")
    secret = secrets.new()
    token = AccessToken.objects.create(
        owner=by,
        name=name,
        secret_hash=secrets.digest(secret),
        ending=secret[-4:],
        scopes=chosen,
        dataset_ids=_dataset_ids(dataset_ids),
        origin=origin,
        expires_at=timezone.now() + timedelta(days=days),
    )
    log.record(
        "token.make", by=by, on=token, person_id=by.pk, scopes=chosen, datasets=token.dataset_ids or "all",
        expires_at=token.expires_at, origin=origin,
    )  # fmt: skip
    live.changed("user", by.pk)
    return token, secret


def checked_name(name: str) -> str:
    """Return the name of a token or a program; raise Refused if it is empty, too long or not plain text."""
    name = name.strip()
    if not name or len(name) > NAME_LIMIT or not _is_plain(name):
        raise Refused(
            f"Give a name of at most {NAME_LIMIT} plain characters, such as the program that uses the token."
        )
    return name


def _is_plain(text: str) -> bool:
    """Whether people see all of it: somebody has to recognise the program by it."""
    return plain_json.is_text(text) and text.isprintable() and not any(map(is_hidden, text))


def _scopes(scopes: Collection[str]) -> list[str]:
    chosen = sorted(set(scopes), key=list(SCOPES).index) if set(scopes) <= set(SCOPES) else []
    if not chosen:
        raise Refused(f"Choose at least one scope: {', '.join(SCOPES)}.")
    return chosen


def _check_days(days: int, scopes: Collection[str]) -> None:
    limit = LONGEST_DAYS_OF_CONFIRMED if CONFIRMED & set(scopes) else LONGEST_DAYS
    if not 1 <= days <= limit:
        raise Refused(f"A token with these scopes lasts from 1 to {limit} days.")


def _dataset_ids(ids: Collection[UUID] | None) -> list[str] | None:
    if ids is None:
        return None
    if not 1 <= len(ids) <= DATASETS_LIMIT:
        raise Refused(f"Choose from 1 to {DATASETS_LIMIT} datasets, or all.")
    return sorted(str(pk) for pk in ids)


@transaction.atomic
def revoke(token: AccessToken, *, by: User) -> AccessToken:
    """Revoke one of one's own tokens. It stops working at once, and its streams are closed."""
    token = rows.locked(token)
    if why := rules.may_revoke_token(by, token):
        raise Conflict(why)
    end([token], by=by)
    return token


def end_all(person: User, *, by: User) -> None:
    """Revoke every live token of a person, in the caller's transaction, and the consent to make more of them.

    Sign-ins of programs are locked before tokens, as in `programs.poll`.
    """
    DeviceSignIn.objects.filter(person=person, state=DeviceSignIn.State.ALLOWED).update(
        state=DeviceSignIn.State.REFUSED
    )
    end(list(AccessToken.objects.live().filter(owner=person).select_for_update()), by=by)


def end(tokens: Collection[AccessToken], *, by: User) -> None:
    """Revoke these tokens, in the caller's transaction. Their streams close with their person's sockets."""
    for token in tokens:
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])
        log.record(
            "token.revoke", by=by, on=token, person_id=token.owner_id, changes={"state": ("live", "revoked")}
        )
    for owner in {token.owner_id for token in tokens}:
        live.close_sockets(owner)


def used(token: AccessToken) -> None:
    """Note the day of a call, and record the first one of each day."""
    today = timezone.now().date()
    if token.last_used_on == today:
        return
    with transaction.atomic():
        earlier = Q(last_used_on=None) | Q(last_used_on__lt=today)
        if AccessToken.objects.filter(earlier, pk=token.pk).update(last_used_on=today):
            log.record("token.use", by=token.owner, on=token, person_id=token.owner_id, day=today)
