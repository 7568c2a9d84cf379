"""What owners send from the pages of automatic answers."""

from uuid import uuid4

from tests.guards.everything import Cast
from tests.makers import mocks

PROMISE = {
    "level": "1", "public_size": "30", "scientists": "3", "constants": ["region"], "extended_allowed": "no",
}  # fmt: skip


def wanted_mock() -> dict[str, object]:
    return {
        "table": "wages", "columns": ["region"], "bins": "4", "focus": "", "share": "5", "then": "make",
        "key": str(uuid4()),
    }  # fmt: skip


def released_mock(c: Cast) -> dict[str, str]:
    return {"answer": str(mocks.released(c.own.promise).pk)}


def shown_mock(c: Cast) -> dict[str, str]:
    return {"table": mocks.shown(c.own.promise).table.name}
