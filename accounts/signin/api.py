"""Sign-in to the API: by an access token in the Authorization header, or by the session of a browser."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from accounts import secrets
from accounts.models import AccessToken, User
from accounts.services import tokens
from accounts.signin.reauthentication import APP, ConfirmAgain
from common.errors import Denied
from common.rest.grants import SCOPES, TokenScope

SCHEME = "Bearer"
LONGEST_HEADER = 200


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What a token allows."""

    token: AccessToken
    is_token = True

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.token.scopes)

    @property
    def token_id(self) -> UUID:
        return self.token.pk

    @property
    def dataset_ids(self) -> Collection[UUID] | None:
        ids = self.token.dataset_ids
        return None if ids is None else [UUID(text) for text in ids]

    def confirm(self, step: str) -> None:
        """The person confirmed their identity when they gave the token a scope with such steps."""
        if tokens.CONFIRMED.isdisjoint(self.scopes):
            raise TokenScope(f"{step}: no access token can do this. Do it in the browser.")


@dataclass(frozen=True, slots=True)
class SessionGrant:
    """A browser's session: it allows whatever its person may do."""

    request: Any
    is_token = False
    token_id = None
    scopes = frozenset(SCOPES)
    dataset_ids = None

    def confirm(self, step: str) -> None:
        if is_reauthentication_required(self.request, app=APP):
            raise ConfirmAgain(
                f"{step}: confirm your identity first. Sign in again, or do it in the browser."
            )


class TokenAuthentication(authentication.BaseAuthentication):
    """Authenticates by `Authorization: Bearer weir_…`. A call with this header is judged by it alone."""

    def authenticate(self, request: Request) -> tuple[User, TokenGrant] | None:
        header = authentication.get_authorization_header(request)
        if not header:
            return None
        secret = _secret(header)
        token = AccessToken.objects.select_related("owner").filter(secret_hash=secrets.digest(secret)).first()
        if token is None:
            text = "The portal does not know this access token. Check that you sent all of it, or make another one."
            raise AuthenticationFailed(text, "unauthenticated")
        if token.revoked_at is not None:
            raise AuthenticationFailed("This access token was revoked. Make another one.", "token_revoked")
        if token.state == "expired":
            raise AuthenticationFailed("This access token has expired. Make another one.", "token_expired")
        if not token.owner.is_active:
            text = "The account of this access token is not active. Ask an admin."
            raise AuthenticationFailed(text, "unauthenticated")
        tokens.used(token)
        return token.owner, TokenGrant(token)

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


def _secret(header: bytes) -> str:
    """Return the secret in a header. Raises AuthenticationFailed if there can be none."""
    try:
        scheme, _, secret = header[: LONGEST_HEADER + 1].decode("ascii").partition(" ")
    except UnicodeDecodeError as bad:
        raise AuthenticationFailed(
            "The Authorization header holds no access token.", "unauthenticated"
        ) from bad
    if scheme.lower() != SCHEME.lower() or not secrets.is_well_formed(secret.strip()):
        raise AuthenticationFailed(
            "The Authorization header holds no access token. Send “Bearer weir_…”, the whole of it.",
            "unauthenticated",
        )
    return secret.strip()


class SessionAuthentication(authentication.SessionAuthentication):
    """Authenticates by the session of a browser; a change needs the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Any, SessionGrant] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        person = found[0]
        return person, SessionGrant(request._request)  # noqa: SLF001 -- allauth wants Django's request

    def enforce_csrf(self, request: Any) -> None:
        """Check Django's request: the check looks for a form, for which REST framework's request parses the body."""
        try:
            super().enforce_csrf(request._request)  # noqa: SLF001 -- as above
        except PermissionDenied as failed:
            raise Denied(
                "The CSRF token is missing or wrong. Load the page again, or use an access token."
            ) from failed


class TokenExtension(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes access tokens in the OpenAPI schema."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token: `weir_` and 49 characters.",
        }


class SessionExtension(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes sessions in the OpenAPI schema."""

    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "A browser's session."}
