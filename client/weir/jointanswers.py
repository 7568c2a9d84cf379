"""Joint answers: figures over the rows of several portals, of which only the noisy sum is ever seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from weir import handed
from weir.answers import Answer
from weir.errors import NotOffered, PortalFailed, Refused
from weir.things import checked_id

if TYPE_CHECKING:
    from weir.readings import Reading
    from weir.receipts import Receipt
    from weir.transport import Transport

PATH = "joint-answers/"
OPEN = frozenset({"preparing", "collecting"})
TURNS = {
    "asked": "is asked to reserve the price",
    "reserved": "has reserved the price",
    "computing": "computes its part",
    "sent": "has sent its part",
    "refused": "refused",
    "lost": "lost its part",
    "ended": "was told that the question has ended",
}
"""The states of a portal's part, in words."""
LEFT = frozenset({"asked", "reserved", "computing"})
"""The states in which the others wait for a portal."""


class JointAnswer(Answer):
    """The figures that were released for a joint question, with `value`, `interval` and so on as any answer has them.

    >>> line = {"key": [], "figures": [{"name": "count", "value": 900, "half_width": 12}]}
    >>> JointAnswer("number of people", {"by": [], "lines": [line]}).interval
    (888, 912)
    """

    __slots__ = ()

    @property
    def portals(self) -> list[dict[str, Any]]:
        """The portals that took part, in the order of the plan: `url`, `name`, `state`, and the `share` that each
        charged of your budget there."""
        return [dict(each) for each in self.details.get("portals") or ()]

    def receipt(self, wait: float = 90) -> Receipt:
        """Return the receipt: these figures and their record, and the proof that your portal's log holds them.

        Waits at most `wait` seconds for the log to be signed. Raises NotOffered if it is not there by then.
        """
        if self.transport is None:
            raise NotOffered(
                "This answer was copied or stored. Take it from portal.studies.answers[…] first."
            )
        return handed.receipt(self.transport, f"{PATH}{self.details['id']}/", wait)


class JointAnswers:
    """Your joint answers, the newest first: iterate over what the portal lists, or take one by its id."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from self._transport.items(PATH)

    def __getitem__(self, answer: str) -> JointAnswer:
        """Return a joint answer by its id. It costs nothing. Raises NotOffered while portals still work on it."""
        found = self._transport.get(f"{PATH}{checked_id(answer)}/")
        return joint_answer_of(str(found["question"]), found, transport=self._transport)

    def stop(self, answer: str) -> dict[str, Any]:
        """Stop a joint question by its id. Portals that have not begun to compute give the charge back."""
        return dict(self._transport.post(f"{PATH}{checked_id(answer)}/stop/").content)

    def __repr__(self) -> str:
        return "Joint answers: iterate over them, or take one by its id"


def joint_answer_of(
    text: str,
    found: Mapping[str, Any],
    reading: Reading | None = None,
    transport: Transport | None = None,
) -> JointAnswer:
    """Return the joint answer that the portal's JSON holds. Raises a WeirError if nothing was released."""
    state = str(found["state"])
    if state in OPEN:
        raise NotOffered(f"This answer is not there yet: {turn(found)}. Look again later.")
    if state == "stopped":
        raise Refused(str(found.get("reason") or "This joint question was stopped."), code="stopped")
    if state != "released":
        raise PortalFailed(str(found.get("reason") or "No answer came of this joint question."), code=state)
    return JointAnswer(text, found["result"], reading=reading, details=found, transport=transport)


def turn(found: Mapping[str, Any]) -> str:
    """Return which portal is waited for, and what it does, in words."""
    waiting = [each for each in found.get("portals") or () if each["state"] in LEFT]
    if not waiting:
        return "the parts are added up"
    first = waiting[0]
    more = f", and {len(waiting) - 1} more" if len(waiting) > 1 else ""
    trouble = f" ({first['trouble']})" if first.get("trouble") else ""
    return f"{first.get('name') or first['url']} {TURNS[str(first['state'])]}{trouble}{more}"
