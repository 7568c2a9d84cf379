"""An owner's page on which mock data is drawn from private rows, and replaced."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from accounts.signin.reauthentication import confirmed_recently
from common.errors import Denied
from common.heavy_views import computing
from common.http import UserRequest, found
from common.pages import attempt, key_of, new_key, show
from datasets.models import Dataset, SampledMock
from datasets.queries import sampled_mocks
from datasets.views.shared import owned
from privacy import queries, rules, shares
from privacy.engine.accounting import noise_epsilon
from privacy.engine.language.schema import TableSpec
from privacy.engine.language.wire import decode
from privacy.mock_forms import MockForm
from privacy.models import Answer, Promise
from privacy.presentation import words
from privacy.services import sampled_mocks as services
from privacy.services.sampled_mocks import MockQuote
from privacy.views.shared import tabs

RECENT = 5
"""Synthetic tables that are shown."""


@require_http_methods(["GET", "HEAD", "POST"])
@confirmed_recently("Draw mock data from private rows")
@computing
def mock(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show what mock data is sampled. A POST prices a synthetic table for it, or makes it."""
    item = owned(request, pk, "promise")
    if not hasattr(item, "promise"):
        return redirect("privacy:dataset", pk)
    promise: Promise = item.promise
    tables = queries.tables_of(item, promise.constants)
    data = request.POST if request.method == "POST" else None
    wanted = (data or request.GET).get("table", "")
    spec = tables.get(wanted) or next(iter(tables.values()))
    form = MockForm(data, columns=services.offered(spec))
    if data is None:
        return _page(request, item, tables, spec, form)
    then, priced = data.get("then", "price"), []

    def act() -> None:
        chosen: dict[str, Any] = {"by": request.user, "table": spec.name, **form.chosen}
        if then == "make":
            services.make(promise, key=key_of(request), **chosen)
        else:
            priced.append(services.quote(promise, **chosen))

    if attempt(form, act, raising=Denied) and then == "make":
        messages.success(request, "Asked for. You are told when the synthetic table is ready.")
        return redirect(request.path)
    quoted = _in_words(priced[0], promise) if priced else None
    return _page(request, item, tables, spec, form, quoted=quoted, status=200 if priced else 400)


def _page(  # noqa: PLR0913 -- what the page shows, each named at the call
    request: UserRequest,
    item: Dataset,
    tables: dict[str, TableSpec],
    spec: TableSpec,
    form: MockForm,
    *,
    quoted: dict[str, object] | None = None,
    status: int = 200,
) -> HttpResponse:
    promise, revision = item.promise, item.current
    shown = sampled_mocks(revision) if revision else {}
    answers = list(services.answers_of(promise)[:RECENT])
    context = {
        **tabs(request, item),
        "spec": spec,
        "tables": list(tables),
        "form": form,
        "quoted": quoted,
        "key": new_key(),
        # A POST that gets here was not denied.
        "refusal": None if request.method == "POST" else rules.may_sample_mock(request.user, promise),
        "left": shares.percent(services.room(promise)),
        "most": shares.percent(float(Promise.MOCK_SHARE)),
        "has_several_rows": spec.max_rows > 1,
        "left_out": [name for name in spec.columns if name not in form.names],
        "shown": [shown[name] for name in sorted(shown)],
        "made": [_made(answer, shown) for answer in answers],
        "waiting": any(answer.is_waiting for answer in answers),
    }
    return show(request, "privacy/mock", context, parts={"mock-tables"}, status=status)


def _made(answer: Answer, shown: dict[str, SampledMock]) -> dict[str, object]:
    table = decode(answer.query).table
    return {
        "answer": answer,
        "table": table,
        "epsilon": words.sized(noise_epsilon(answer.mu, answer.budget.promise.noise_delta), up=True),
        "preview": (preview := services.preview(answer) if answer.is_out else None),
        "off": shares.percent(preview.off) if preview else "",
        "is_shown": table in shown and shown[table].answer == answer.pk,
    }


def _in_words(quoted: MockQuote, promise: Promise) -> dict[str, object]:
    plan = quoted.quote.plan.tables
    return {
        "epsilon": words.sized(quoted.epsilon, up=True),
        "delta": words.tiny(quoted.quote.delta),
        "share": shares.percent(quoted.share),
        "left": shares.percent(max(0.0, quoted.left - quoted.share)),
        "off": words.sized(quoted.people_off, 2, up=True),
        "people": promise.public_size,
        "seconds": quoted.seconds,
        "columns": len(plan.columns) if plan else 0,
        "kept": len(plan.columns) - 1 if plan else 0,
        "pairs": len(plan.pairs) if plan else 0,
    }


@require_POST
@confirmed_recently("Replace mock data")
@computing
def replace(request: UserRequest, pk: UUID) -> HttpResponse:
    """Replace the mock data of a table by rows drawn from a synthetic table."""
    promise = _promise(request, pk)
    answer = found(services.answers_of(promise), pk=request.POST.get("answer", ""))
    made = services.replace_mock(answer, by=request.user)
    messages.success(request, f"The mock data of {made.table.name} is now {made.origin}.")
    return redirect("privacy:mock", pk)


@require_POST
@confirmed_recently("Replace mock data")
def restore(request: UserRequest, pk: UUID) -> HttpResponse:
    """Go back to the declared mock of a table."""
    services.restore_mock(_promise(request, pk), request.POST.get("table", ""), by=request.user)
    messages.success(request, "The mock data is drawn from the declarations again.")
    return redirect("privacy:mock", pk)


def _promise(request: UserRequest, pk: UUID) -> Promise:
    rows = Promise.objects.filter(dataset__in=Dataset.objects.owned_by(request.user).order_by().values("pk"))
    return found(rows.select_related("dataset__owner"), dataset=pk)
