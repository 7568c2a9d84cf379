"""Signed calls between portals and their signed answers: RFC 9421 with Ed25519, in the one form that is read here.

A call is signed over its method, its full address and its body (and the body's type); an answer over its status, its
body, and the call that it answers. Both say when they were signed and until when they count; a call also has a nonce.
What a signature is worth is for the caller: whose key it is, whether the nonce is new, and whether the times fit.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    algorithms,
)
from http_message_signatures.exceptions import HTTPMessageSignaturesException

TAG = "weir-net/1"
LABEL = "weir"
JSON = "application/json"
LIFETIME = 60
"""Seconds for which a call counts after it was signed. Clocks may differ by as much."""
CALL = ("@method", "@target-uri", "content-digest")
CALL_WITH_BODY = (*CALL, "content-type")
ANSWER = (
    "@status",
    "content-digest",
    '"@method";req',
    '"@target-uri";req',
    f'"signature";req;key="{LABEL}"',
)
LONGEST = 2_000
"""Characters of a header with a signature. It is not parsed if it is longer."""
NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
SIGNATURE = re.compile(rf"{LABEL}=:[A-Za-z0-9+/]{{86}}==:")
"""The one signature: the library ignores others beside the one with the tag."""
LAST_SECOND = 253_402_300_799
KEY_ID = re.compile(r"(?P<url>https?://[a-z0-9.:\[\]-]{1,200})#(?P<key>[0-9a-f]{16})")
HEADERS = ("content-digest", "content-type", "signature", "signature-input")
"""All that is looked at, in small letters."""


class NotSigned(Exception):
    """There is no valid signature of this form by a key that is known."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `url`: all of it, with the configured address of whoever is called."""

    method: str
    url: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to a call."""

    status_code: int
    body: bytes
    request: Call
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a valid signature says. `created`, `expires`: seconds since 1970."""

    key_id: str
    created: int
    expires: int
    nonce: str

    def why_not_now(self, now: float) -> str | None:
        """Return why it does not count at this time, with both times, or None."""
        if self.created - LIFETIME <= now <= min(self.expires, self.created + LIFETIME):
            return None
        return (
            f"This was signed at {_clock(self.created)} and counts for {LIFETIME} seconds, but it is {_clock(now)} "
            "here. If neither portal was slow, one of their clocks is wrong."
        )


PublicKey = Callable[[str], bytes | None]
"""Returns the key with this name, 32 bytes, or None."""


def key_of(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Return whose key a message claims to be signed with, an address and the key's id, before anything is verified."""
    found = KEY_ID.search(headers.get("signature-input", "")[:LONGEST])
    return (found["url"], found["key"]) if found else None


def sign_call(call: Call, key_id: str, private: Ed25519PrivateKey, now: float) -> Call:
    """Return a call with the headers of its signature, and the type of its body if it has one."""
    headers = {"content-type": JSON} if call.body else {}
    signed = Call(call.method, call.url, call.body, headers)
    _sign(
        signed, CALL_WITH_BODY if call.body else CALL, key_id, private, now, nonce=secrets.token_urlsafe(16)
    )
    return signed


def sign_answer(answer: Answer, key_id: str, private: Ed25519PrivateKey, now: float) -> Answer:
    """Return an answer with the headers of its signature."""
    signed = Answer(answer.status_code, answer.body, answer.request, {})
    _sign(signed, ANSWER, key_id, private, now, nonce=None)
    return signed


def verify_call(call: Call, key: PublicKey) -> Signature:
    """Return what the signature of a call says, at whatever time. Raises NotSigned."""
    if call.body and call.headers.get("content-type") != JSON:
        raise NotSigned("The body is not JSON.")
    found = _verified(call, CALL_WITH_BODY if call.body else CALL, key)
    if not NONCE.fullmatch(found.nonce) or not found.created < found.expires <= found.created + LIFETIME:
        raise NotSigned("The signature has no nonce, or counts for too long.")
    return found


def verify_answer(answer: Answer, key: PublicKey) -> Signature:
    """Return what the signature of an answer says, at whatever time. Raises NotSigned."""
    return _verified(answer, ANSWER, key)


class _Keys(HTTPSignatureKeyResolver):
    def __init__(self, public: PublicKey | None = None, private: Ed25519PrivateKey | None = None) -> None:
        self._public, self._private = public, private

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey | None:
        found = self._public(key_id) if self._public else None
        return None if found is None else Ed25519PublicKey.from_public_bytes(found)

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey | None:
        return self._private


class _Verifier(HTTPMessageVerifier):
    """A verifier that leaves times to `Signature.why_not_now`, which can say both of them to whoever is known."""

    def validate_created_and_expires(self, sig_input: Any, max_age: timedelta | None = None) -> None:
        for name in ("created", "expires"):
            moment = sig_input.params.get(name)
            if type(moment) is not int or not 0 <= moment <= LAST_SECOND:
                raise NotSigned(f"The signature does not say when it was {name}.")


def _sign(
    message: Call | Answer,
    covered: tuple[str, ...],
    key_id: str,
    private: Ed25519PrivateKey,
    now: float,
    *,
    nonce: str | None,
) -> None:
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=_Keys(private=private))
    created = datetime.fromtimestamp(int(now), UTC)
    signer.sign(
        message,
        key_id=key_id,
        created=created,
        expires=created + timedelta(seconds=LIFETIME),
        nonce=nonce,
        label=LABEL,
        tag=TAG,
        include_alg=False,
        covered_component_ids=covered,
        body=message.body,
    )
    for name in list(message.headers):
        message.headers[name.lower()] = message.headers.pop(name)


def _verified(message: Call | Answer, covered: tuple[str, ...], key: PublicKey) -> Signature:
    if any(len(message.headers.get(name, "")) > LONGEST for name in HEADERS):
        raise NotSigned("A header is too long.")
    if not SIGNATURE.fullmatch(message.headers.get("signature", "")):
        raise NotSigned("There is not exactly one signature.")
    verifier = _Verifier(signature_algorithm=algorithms.ED25519, key_resolver=_Keys(public=key))
    try:
        results = verifier.verify(
            message,
            max_age=None,
            expect_tag=TAG,
            expect_label=LABEL,
            require_components=covered,
            body=message.body,
        )
    except (HTTPMessageSignaturesException, ValueError) as bad:
        raise NotSigned(str(bad)) from bad
    found = results[0]
    if len(found.covered_components) != len(covered) + 1:  # and "@signature-params"
        raise NotSigned("The signature covers something else.")
    say = found.parameters
    created, expires = int(say["created"]), int(say["expires"])
    return Signature(str(say["keyid"]), created, expires, str(say.get("nonce", "")))


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
