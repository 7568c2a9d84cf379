"""The page of a joint answer: what each portal does until it is there, then the figures, with their files."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from audit import receipt_pages
from common.http import UserRequest
from common.pages import show
from privacy import shares
from privacy.engine.language.display import EVERYTHING, Display, lines_of
from privacy.engine.language.wire import decode
from privacy.engine.measure.contributions import CAP
from privacy.presentation import display_in_words, exports, words
from privacy.views import figures
from studies import queries, rules
from studies.documents import read_study
from studies.models import JointAnswer, Part
from studies.services import joint_answers, receipts
from studies.views.shared import the_answer

Row = tuple[JointAnswer, str]
MOVING = {Part.State.ASKED, Part.State.RESERVED, Part.State.COMPUTING}
TONES = {
    Part.State.ASKED: "grey",
    Part.State.RESERVED: "blue",
    Part.State.COMPUTING: "blue",
    Part.State.SENT: "green",
    Part.State.REFUSED: "red",
    Part.State.LOST: "red",
    Part.State.ENDED: "grey",
}
FORMS = {
    "csv": ("text/csv; charset=utf-8", ".csv"),
    "json": ("application/json", ".json"),
    "record": ("application/json", "-record.json"),
}
"""The files of a joint answer: media type, and the end of the name."""


def rows_of(answers: Iterable[JointAnswer]) -> list[Row]:
    """Return joint answers as lists show them, each with its question in words."""
    return [(each, queries.question_of(each)) for each in answers]


@require_safe
def answer(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show one joint answer. While portals work on it, the page follows what each of them does."""
    item = the_answer(request, pk)
    is_own = request.user == item.scientist
    if is_own:
        joint_answers.note_seen(item)
    table, query = read_study(item.study.document).table, decode(item.query)
    context: dict[str, Any] = {
        "answer": item,
        "study": item.study,
        "is_own": is_own,
        "question": words.say(query, table),
        "parts": parts_of(item),
        "stop_refusal": rules.may_stop(request.user, item),
        "ask_refusal": rules.may_ask_in(request.user, item.study) if is_own else "",
        "is_released": item.state == JointAnswer.State.RELEASED,
        "is_open": item.state in JointAnswer.OPEN,
    }
    if item.result:
        display = queries.display_of(item)
        lines = lines_of(display, item.result["by"], item.result["lines"])
        context |= figures.context(item.result, lines, query, table)
        context["shown"] = display_in_words.sentence(display)
        context["noise"] = item.record.get("sigma_in_clips", "")
    return show(request, "studies/answer", context, parts={"joint-live"})


def parts_of(item: JointAnswer) -> list[dict[str, Any]]:
    """Return what each portal does, or has done, in the order of the plan."""
    is_open = item.state in JointAnswer.OPEN
    return [
        {
            "part": part,
            "name": queries.name_of(part.url),
            "is_home": part.url == settings.BASE_URL,
            "tone": TONES[Part.State(part.state)],
            "is_live": is_open and part.state in MOVING,
            "cost": "" if part.units is None else shares.of_budget(part.units / CAP),
        }
        for part in item.parts.select_related("peer")
    ]


@require_POST
def stop(request: UserRequest, pk: UUID) -> HttpResponse:
    joint_answers.stop(the_answer(request, pk), by=request.user)
    messages.success(
        request, "Stopped. Portals that were not asked for their part yet give their price back."
    )
    return redirect("studies:answer", pk)


@require_safe
def download(request: UserRequest, pk: UUID, form: str) -> HttpResponse:
    """Download the answer as CSV or JSON, or its record alone."""
    item = the_answer(request, pk)
    if item.result is None or form not in FORMS:
        raise Http404
    return file_of(item, form, queries.display_of(item))


def file_of(item: JointAnswer, form: str, display: Display = EVERYTHING) -> HttpResponse:
    """Return a released joint answer as a download in one of the FORMS; a table holds what is shown."""
    media, ending = FORMS[form]
    if form == "csv":
        content = exports.figures_csv(item.result or exports.EMPTY, decode(item.query), display)
    else:
        found = item.record if form == "record" else {"result": item.result, "record": item.record}
        content = json.dumps(found, ensure_ascii=False, indent=2)
    headers = {"Content-Disposition": f'attachment; filename="{item.study.name}-{item.pk.hex[:8]}{ending}"'}
    return HttpResponse(content, content_type=media, headers=headers)


@require_safe
def receipt(request: UserRequest, pk: UUID) -> HttpResponse:
    """Download the receipt of a released joint answer."""
    item = the_answer(request, pk)
    found = receipts.of_joint_answer(item, by=request.user)
    name = f"{item.study.name}-{item.pk.hex[:8]}-receipt.json"
    return receipt_pages.sent(request, found, name=name, back=reverse("studies:answer", args=[pk]))
