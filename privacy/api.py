"""The JSON API for questions. A refusal is {"code", "detail"}, whatever the caller's Accept header.

A program uses its person's session, as a browser does; POST needs the CSRF token.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from uuid import UUID, uuid4

from django.http import Http404, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from common.errors import Refused
from common.heavy_views import computing
from common.http import UserRequest, body_json, found, refusal_as_json
from privacy import dates, queries
from privacy.engine.accounting import noise_epsilon
from privacy.engine.language import wire
from privacy.engine.language.query import Query
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.measure.contributions import CAP
from privacy.engine.trials import TRIES, Trial
from privacy.models import Answer, Budget
from privacy.presentation import caps_in_words, words
from privacy.services import questions, trials
from privacy.services.prior_answers import ErrorBasis

P = ParamSpec("P")
LIMIT = 150_000
View = Callable[Concatenate[UserRequest, P], HttpResponse]


def as_json(view: "View[P]") -> "View[P]":
    """Turn refusals and missing objects into JSON responses."""

    @wraps(view)
    def answered(request: UserRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Refused as refused:
            return refusal_as_json(refused)
        except Http404:
            return JsonResponse({"code": "not_found", "detail": "There is nothing here."}, status=404)

    return cast("View[P]", answered)


@require_safe
@as_json
def budgets(request: UserRequest) -> HttpResponse:
    """The caller's own budgets."""
    own = queries.budgets_of(request.user).held_by(request.user)
    return JsonResponse({"budgets": [_budget(item) for item in own]})


@require_safe
@as_json
def budget(request: UserRequest, pk: UUID) -> HttpResponse:
    """One of the caller's own budgets, with the tables that can be asked."""
    item = _own(request, pk)
    tables = queries.tables_of(item.promise.dataset, item.promise.constants)
    rows = item.promise.public_rows
    described = [{**_table(spec), "rows": rows.get(spec.name)} for spec in tables.values()]
    return JsonResponse({**_budget(item), "people": item.promise.public_size, "tables": described})


def _own(request: UserRequest, pk: UUID) -> Budget:
    return found(queries.budgets_of(request.user).held_by(request.user), pk=pk)


def _budget(item: Budget) -> dict[str, object]:
    return {
        "id": str(item.pk),
        "dataset": item.promise.dataset.name,
        "title": item.promise.dataset.title,
        "delta": item.promise.delta,
        "mode": "extended" if item.may_leave_out else "complete",
        "share_used": item.share_used,
        "closed": item.closed_at is not None,
        "answers": reverse("privacy:api_answers", args=[item.pk]),
        "price": reverse("privacy:api_price", args=[item.pk]),
    }


def _table(spec: TableSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "subject": spec.subject,
        "rows_per_subject": spec.max_rows,
        "columns": [
            {
                "name": column.name,
                "kind": column.kind,
                "unit": column.unit,
                "bounds": _bounds(column),
                "values": list(column.labels),
                "nullable": column.nullable,
                "constant": column.constant,
                "rows_per_value": column.rows_per_value,
                "decimals": column.decimals,
            }
            for column in spec.columns.values()
        ],
    }


def _bounds(column: ColumnSpec) -> list[float] | list[str | None] | None:
    """The bounds of a column; those of dates as ISO text, as in answers."""
    ends = [column.lower, column.upper]
    return (
        [dates.iso(end) for end in ends] if column.kind == Kind.DATE else ends if column.is_numeric else None
    )


@require_POST
@csrf_protect
@as_json
@computing
def price(request: UserRequest, pk: UUID) -> HttpResponse:
    """Price a question. Spends nothing."""
    item = _own(request, pk)
    quote, _ = _quote(item, request)
    found = trials.tried(quote, item.promise)
    stored = questions.stored(item, quote) is not None
    return JsonResponse({**_price(quote), "stored": stored, "on_mock": _on_mock(found)})


@require_POST
@csrf_protect
@as_json
@computing
def answers(request: UserRequest, pk: UUID) -> HttpResponse:
    """Ask a question. The same Idempotency-Key returns the same answer; 202 while it is being computed."""
    item = _own(request, pk)
    key = _key(request)
    quote, text = _quote(item, request)
    answer = questions.ask(item, quote, key=key, by=request.user, text=text)
    stored = answer.line.key != key
    status = 200 if answer.is_out else 202
    return JsonResponse(
        {**_answer(answer), **_price(quote), **_paid(answer, quote), "stored": stored}, status=status
    )


def _paid(answer: Answer, quote: questions.Quote) -> dict[str, object]:
    """What the answer itself was charged: it may be a stored one, or priced when less was known."""
    half = quote.half_width
    return {
        "half_width_95": None if half is None else half * answer.sigma / quote.offer.sigma,
        "epsilon": noise_epsilon(answer.mu, quote.noise_delta),
        "mode": "extended" if answer.extended else "complete",
        "share": answer.line.units / CAP,
    }


@require_safe
@as_json
def answer(request: UserRequest, pk: UUID) -> HttpResponse:
    """One answer, with its figures once they are released."""
    rows = Answer.objects.visible_to(request.user).select_related("budget__promise__dataset", "line")
    return JsonResponse(_answer(found(rows, pk=pk)))


def _key(request: UserRequest) -> UUID:
    given = request.headers.get("Idempotency-Key", "")
    try:
        return UUID(given) if given else uuid4()
    except ValueError as bad:
        raise Refused("The Idempotency-Key must be a UUID.") from bad


def _quote(item: Budget, request: UserRequest) -> tuple[questions.Quote, str]:
    body = body_json(request, limit=LIMIT)
    if extra := sorted(set(body) - {"sql", "query", "error", "epsilon"}):
        raise Refused(
            f"“{extra[0][:100]}” is not a known field. The fields are sql or query, and error or epsilon."
        )
    declared = questions.declarations_of(item)
    query, text = _query(item, body, declared)
    prices = {name: _number(body[name], name) for name in ("error", "epsilon") if body.get(name) is not None}
    return questions.quote(item, query, by=request.user, declared=declared, **prices), text


def _query(item: Budget, body: dict[str, object], declared: questions.Declarations) -> tuple[Query, str]:
    text = body.get("sql")
    if ("query" in body) == (text is not None):
        raise Refused("Give either sql or query.")
    if text is not None:
        if not isinstance(text, str):
            raise Refused("sql must be a string.")
        return questions.read_sql(item, text, declared), text
    try:
        return wire.decode(body["query"]), ""
    except QueryRefused as refused:
        raise Refused(str(refused)) from refused


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        raise Refused(f"{name} must be a number.")
    return float(value)


def _price(quote: questions.Quote) -> dict[str, object]:
    return {
        "half_width_95": quote.half_width,
        "read_to": quote.plan.grid.half_cell if quote.plan.grid else None,
        "joint_factor": quote.joint_factor,
        "half_width_rests_on": _basis(quote.basis) if quote.basis else None,
        "epsilon": quote.epsilon,
        "delta": quote.delta,
        "mode": "extended" if quote.may_leave_out else "complete",
        "share": quote.offer.share,
        "share_left": quote.left / CAP,
        "more_like_this": quote.more_like_this,
        **caps_in_words.facts(quote.query, quote.spec),
    }


def _basis(basis: ErrorBasis) -> dict[str, object]:
    """What a quoted error rests on. `at_most`: it is a worst case, otherwise an estimate."""
    return {
        "basis": basis.source,
        "answer": str(basis.answer.pk) if basis.answer else None,
        "people" if basis.of_people else "rows": basis.size,
        "at_most": basis.is_bound,
    }


def _on_mock(found: Trial | None) -> dict[str, object] | None:
    """How the question came out on the mock data; without figures where too few rows are behind it."""
    if found is None:
        return None
    figures = [
        {
            "key": list(each.key),
            "name": each.name,
            "told": each.told,
            "half_width_95": each.half_width,
        }
        for each in found.figures
    ]
    return {"rows": found.rows, "rows_each": found.rows_each, "tries": TRIES, "figures": figures}


def _answer(item: Answer) -> dict[str, object]:
    state = Answer.State.PENDING if item.is_waiting else item.state
    return {
        "id": str(item.pk),
        "url": reverse("privacy:api_answer", args=[item.pk]),
        "state": state,
        "question": words.say(wire.decode(item.query)),
        **queries.counted(item),
        "query": item.query,
        "sql": item.sql,
        "result": item.result if item.is_out else None,
        "record": item.record if item.is_out else None,
    }
