"""Calls of other portals: whoever is not known gets the answer of an address that does not exist."""

import functools
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from common.client_address import client_address, network_of
from common.errors import CODES, Conflict, Refused, TooLarge
from network import calls, cards, documents, identity, limits, signatures
from network.models import Peer, PeerKey
from network.signatures import Answer, Call, NotSigned, Signature

FROM_ONE_NETWORK = 3_000
"""Calls a minute from one network before anything is verified: strangers must not keep the portal verifying."""
OF_ONE_PEER = 240
OF_ITS_GUESTS = 2_400
"""Calls a minute that one peer passes on for its people. Each person has limits of their own besides."""
LIMIT = 262_144
NOTED_EVERY = timedelta(minutes=1)
NOBODY = bytes(32)
"""Calls of unknown portals are verified with this key, so that they take as long as others. They remain nobody's."""


class PeerRequest(HttpRequest):
    """A request of a known portal, whose signature was verified."""

    peer: Peer
    document: dict[str, Any]
    """The body; empty if there is none."""


class TooManyCalls(Refused):
    """This portal or network has called too often within a minute."""

    code = "too_many"


class NoSuchMethod(Refused):
    """The address does not take this method."""

    code = "method_not_allowed"


class NotFound(Refused):
    """There is nothing with this id for this peer."""

    code = "not_found"


class NotJson(Refused):
    """The body is not a document."""

    code = "not_json"


class NotForThem(Exception):
    """This peer may not know that there is something here."""


View = Callable[..., HttpResponse]


def signed_call(
    *methods: str, invited: bool = False, limit: int = LIMIT, for_guests: bool = False
) -> Callable[[View], View]:
    """Decorate a view for calls of peers, with these methods and bodies of at most `limit` bytes.

    The view gets a PeerRequest, and returns `reply(...)`. What it refuses (Refused, Http404) becomes a problem. Answers
    are signed. Calls `for_guests` are counted apart. Unless `invited`, only an active peer is answered. All others get
    the answer of `nothing`.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def answered(request: HttpRequest, call: Call, *args: Any, **kwargs: Any) -> HttpResponse:
            found = _caller(call)
            if found is None:
                return nothing(request)
            peer, signature = found
            try:
                _admit(peer, signature, is_open_for_invited=invited, is_for_guests=for_guests)
                answer = _answer(request, call, methods, functools.partial(view, *args, **kwargs), peer)
            except NotForThem:
                return nothing(request)
            except Refused as why:
                answer = problem(why)
            return _signed(answer, call)

        return _open(answered, limit)

    return decorate


def open_call(*methods: str, limit: int = LIMIT) -> Callable[[View], View]:
    """Decorate a view for calls of portals that need not be known: it gets a request with a `document`, and no peer.

    If a known peer has signed the call, that is noted as with every other call of it. Answers are not signed.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def answered(request: HttpRequest, call: Call, *args: Any, **kwargs: Any) -> HttpResponse:
            if call.method not in methods:
                return nothing(request)
            try:
                found = _caller(call)
                if found is not None:
                    _admit(*found, is_open_for_invited=True)
                request.document = _document(call)  # type: ignore[attr-defined]
                return view(request, *args, **kwargs)
            except Refused as why:
                return problem(why)

        return _open(answered, limit)

    return decorate


@login_not_required
@csrf_exempt
def nothing(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """Answer like an address that does not exist: for every other address of calls, and for callers unknown here."""
    return HttpResponse("There is nothing here.\n", content_type="text/plain; charset=utf-8", status=404)


def reply(document: dict[str, Any], status: int = 200) -> HttpResponse:
    """Answer with a document. Raises ValueError for what documents cannot contain, such as floats."""
    return HttpResponse(documents.canonical(document), content_type=signatures.JSON, status=status)


def problem(why: Refused) -> HttpResponse:
    """Answer with a refusal."""
    code = why.code
    answer = reply({"code": code, "title": CODES[code][1], "detail": str(why)}, why.status)
    if why.status in {429, 503}:
        answer["Retry-After"] = str(limits.MINUTE)
    return answer


def take_of_network(request: HttpRequest) -> None:
    """Count a call that nobody has verified. Raises TooManyCalls, or Busy if the cache cannot be asked."""
    if not limits.take(f"from:{network_of(client_address(request))}", FROM_ONE_NETWORK):
        raise TooManyCalls("There were too many calls from this network. Try again in a minute.")


def _open(answered: View, limit: int) -> View:
    """Let strangers in, as far as their number allows, and read the call."""

    @login_not_required
    @csrf_exempt
    @functools.wraps(answered)
    def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            take_of_network(request)
            call = _call(request, limit)
        except Refused as why:
            return problem(why)
        return answered(request, call, *args, **kwargs)

    return opened


def _call(request: HttpRequest, limit: int) -> Call:
    """Return the request as its caller has signed it, if anybody has. Raises TooLarge."""
    body = _body(request, limit)
    headers = {name: request.headers[name] for name in signatures.HEADERS if name in request.headers}
    return Call(str(request.method), settings.BASE_URL + request.get_full_path(), body, headers)


def _body(request: HttpRequest, limit: int) -> bytes:
    long = TooLarge(f"The body of a call here may have {limit:,} bytes.")
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if not declared.isdecimal() or int(declared) > limit:
        raise long
    try:
        body = request.body
    except RawPostDataException:  # a form with parts, which Django has read: nobody signs one
        return b""
    except SuspiciousOperation as bad:
        raise long from bad
    if len(body) > limit:
        raise long
    return body


def _caller(call: Call) -> tuple[Peer, Signature] | None:
    """Return the peer that has signed a call, and what the signature says; None if no peer that is heard has."""
    claimed = signatures.key_of(call.headers)
    if claimed is None:
        return None
    url, key_id = claimed
    found = _pinned(url, key_id)
    public = NOBODY if found is None else bytes(found.public)
    try:
        signature = signatures.verify_call(call, {f"{url}#{key_id}": public}.get)
    except NotSigned:
        return None
    return None if found is None else (found.peer, signature)


def _pinned(url: str, key_id: str) -> PeerKey | None:
    heard = [Peer.State.INVITED, Peer.State.ACTIVE]
    keys = PeerKey.objects.filter(peer__url=url, peer__state__in=heard).select_related("peer")
    now = timezone.now()
    return next((key for key in keys if cards.key_id(bytes(key.public)) == key_id and key.counts(now)), None)


def _admit(
    peer: Peer, signature: Signature, *, is_open_for_invited: bool, is_for_guests: bool = False
) -> None:
    """Refuse what is late, was here before, or is too much. The call of an invited peer makes it active."""
    if why := signature.why_not_now(time.time()):
        raise Refused(why)
    if not limits.is_new(f"{signature.key_id} {signature.nonce}"):
        raise Conflict("This call was here before. Sign it again.")
    kind, most = ("guests", OF_ITS_GUESTS) if is_for_guests else ("peer", OF_ONE_PEER)
    if not limits.take(f"{kind}:{peer.pk}", most):
        raise TooManyCalls(f"A portal may make {most:,} of these calls in a minute. Try again in a minute.")
    now = timezone.now()
    if peer.seen_at is None or peer.seen_at < now - NOTED_EVERY:
        calls.note(peer, seen_at=now)
    if peer.state == Peer.State.INVITED:
        calls.heard(peer)
        peer.refresh_from_db()
    if peer.state != Peer.State.ACTIVE and not is_open_for_invited:
        raise NotForThem


def _answer(
    request: HttpRequest, call: Call, methods: tuple[str, ...], view: View, peer: Peer
) -> HttpResponse:
    if call.method not in methods:
        raise NoSuchMethod(f"This address does not take {call.method}. Use {' or '.join(methods)}.")
    request.peer, request.document = peer, _document(call)  # type: ignore[attr-defined]
    try:
        return view(request)
    except Http404:
        return problem(NotFound("There is nothing here."))


def _document(call: Call) -> dict[str, Any]:
    try:
        return documents.read(call.body) if call.body else {}
    except ValueError as bad:
        raise NotJson(f"The body cannot be read: {bad}.") from bad


def _signed(answer: HttpResponse, call: Call) -> HttpResponse:
    key_id, private = identity.signer()
    signed = signatures.sign_answer(
        Answer(answer.status_code, answer.content, call), key_id, private, time.time()
    )
    for name, value in signed.headers.items():
        answer[name] = value
    return answer
