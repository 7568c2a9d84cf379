"""The way back to a question from a count or a guide that was asked before it.

The question is kept with the answer when that is paid for. A stored answer, which nobody pays for again, was asked
before another question, so the address carries this one. It only fills in the form: what is charged is what stands
there when somebody asks.
"""

from urllib.parse import quote

from common.http import UserRequest
from privacy import queries
from privacy.engine.language.query import Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.language.wire import canonical, decode_text
from privacy.engine.plan.designs import design
from privacy.models import Answer
from privacy.presentation import words
from privacy.services import guides

LONGEST = 2_000
"""Characters of a question that an address carries at most."""


def carried(meant: Query | None) -> str:
    """What an address says of the question; empty where there is none, or where it is too long."""
    text = f"meant={quote(canonical(meant))}" if meant else ""
    return text if len(text) <= LONGEST else ""


def read(text: str, table: TableSpec) -> Query:
    """A question that a page or an address has carried along. QueryRefused where nobody can ask it of this table."""
    found = decode_text(text)
    if found.table != table.name:
        raise QueryRefused("The question that this one is asked before is about another table.")
    design(found, table)
    return found


def _from_address(request: UserRequest, answer: Answer) -> Query | None:
    text = request.GET.get("meant", "")
    if not text or len(text) > LONGEST or (table := queries.table_of(answer)) is None:
        return None
    try:
        return read(text, table)
    except QueryRefused:
        return None


def meant_by(request: UserRequest, answer: Answer) -> Query | None:
    """The question that an answer was asked before."""
    return _from_address(request, answer) or guides.meant_by(answer)


def context(request: UserRequest, meant: Query | None) -> dict[str, object]:
    """What the answer's page says of it; an address that has carried it goes on carrying it."""
    return {
        "back": words.say(meant) if meant else "",
        "carried": carried(meant) if "meant" in request.GET else "",
    }
