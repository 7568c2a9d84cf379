"""Sign in a program that has no browser (RFC 8628): it shows a code, and its person types that code on a page here."""

from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Min, QuerySet
from django.utils import timezone

from accounts import rules, secrets
from accounts.models import AccessToken, DeviceSignIn, User
from accounts.services import tokens
from audit import log
from common import rows
from common.access import require
from common.client_address import network_of
from common.errors import Conflict, Refused
from common.rest.grants import SCOPES

State = DeviceSignIn.State
Made = tuple[AccessToken, str]

ALLOWED = ("read", "ask", "work")
"""The scopes that a program can get in this way. Others are given on the page of tokens, with the password."""
SECONDS = 600
LONGEST_INTERVAL = 60
SLOWER = 5
REPLACED_SECONDS = 60
"""For how long after its first token a program gets another one, in case that the answer got lost on its way."""
REPLACEMENTS = 3
OPEN_PER_NETWORK = 20
OPEN = 1000
"""How many programs may wait at a time. Counted without a lock: a few more do no harm."""


class TooManyOpen(Refused):
    """Too many programs wait for somebody to sign them in."""

    code = "too_many"
    RETRY_SECONDS = 60


class AuthorizationPending(Refused):
    """Nobody has typed the code yet."""

    code = "authorization_pending"


class SlowDown(Refused):
    """The program asks more often than `interval` allows."""

    code = "slow_down"


class AccessDenied(Refused):
    """The person has refused."""

    code = "access_denied"


class ExpiredToken(Refused):
    """There is no such sign-in, or not any more."""

    code = "expired_token"


def begin(*, name: str, scopes: Collection[str], address: str) -> tuple[DeviceSignIn, str]:
    """Note that a program wants to be signed in; return this and the secret with which the program polls."""
    name, chosen = tokens.checked_name(name), _scopes(scopes)
    waiting, network = _waiting(), network_of(address)
    if waiting.filter(network=network).count() >= OPEN_PER_NETWORK:
        raise TooManyOpen("Too many programs wait for a sign-in. Finish one of yours, or try again later.")
    if waiting.count() >= OPEN:
        _drop_one(waiting)
    code = secrets.new_device_code()
    item = DeviceSignIn.objects.create(
        device_hash=secrets.digest(code),
        user_code=secrets.new_user_code(),
        name=name,
        scopes=chosen,
        address=address,
        network=network,
        expires_at=timezone.now() + timedelta(seconds=SECONDS),
    )
    return item, code


def _waiting() -> "QuerySet[DeviceSignIn]":
    return DeviceSignIn.objects.filter(state=State.WAITING, expires_at__gt=timezone.now())


def _drop_one(waiting: "QuerySet[DeviceSignIn]") -> None:
    """Forget the oldest sign-in of the network with the most: whoever opens many cannot shut out the others."""
    networks = waiting.values("network").annotate(open=Count("pk"), since=Min("created_at"))
    fullest = networks.order_by("-open", "since").values("network")[:1]
    oldest = waiting.filter(network__in=fullest).order_by("created_at").values("pk")[:1]
    waiting.filter(pk__in=oldest).delete()


def _scopes(scopes: Collection[str]) -> list[str]:
    chosen = set(scopes)
    if not chosen or not chosen <= set(ALLOWED):
        raise Refused(
            f"A program can be signed in for these scopes: {', '.join(ALLOWED)}. For others, make a token on the page "
            "Access tokens."
        )
    return sorted(chosen, key=list(SCOPES).index)


def find(text: str) -> DeviceSignIn | None:
    """Return the sign-in that waits under this user code, however it was typed, or None."""
    return _waiting().filter(user_code=secrets.typed(text)).first()


def allow(item: DeviceSignIn, *, by: User) -> DeviceSignIn:
    """Let a program act for oneself. It gets a token when it asks the next time."""
    return _decide(item, State.ALLOWED, by=by)


def refuse(item: DeviceSignIn, *, by: User) -> DeviceSignIn:
    return _decide(item, State.REFUSED, by=by)


@transaction.atomic
def _decide(item: DeviceSignIn, state: str, *, by: User) -> DeviceSignIn:
    by = rows.locked(by)
    require(rules.may_sign_in, by, by)
    item = rows.locked(item)
    if item.state != State.WAITING or item.expires_at <= timezone.now():
        raise Conflict("This sign-in has been decided on or has expired. Start again in the program.")
    item.state, item.person = state, by
    item.save(update_fields=["state", "person"])
    verb = "allow" if state == State.ALLOWED else "refuse"
    log.record(f"device.{verb}", by=by, on=item, person_id=by.pk, scopes=item.scopes, client=item.address)
    return item


def poll(code: str) -> Made:
    """Return the program's token and its secret, once its person has allowed that. Raises a refusal until then."""
    with transaction.atomic():
        item = _locked(code)
        found = (
            ExpiredToken("This sign-in is unknown or has expired. Start again.")
            if item is None
            else _polled(item)
        )
    if isinstance(found, Refused):
        raise found
    return found


def _locked(code: str) -> DeviceSignIn | None:
    """Return the sign-in, with its person locked before it: whoever ends all tokens of a person takes this order."""
    known = DeviceSignIn.objects.filter(device_hash=secrets.digest(code))
    person = known.values_list("person", flat=True).first()
    if person is not None:
        User.objects.select_for_update().get(pk=person)
    return known.select_for_update().first()


def _polled(item: DeviceSignIn) -> Made | Refused:
    """Return what the program gets. A refusal is returned, not raised: what is noted with it must be stored."""
    now = timezone.now()
    if item.token is not None:
        return _replaced(item, item.token)
    if item.expires_at <= now:
        return ExpiredToken("This sign-in is unknown or has expired. Start again.")
    if item.state == State.REFUSED:
        return AccessDenied("The sign-in was refused. Start again if that was a mistake.")
    if item.person is None:
        return _still_waiting(item)
    return _make(item, item.person)


def _still_waiting(item: DeviceSignIn) -> Refused:
    return _slowed_down(item) or AuthorizationPending("Nobody has typed the code yet. Ask again.")


def _slowed_down(item: DeviceSignIn) -> SlowDown | None:
    """Note when the program asks. If that is too soon, return a refusal and make it wait longer."""
    now, before = timezone.now(), item.polled_at
    too_soon = before is not None and now - before < timedelta(seconds=item.interval)
    item.polled_at = now
    item.interval = min(item.interval + SLOWER * too_soon, LONGEST_INTERVAL)
    item.save(update_fields=["polled_at", "interval"])
    return SlowDown(f"Ask every {item.interval} s, not more often.") if too_soon else None


def _replaced(item: DeviceSignIn, token: AccessToken) -> Made | Refused:
    """Return another token instead of one that the program never used: the answer with it was lost."""
    if not _is_replaceable(item, token):
        return ExpiredToken("This sign-in has given its token. Start again for another one.")
    if slowed := _slowed_down(item):
        return slowed
    tokens.end([token], by=token.owner)
    item.replacements += 1
    return _make(item, token.owner)


def _is_replaceable(item: DeviceSignIn, token: AccessToken) -> bool:
    """Whether the first token was given a short time ago, few have followed, and the last of them was not used."""
    since = timezone.now() - timedelta(seconds=REPLACED_SECONDS)
    is_early = item.given_at is not None and item.given_at > since and item.replacements < REPLACEMENTS
    return is_early and token.last_used_on is None and token.state == "live"


def _make(item: DeviceSignIn, person: User) -> Made:
    made = tokens.make(by=person, name=item.name, scopes=item.scopes, origin=AccessToken.Origin.DEVICE)
    item.token, item.polled_at = made[0], timezone.now()
    item.given_at = item.given_at or item.polled_at
    item.save(update_fields=["token", "polled_at", "given_at", "replacements"])
    return made


def forget_expired() -> int:
    """Delete the sign-ins that expired a day ago or earlier. Their tokens stay."""
    old = DeviceSignIn.objects.filter(expires_at__lt=timezone.now() - timedelta(days=1))
    return old.delete()[0]
