"""Every error of the client, as one tree: those that the portal answers with, and those raised before a call.

The text of an error from the portal is the portal's own sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Fields = Mapping[str, Sequence[str]]


class WeirError(Exception):
    """Something was refused or failed. The text says what happened and how to mend it.

    Errors from the portal have a `status`, a `code` from a closed list, and a `request_id` to ask the admin about.
    `place` is the part of a question that does not fit, such as `query.where.parts[1].left`.
    """

    def __init__(
        self,
        detail: str = "",
        *,
        code: str = "",
        status: int | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        found = dict(problem or {})
        self.detail, self.code, self.status, self.problem = detail, code, status, found
        self.place = str(found.get("place") or "")
        self.request_id = str(found.get("request_id") or "")

    @property
    def fields(self) -> Fields:
        """The sentences about single fields, by the name of the field."""
        found = self.problem.get("fields")
        return found if isinstance(found, Mapping) else {}


class Refused(WeirError):
    """The portal does not do this as asked."""


class InvalidRequest(Refused):
    """A field is missing, unknown or malformed: see `fields` and `place`."""


class NotSignedIn(WeirError):
    """There is no token, or it has expired or was revoked. Sign in again: `weir login`."""


class BudgetExceeded(WeirError):
    """The answer would cost more than is left of the budget."""

    @property
    def costs(self) -> float | None:
        """The part of the budget that the answer would cost."""
        return _number(self.problem.get("costs"))

    @property
    def left(self) -> float | None:
        """The part of the budget that is left."""
        return _number(self.problem.get("left"))


class Denied(WeirError):
    """This person, or this token, may not do this."""


class NotFound(WeirError):
    """There is nothing here, or nothing that this person may see."""


class Conflict(WeirError):
    """Something changed in the meantime, or the step is not possible from here."""


class Stale(Conflict):
    """The object was changed by somebody else. Fetch it again, then change it."""


class Gone(WeirError):
    """This was recalled or has expired."""


class TooLarge(WeirError):
    """What was sent is larger than the portal accepts."""


class ClientTooOld(WeirError):
    """The portal needs a newer version of this package."""


class TooManyCalls(WeirError):
    """Too many calls in a short time."""


class PortalFailed(WeirError):
    """The portal failed. Give its admin the `request_id`."""


class Unreachable(WeirError):
    """The portal did not answer. The text names the host and the cause."""


class RunFailed(WeirError):
    """A run ended without a result.

    `code` is from a closed list of reasons, `error_class` and `line` name the error in your code if there was one.
    """

    def __init__(self, detail: str, *, code: str, error_class: str = "", line: int | None = None) -> None:
        super().__init__(detail, code=code)
        self.error_class, self.line = error_class, line


class NotPrivate(WeirError, TypeError):
    """This would show single rows or depend on one person alone, so no remote column or question can do it."""


class NotOffered(WeirError):
    """This is not offered. The text says what there is instead."""


class NoSuchName(NotOffered, AttributeError):
    """An attribute that does not exist here, such as one that pandas has."""


class DifferentRows(WeirError):
    """Two columns are about different tables, or about rows that were filtered differently."""


class CannotBeBounded(WeirError):
    """By the declared bounds some row could have no finite value, such as the root of a negative number."""


BY_CODE: dict[str, type[WeirError]] = {
    "refused": Refused,
    "invalid": InvalidRequest,
    "not_json": InvalidRequest,
    "authorization_pending": Refused,
    "slow_down": Refused,
    "tus_version": Refused,
    "client_too_old": ClientTooOld,
    "unauthenticated": NotSignedIn,
    "token_expired": NotSignedIn,
    "expired_token": NotSignedIn,
    "token_revoked": NotSignedIn,
    "budget_exceeded": BudgetExceeded,
    "denied": Denied,
    "token_scope": Denied,
    "access_denied": Denied,
    "confirm_again": Denied,
    "not_found": NotFound,
    "conflict": Conflict,
    "key_reused": Conflict,
    "offset": Conflict,
    "locked": Conflict,
    "checksum": Conflict,
    "stale": Stale,
    "etag_missing": Stale,
    "gone": Gone,
    "too_large": TooLarge,
    "too_many": TooManyCalls,
    "too_much_at_once": TooManyCalls,
    "failed": PortalFailed,
    "busy": PortalFailed,
    "unreachable": Unreachable,
}
BY_STATUS: dict[int, type[WeirError]] = {
    400: Refused, 401: NotSignedIn, 402: BudgetExceeded, 403: Denied, 404: NotFound, 409: Conflict, 410: Gone,
    412: Stale, 413: TooLarge, 423: Conflict, 426: ClientTooOld, 428: Stale, 429: TooManyCalls, 460: Conflict,
}  # fmt: skip


def class_of(status: int, code: str) -> type[WeirError]:
    """Return the class for an answer of the portal. An unknown code is judged by the status."""
    if code in BY_CODE:
        return BY_CODE[code]
    return BY_STATUS.get(status) or (PortalFailed if status >= 500 else WeirError)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
