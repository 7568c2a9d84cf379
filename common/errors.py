"""Refusals, as one tree of exceptions. Services raise them; a middleware and the API's handler answer them."""


class Refused(Exception):
    """The portal will not do this as asked. The text says what happened and how to put it right."""

    status = 400
    code = "refused"


class Denied(Refused):
    """This person may not do this."""

    status = 403
    code = "denied"


class Conflict(Refused):
    """Something changed in the meantime, or the step is not possible from here."""

    status = 409
    code = "conflict"


class Gone(Conflict):
    """What is asked for was there, and its content has been deleted."""

    status = 410
    code = "gone"


class BudgetExceeded(Refused):
    """The answer would cost more than is left: `costs` and `left` are parts of the whole budget, where known."""

    status = 402
    code = "budget_exceeded"

    def __init__(self, text: str, *, costs: float | None = None, left: float | None = None) -> None:
        super().__init__(text)
        self.costs, self.left = costs, left


class TooLarge(Refused):
    """The body, or a part of it, is too long."""

    status = 413
    code = "too_large"


class WrongOffset(Conflict):
    """A part of a file does not begin where the file ends, which is at `offset`."""

    code = "offset"

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text)
        self.offset = offset
