"""The page on which a question is written, priced and asked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4, uuid5

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from common.errors import Denied, Refused
from common.heavy_views import computing
from common.http import UserRequest
from common.pages import show
from privacy import queries, rules
from privacy.engine.accounting import noise_epsilon
from privacy.engine.language import sql_text
from privacy.engine.language.display import EVERYTHING
from privacy.engine.language.query import Count, CountSubjects, PersonQuantiles, Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.language.wire import canonical, decode
from privacy.engine.measure.contributions import CAP
from privacy.models import Answer, Budget
from privacy.presentation import words
from privacy.presentation.query_form import OPERATORS, Line, fields_of
from privacy.question_forms import (
    EPSILON,
    ERROR,
    FORM,
    MAX_LINES,
    SHARE,
    SQL,
    TEXT_LIMIT,
    QuestionForm,
)
from privacy.question_reading import Reading, table_of
from privacy.services import guides, questions
from privacy.views import price_panel
from privacy.views.question_links import carried, meant_by, read, shows
from privacy.views.shared import the_budget

FIRST_SHARE = 0.05
"""The part of what is left that the page proposes to spend on a question."""
Tables = Mapping[str, TableSpec]
NO_FIELDS = "The form has no fields for this question. Ask it again with the API or the Python client, or ask another."
LOOK_AGAIN = "Check the price once more: it is for another question or another error than the one you saw."


@dataclass(slots=True, kw_only=True)
class Asked(Reading):
    """A question as far as it can be parsed: the form, and a quote or the reason why there is none."""

    declared: questions.Declarations
    quote: questions.Quote | None = None
    note: str = ""

    @property
    def undeclared(self) -> bool:
        """Whether values of text columns are released, so that the form offers to count people by them."""
        return self.form.undeclared


@require_http_methods(["GET", "HEAD", "POST"])
@computing
def ask(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show the page. A POST asks the question if `then` is `ask`, and prices it otherwise. Works without scripts."""
    budget = the_budget(request, pk)
    if why := rules.may_ask(request.user, budget):
        if request.method == "POST" or rules.is_own(request.user, budget):
            raise Denied(why)
        return show(request, "privacy/ask_closed", {"budget": budget, "refusal": why})
    declared = questions.declarations_of(budget)
    if request.method != "POST":
        start = _start(request, budget, declared.specs)
        asked = _read(budget, start, declared)
        asked.note = NO_FIELDS if start.get("unwritten") else ""
        return _page(request, budget, asked)
    asked = _read(budget, request.POST, declared)
    if request.POST.get("then") in price_panel.BEFORE:
        first = _before(request.POST, budget, asked, declared.specs)
        asked = _read(budget, first, declared)
    if request.POST.get("then") != "ask":
        return _page(
            request,
            budget,
            asked,
            more=request.POST.get("then") == "add",
            at_price=request.POST.get("then") in price_panel.BEFORE,
        )
    return _spend(request, budget, asked)


def _spend(request: UserRequest, budget: Budget, asked: Asked) -> HttpResponse:
    """Ask the question at the price that was shown, or show the page again with everything on it."""
    quote = asked.quote
    if quote is None:
        return _page(request, budget, asked, status=400)
    agreed = price_panel.agreement(quote)
    if request.POST.get("agreed") != agreed:
        asked.note = LOOK_AGAIN
        return _page(request, budget, asked, status=409)
    # One key a page and price: a double click asks once, and going back to ask something else asks that.
    key = uuid5(asked.form.cleaned_data.get("key") or uuid4(), agreed)
    text = asked.text_of(quote.query)
    try:
        meant = _meant(asked)
        answer = questions.ask(budget, quote, key=key, by=request.user, text=text, meant=meant)
    except (Refused, QueryRefused) as refused:
        asked.refusal = str(refused)
        return _page(request, budget, asked, status=getattr(refused, "status", 400))
    there = reverse("privacy:answer", args=[answer.pk])
    said = [shows(answer, asked.display)]
    if answer.line.key != key:
        messages.success(request, "Answered from the stored release, at no cost.")
        said.append(carried(meant))
    return redirect("?".join(filter(None, [there, "&".join(filter(None, said))])))


@require_POST
@computing
def price(request: UserRequest, pk: UUID) -> HttpResponse:
    """Price what is being written, and update the other side of the page. Spends nothing."""
    budget = the_budget(request, pk)
    if why := rules.may_ask(request.user, budget):
        raise Denied(why)
    asked = _read(budget, request.POST, questions.declarations_of(budget))
    return show(request, "privacy/parts/price_and_sides", _context(budget, asked, request.user))


# Reading


def _start(request: UserRequest, budget: Budget, tables: Tables) -> dict[str, Any]:
    """Return the initial form: the scientist's own earlier question (`again`), or a count of people."""
    left = max(0, budget.cap - budget.units_used) / CAP
    mu = budget.mu * (FIRST_SHARE * (left or 1)) ** 0.5
    epsilon = f"{noise_epsilon(mu, budget.promise.noise_delta):.2g}"
    start: dict[str, Any] = {"key": str(uuid4()), "goal": EPSILON, "epsilon": epsilon, "measure": "people"}
    start["table"] = request.GET.get("table", "")
    for name in ("guided", "back"):
        if first := _earlier(request, budget, name):
            found = _led_back(tables, first, meant_by(request, first), guided=name == "guided")
            return {**start, **((found and _typed_or_sql(tables, found)) or {})}
    again = _earlier(request, budget, "again")
    if not again:
        return {**start, **_who_is_in(request, budget, tables)}
    in_sql = {"source": SQL, "sql": again.sql} if again.sql else {"unwritten": True}
    if queries.display_of(again) != EVERYTHING:  # only SQL says what is shown
        return {**start, **in_sql}
    return {**start, **(_typed(tables, decode(again.query)) or in_sql)}


def _led_back(tables: Tables, first: Answer, meant: Query | None, *, guided: bool) -> Query | None:
    """Return the question for which a count or guide was asked; after a guide, capped as the guide found."""
    if not guided:
        return meant
    name = decode(first.query).table
    return guides.better(first, tables[name], meant) if name in tables else None


def _typed_or_sql(tables: Tables, query: Query) -> dict[str, Any] | None:
    """Return the form data that asks this query, in fields or else in SQL."""
    if typed := _typed(tables, query):
        return typed
    if query.table not in tables:
        return None
    try:
        return {"source": SQL, "sql": sql_text.write(query, tables[query.table])}
    except QueryRefused:
        return None


def _typed(tables: Tables, query: Query) -> dict[str, Any] | None:
    """Return the field values that ask this query; None where the form has no fields for it."""
    try:
        found = fields_of(query, tables[query.table]) if query.table in tables else None
    except QueryRefused:
        found = None
    return {**found[0], **_line_data(found[1])} if found else None


def _before(data: Mapping[str, Any], budget: Budget, asked: Asked, tables: Tables) -> Mapping[str, Any]:
    """Return the form data of what is to be asked first, in place of the question that was typed."""
    found = price_panel.before(budget, asked, data["then"])
    if not asked.query or not found:
        return data
    query, offer = found
    epsilon = f"{noise_epsilon(offer.mu, budget.promise.noise_delta):.3g}"
    typed = _typed_or_sql(tables, query) or {}
    meant = canonical(asked.query)
    meant = meant if len(meant) <= TEXT_LIMIT else ""
    start = {"key": str(uuid4()), "source": FORM, "goal": EPSILON, "epsilon": epsilon, "meant": meant}
    return {**start, **typed}


def _meant(asked: Asked) -> Query | None:
    """Return the question for which this guide or count is asked, as carried by the page."""
    text = asked.form.cleaned_data.get("meant")
    first = asked.query is not None and isinstance(
        asked.query.measure, PersonQuantiles | Count | CountSubjects
    )
    meant = read(text, asked.table) if text and first else None
    return None if meant == asked.query else meant


def _who_is_in(request: UserRequest, budget: Budget, tables: Tables) -> dict[str, Any]:
    """Return form data for a count of the people that an earlier answer (`still`) asked about, at the same price.
    People who have reached their limit are not in it, so it shows how many can still be included."""
    earlier = _earlier(request, budget, "still")
    if not earlier:
        return {}
    epsilon = f"{noise_epsilon(earlier.mu, budget.promise.noise_delta):.3g}"
    query = replace(decode(earlier.query), measure=CountSubjects(), by=())
    return {**(_typed(tables, query) or {}), "epsilon": epsilon}


def _earlier(request: UserRequest, budget: Budget, name: str) -> Answer | None:
    """Return the answer of this budget that the URL names, if any."""
    pk = _uuid(request.GET.get(name, ""))
    return Answer.objects.filter(budget=budget, pk=pk).select_related("line").first() if pk else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _line_data(lines: list[Line]) -> dict[str, str]:
    return {
        f"where-{k}-{name}": value
        for k, line in enumerate(lines)
        for name, value in (("column", line.column), ("op", line.op), ("value", line.value))
    }


def _read(budget: Budget, data: Mapping[str, Any], declared: questions.Declarations) -> Asked:
    """Parse and price the question; what cannot be parsed or is refused becomes `refusal`."""
    table = table_of(data, declared.specs)
    form = QuestionForm(data, table=table, undeclared=bool(budget.promise.threshold_delta))
    asked = Asked(form=form, table=table, declared=declared)
    if asked.parse(data, declared.specs) and asked.query:
        try:
            price = asked.form.price(in_points=words.is_of_rank(asked.query))
            asked.quote = questions.priced(budget, asked.query, declared, **price)
        except (Refused, QueryRefused) as refused:
            asked.refusal = str(refused)
    asked.bring_in_step(data, _other_price(asked))
    return asked


def _other_price(asked: Asked) -> dict[str, str]:
    quote = asked.quote
    if quote is None:
        return {}
    per_unit = 100 if words.is_of_rank(quote.query) else 1
    error = "" if quote.half_width is None else words.sized(quote.half_width * per_unit).replace(",", "")
    found = {
        ERROR: error,
        EPSILON: f"{quote.epsilon:.3g}",
        SHARE: words.sized(quote.offer.share * 100, up=True).replace(",", ""),
    }
    return {name: text for name, text in found.items() if name not in quote.asked}


# Showing


def _page(
    request: UserRequest,
    budget: Budget,
    asked: Asked,
    *,
    more: bool = False,
    at_price: bool = False,
    status: int = 200,
) -> HttpResponse:
    """Render the page. `more`: with room for another condition; `at_price`: scroll to the price."""
    context = _context(budget, asked, request.user)
    context["blank_lines"] = range(len(asked.lines), min(MAX_LINES, len(asked.lines) + (2 if more else 1)))
    context["at_price"] = at_price
    context["tables"] = asked.declared.revision.tables_declared
    return show(request, "privacy/ask", context, status=status)


def _context(budget: Budget, asked: Asked, user: User) -> dict[str, Any]:
    return {
        "budget": budget,
        "delta": words.tiny(budget.promise.delta),
        "asked": asked,
        "form": asked.form,
        "table": asked.table,
        "columns": list(asked.table.columns.values()),
        "constants": set(budget.promise.constants),
        "operators": OPERATORS,
        "max_lines": MAX_LINES,
        "blank_lines": range(len(asked.lines), min(MAX_LINES, len(asked.lines) + 1)),
        **price_panel.context(budget, asked),
        "only_sql": asked.is_only_in_sql,
        "only_form": asked.is_only_in_form,
    }
