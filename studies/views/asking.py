"""The page on which a question to several portals is written, priced and asked."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID, uuid4, uuid5

from django.core import signing
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from common import heavy_views
from common.access import require
from common.errors import Refused
from common.http import UserRequest
from common.pages import show
from privacy import shares
from privacy.engine.language import sql_text
from privacy.engine.language.schema import QueryRefused
from privacy.engine.language.wire import decode
from privacy.engine.measure.contributions import CAP
from privacy.presentation import caps_in_words, display_in_words, words
from privacy.presentation.query_form import OPERATORS, fields_of
from privacy.question_forms import ERROR, FORM, MAX_LINES, SHARE, SQL
from privacy.question_reading import Reading
from privacy.services.questions import digest_of
from studies import rules
from studies.forms import JointQuestionForm
from studies.models import JointAnswer, Study
from studies.services import joint_answers, quotes, standings
from studies.services.quotes import JointQuote
from studies.services.standings import Standing
from studies.views.shared import about, the_study

FIRST_SHARE = 5
"""The part of each budget, in %, that the page proposes to spend on a question."""
SALT = "studies.standings"
FRESH = 120
"""Seconds for which a page prices with what the portals told it. Asking asks them again."""
LOOK_AGAIN = (
    "Check the price once more: it is for another question, another error or other portals than before."
)


@dataclass(slots=True, kw_only=True)
class Asked(Reading):
    """A question as far as it can be parsed, and a quote or the reason why there is none."""

    known: Sequence[Standing] = ()
    without: Sequence[str] = ()
    quote: JointQuote | None = None
    stored: JointAnswer | None = None
    """Their own answer, at least as exact, that would be shown at no cost."""
    note: str = ""
    signed: str = ""
    """What the portals told, signed for the page to send it back."""


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show the page. A POST asks the question if `then` is `ask`, and prices it otherwise. Works without scripts."""
    study = the_study(request, pk)
    if why := rules.may_ask_in(request.user, study):
        return show(request, "studies/ask_closed", {"study": study, "refusal": why})
    known = standings.of(study, by=request.user)
    data = request.POST if request.method == "POST" else _start(request, study)
    asked = _read(request, study, data, known)
    if request.POST.get("then") == "ask":
        return _spend(request, study, asked)
    return _page(request, study, asked, more=request.POST.get("then") == "add")


@require_POST
def price(request: UserRequest, pk: UUID) -> HttpResponse:
    """Price what is being written, and update the other side of the page. Spends nothing."""
    study = the_study(request, pk)
    require(rules.may_ask_in, request.user, study)
    known = _unsigned(request, study) or standings.of(study, by=request.user)
    asked = _read(request, study, request.POST, known)
    return show(request, "studies/parts/price_and_sides", _context(study, asked))


def _spend(request: UserRequest, study: Study, asked: Asked) -> HttpResponse:
    """Ask the question at the price that was shown, or show the page again with everything on it."""
    quote = asked.quote
    if quote is None:
        return _page(request, study, asked, status=400)
    agreed = _agreement(quote)
    if request.POST.get("agreed") != agreed:
        asked.note = LOOK_AGAIN
        return _page(request, study, asked, status=409)
    # One key a page and price: a double click asks once, and going back to ask something else asks that.
    key = uuid5(asked.form.cleaned_data.get("key") or uuid4(), agreed)
    try:
        made = joint_answers.ask(study, quote, key=key, by=request.user, text=asked.text_of(quote.query))
    except Refused as refused:
        asked.refusal = str(refused)
        return _page(request, study, asked, status=refused.status)
    return redirect("studies:answer", made.pk)


def _agreement(quote: JointQuote) -> str:
    """Return a token for what a click agrees to: this query, this much noise, these portals at these prices."""
    prices = ",".join(f"{each.url}={each.units}" for each in quote.portals)
    return f"{digest_of(quote.query)[:32]}:{quote.share}:{prices}"


# Reading


def _start(request: UserRequest, study: Study) -> dict[str, Any]:
    """Return the initial form: the scientist's own earlier question (`again`), or a count of people."""
    start: dict[str, Any] = {"key": str(uuid4()), "goal": SHARE, "share": FIRST_SHARE, "measure": "people"}
    again = _earlier(request, study)
    if again is None:
        return start
    table = about(study)["table"]
    in_fields = fields_of(decode(again.query), table)
    if again.sql or in_fields is None:
        text = again.sql or sql_text.write(decode(again.query), table)
        return {**start, "source": SQL, "sql": text}
    lines = {
        f"where-{k}-{name}": value
        for k, line in enumerate(in_fields[1])
        for name, value in (("column", line.column), ("op", line.op), ("value", line.value))
    }
    return {**start, **in_fields[0], **lines, "source": FORM}


def _earlier(request: UserRequest, study: Study) -> JointAnswer | None:
    try:
        pk = UUID(request.GET.get("again", ""))
    except ValueError:
        return None
    return JointAnswer.objects.filter(study=study, scientist=request.user, pk=pk).first()


def _read(request: UserRequest, study: Study, data: Mapping[str, Any], known: Sequence[Standing]) -> Asked:
    """Parse and price the question; what cannot be parsed or is refused becomes `refusal`."""
    table = about(study)["table"]
    urls = {each.url for each in known}
    several = data.getlist("with") if hasattr(data, "getlist") else []
    without = sorted(urls - set(several)) if data.get("chosen") else []
    signed = signing.dumps([_plain(each) for each in known], salt=_salt(request, study), compress=True)
    asked = Asked(
        form=JointQuestionForm(data, table=table), table=table, known=known, without=without, signed=signed
    )
    with heavy_views.turn(heavy_views.COMPUTING, request):
        if asked.parse(data, {table.name: table}) and asked.query:
            try:
                given = asked.form.price(in_points=False)
                asked.quote = quotes.quote(
                    study, asked.query, by=request.user, without=without, known=known, **given
                )
                asked.stored = joint_answers.stored(study, asked.quote, by=request.user)
            except (Refused, QueryRefused) as refused:
                asked.refusal = str(refused)
        asked.bring_in_step(data, _other_price(asked.quote))
    return asked


def _other_price(quote: JointQuote | None) -> dict[str, str]:
    if quote is None:
        return {}
    error = "" if quote.half_width is None else words.sized(quote.half_width).replace(",", "")
    found = {ERROR: error, SHARE: words.sized(_dearest(quote) * 100, up=True).replace(",", "")}
    return {name: text for name, text in found.items() if name not in quote.asked}


def _dearest(quote: JointQuote) -> float:
    """Return the largest part of a budget that a portal charges."""
    return max((each.part_of_budget or 0.0 for each in quote.portals), default=0.0)


def _salt(request: UserRequest, study: Study) -> str:
    return f"{SALT}:{request.user.pk}:{study.pk}"


def _plain(each: Standing) -> dict[str, Any]:
    return {**asdict(each), "dataset": str(each.dataset or "")}


def _unsigned(request: UserRequest, study: Study) -> list[Standing]:
    """Return what the portals told when the page was opened, if that is not too long ago."""
    try:
        told = signing.loads(request.POST.get("known", ""), salt=_salt(request, study), max_age=FRESH)
    except signing.BadSignature:
        return []
    return [
        Standing(
            **{
                **each,
                "dataset": UUID(each["dataset"]) if each["dataset"] else None,
                "relies_on": tuple(each["relies_on"]),
            }
        )
        for each in told
    ]


# Showing


def _page(
    request: UserRequest, study: Study, asked: Asked, *, more: bool = False, status: int = 200
) -> HttpResponse:
    context = _context(study, asked)
    context["blank_lines"] = range(len(asked.lines), min(MAX_LINES, len(asked.lines) + (2 if more else 1)))
    return show(request, "studies/ask", context, status=status)


def _context(study: Study, asked: Asked) -> dict[str, Any]:
    quote = asked.quote
    return {
        **about(study),
        "asked": asked,
        "form": asked.form,
        "operators": OPERATORS,
        "max_lines": MAX_LINES,
        "blank_lines": range(len(asked.lines), min(MAX_LINES, len(asked.lines) + 1)),
        "only_sql": asked.is_only_in_sql,
        "only_form": asked.is_only_in_form,
        "unit": words.error_unit(asked.query, asked.table) if asked.query else "",
        "portals": _portals(study, asked),
        "refusal": asked.refusal or (quote.unaffordable if quote else ""),
        "priced": _priced(quote, asked) if quote else None,
        "prices": [ERROR, SHARE],
    }


def _portals(study: Study, asked: Asked) -> list[dict[str, Any]]:
    """Return each portal that takes part in the study: how the scientist stands there, and what it would charge."""
    prices = {each.url: each for each in asked.quote.portals} if asked.quote else {}
    peers = dict(study.members.values_list("url", "peer"))
    return [
        {
            "standing": each,
            "left": "" if each.left is None else shares.percent(each.left / CAP),
            "price": _cost(prices.get(each.url)),
            "peer": peers.get(each.url),
            "is_asked": each.url not in asked.without,
        }
        for each in asked.known
    ]


def _cost(price: quotes.PortalPrice | None) -> str:
    return "" if price is None or price.part_of_budget is None else shares.of_budget(price.part_of_budget)


def _priced(quote: JointQuote, asked: Asked) -> dict[str, Any]:
    """Return the price of a quote, in words."""
    error, together = (
        ""
        if quote.half_width is None
        else words.error_text(quote.query, quote.spec, quote.half_width * wider)
        for wider in (1, quote.joint_factor)
    )
    return {
        **caps_in_words.facts(quote.query, quote.spec),
        "what": words.say(quote.query, quote.spec),
        "shown": display_in_words.sentence(asked.display),
        "error": error,
        "together": together,
        "groups": quote.plan.cells,
        "portals": len(quote.portals),
        "most": shares.percent(_dearest(quote)),
        "agreed": _agreement(quote),
    }
