"""Links back to a question from the count or guide that was asked first.

The question is stored with the answer when that is charged. A stored answer, which is not charged again, belongs to
another question, so the URL carries this one. It only fills in the form: what is charged is what the form holds when
somebody asks.
"""

from urllib.parse import quote

from common.http import UserRequest
from privacy import queries
from privacy.engine.language.display import LONGEST as LONGEST_DISPLAY
from privacy.engine.language.display import Display
from privacy.engine.language.query import Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.language.wire import canonical, decode_display, decode_text
from privacy.engine.plan.designs import design
from privacy.models import Answer
from privacy.presentation import words
from privacy.services import guides

LONGEST = 2_000
"""The most characters of a question that a URL carries."""


def carried(meant: Query | None) -> str:
    """Return the URL parameter that carries the question; empty where there is none, or where it is too long."""
    text = f"meant={quote(canonical(meant))}" if meant else ""
    return text if len(text) <= LONGEST else ""


def read(text: str, table: TableSpec) -> Query:
    """Return the question that a page or URL carries. Raises QueryRefused when this table cannot answer it."""
    found = decode_text(text)
    if found.table != table.name:
        raise QueryRefused("The question to come back to is about another table.")
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
    """Return the question for which a count or guide was asked."""
    return _from_address(request, answer) or guides.meant_by(answer)


def display_in(request: UserRequest, answer: Answer, asked: Display) -> Display:
    """Return what is shown of an answer: as the URL says or, if it does not or is wrong, as it was first `asked`."""
    text = request.GET.get("display", "")
    if not text or len(text) > LONGEST_DISPLAY:
        return asked
    try:
        found = decode_display(text)
        queries.lines_of(answer, found)  # refuses a display of another answer
    except QueryRefused:
        return asked
    return found


def shows(answer: Answer, display: Display) -> str:
    """Return the URL parameter that carries a display; empty where the answer is shown so without it."""
    if display == queries.display_of(answer):
        return ""
    return f"display={quote(canonical(display))}"


def context(request: UserRequest, meant: Query | None, table: TableSpec | None) -> dict[str, object]:
    """Return the template context of the link back; a URL that carries the question keeps carrying it."""
    return {
        "back": words.say(meant, table) if meant else "",
        "carried": carried(meant) if "meant" in request.GET else "",
    }
