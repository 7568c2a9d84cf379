"""The page of a synthetic table, and its rows."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from common.errors import Refused
from common.heavy_views import computing
from common.http import UserRequest
from common.pages import show
from privacy import queries
from privacy.engine.language.wire import decode
from privacy.engine.synthetic_rows import MAX_SYNTHETIC_ROWS, draw
from privacy.forms import USUAL_ROWS, SyntheticRowsForm
from privacy.models import Answer
from privacy.presentation import exports, table_shown, words
from privacy.views import programs
from privacy.views.shared import WIDTHS, about, late, the_answer

PREVIEW = 10
USE = "answer.table(rows=1000)  # a DataFrame; any number of rows, always the same ones\nanswer.pairs"


def page(request: UserRequest, item: Answer, *, is_own: bool) -> HttpResponse:
    """Show a synthetic table; before its deadline, the page counts down to it."""
    query, spec = decode(item.query), queries.table_of(item)
    context = {
        **about(request, item, is_own=is_own),
        "question": words.say(query, spec),
        **queries.counted(item),
        "late": late(item) if item.is_waiting else None,
    }
    if item.is_out:
        context |= _released(item)
    return show(request, "privacy/synthetic", context, parts={"table-live"})


def _released(item: Answer) -> dict[str, Any]:
    result = item.result or {}
    table: Mapping[str, Any] = result["table"]
    names = [column["name"] for column in table["columns"]]
    return {
        "table": table,
        "names": names,
        "people": f"{max(0.0, table['people']):,.0f}",
        "keeps": table_shown.keeps(table),
        "loses": table_shown.loses(table),
        "heat_map": table_shown.heat_map(table, WIDTHS),
        "pairs": table_shown.pairs(table),
        "columns": table_shown.columns(result),
        "preview": table_shown.rows(draw(table, PREVIEW)),
        "most_rows": MAX_SYNTHETIC_ROWS,
        "rows_form": SyntheticRowsForm(),
        "in_client": programs.in_client(item, USE),
        "calls": programs.calls(item),
    }


@require_safe
@computing
def rows(request: UserRequest, pk: UUID) -> HttpResponseBase:
    """Download rows of a synthetic table as CSV: `rows` of them, always the same ones. Raises Refused."""
    item = the_answer(request, pk)
    form = SyntheticRowsForm({"rows": request.GET.get("rows", USUAL_ROWS)})
    if not form.is_valid():
        raise Refused(form.errors["rows"][0])
    return exports.rows_file(item, form.cleaned_data["rows"])
