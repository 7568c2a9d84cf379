"""Refusals, as one tree of exceptions. Services raise them; a middleware and the API's handler answer them."""

CODES: dict[str, tuple[int, str]] = {
    "refused": (400, "This was not done"),
    "invalid": (400, "Some fields are not right"),
    "not_json": (400, "The body is not the JSON that is expected"),
    "authorization_pending": (400, "Nobody has signed the program in yet"),
    "slow_down": (400, "The program asks too often"),
    "access_denied": (400, "The sign-in was refused"),
    "expired_token": (400, "The sign-in has expired"),
    "client_too_old": (400, "This client is too old for the portal"),
    "unauthenticated": (401, "Sign in first"),
    "token_expired": (401, "The access token has expired"),
    "token_revoked": (401, "The access token was revoked"),
    "budget_exceeded": (402, "There is not enough budget left"),
    "denied": (403, "You may not do this"),
    "token_scope": (403, "The access token does not allow this"),
    "confirm_again": (403, "Confirm your identity first"),
    "not_found": (404, "There is nothing here"),
    "method_not_allowed": (405, "This address does not take this method"),
    "not_acceptable": (406, "The API cannot answer in this format"),
    "conflict": (409, "Something changed in the meantime"),
    "key_reused": (409, "This idempotency key was used for something else"),
    "offset": (409, "The upload continues at another place"),
    "gone": (410, "This is no longer here"),
    "stale": (412, "This has changed since you read it"),
    "tus_version": (412, "The upload speaks another version of tus"),
    "too_large": (413, "This is too large"),
    "unsupported_media_type": (415, "The API does not read this format"),
    "locked": (423, "Somebody else is writing this at the moment"),
    "etag_missing": (428, "Say which version you are changing"),
    "too_many": (429, "Too many calls"),
    "too_much_at_once": (429, "Too many calls at once"),
    "checksum": (460, "The checksum does not match"),
    "failed": (500, "The portal failed"),
    "unreachable": (502, "Another portal does not answer"),
    "busy": (503, "The portal is busy"),
}
"""Every code of a refusal or a failure, with its HTTP status and its title."""


class Refused(Exception):
    """The portal will not do this as asked. The text says what happened and how to put it right."""

    code = "refused"

    @property
    def status(self) -> int:
        """The HTTP status that it is answered with."""
        return CODES[self.code][0]


class Denied(Refused):
    """This person may not do this."""

    code = "denied"


class Conflict(Refused):
    """Something changed in the meantime, or the step is not possible from here."""

    code = "conflict"


class Gone(Conflict):
    """What is asked for was there, and its content has been deleted."""

    code = "gone"


class BudgetExceeded(Refused):
    """The answer would cost more than is left: `costs` and `left` are parts of the whole budget, where known."""

    code = "budget_exceeded"

    def __init__(self, text: str, *, costs: float | None = None, left: float | None = None) -> None:
        super().__init__(text)
        self.costs, self.left = costs, left


class TooLarge(Refused):
    """The body, or a part of it, is too long."""

    code = "too_large"


class WrongOffset(Conflict):
    """A part of a file does not begin where the file ends, which is at `offset`."""

    code = "offset"

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text)
        self.offset = offset
