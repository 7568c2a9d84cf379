"""The way back to a question from a count or a guide that was asked before it.

The question is kept with the answer when that is paid for. A stored answer, which nobody pays for again, was asked
before another question, so the address carries this one. It only fills in the form: what is charged is what stands
there when somebody asks.
"""

from urllib.parse import quote

from common.http import UserRequest
from privacy import guides, words
from privacy.engine.queries import Query
from privacy.engine.schema import QueryRefused
from privacy.engine.wire import canonical, decode_text
from privacy.models import Answer

LONGEST = 2_000
"""Characters of a question that an address carries at most."""


def carried(meant: Query | None) -> str:
    """What an address says of the question; empty where there is none, or where it is too long."""
    text = f"meant={quote(canonical(meant))}" if meant else ""
    return text if len(text) <= LONGEST else ""


def _from_address(request: UserRequest) -> Query | None:
    text = request.GET.get("meant", "")
    try:
        return decode_text(text) if text and len(text) <= LONGEST else None
    except QueryRefused:
        return None


def meant_by(request: UserRequest, answer: Answer) -> Query | None:
    """The question that an answer was asked before."""
    return _from_address(request) or guides.meant_by(answer)


def told(request: UserRequest, meant: Query | None) -> dict[str, object]:
    """What the answer's page says of it."""
    return {"back": words.say(meant) if meant else "", "carried": carried(_from_address(request))}
