"""An owner's pages: the promise for a dataset, its budgets and its ledger."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from accounts.signin.reauthentication import confirmed_recently
from common.access import require
from common.errors import Denied
from common.heavy_views import computing
from common.http import UserRequest, found
from common.pages import attempt, paginated, show
from datasets.models import Dataset
from datasets.views.shared import owned
from privacy import queries, rules, services, shares
from privacy.declarations import specs_of
from privacy.engine.accounting import noise_epsilon, noise_mu
from privacy.engine.language.schema import Kind, TableSpec
from privacy.forms import GiveForm, LedgerFilter, ProtectForm, RowsForm
from privacy.models import Budget, LedgerLine, Promise
from privacy.presentation import exports, words
from privacy.presentation.promise_in_words import PromiseInWords
from privacy.views.budgets import burn_down_charts
from privacy.views.shared import tabs

PER_PAGE = 50


# The promise


@require_safe
def dataset(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show the automatic answers of a dataset, to its owner and to people who oversee."""
    item = found(queries.overseen_by(request.user), pk=pk)
    if not hasattr(item, "promise"):
        context = {**tabs(request, item), "refusal": rules.may_protect(request.user, item)}
        return show(request, "privacy/unprotected", context)
    return _page(request, item)


def _page(request: UserRequest, item: Dataset, *, status: int = 200, **forms: object) -> HttpResponse:
    user, promise = request.user, item.promise
    budgets = list(queries.budgets_of(user).filter(promise=promise))
    owns = rules.is_owner(user, promise) is None
    reads = owns or user.is_auditor
    people = queries.without_budget(promise) if owns else []
    spent = any(budget.units_used for budget in budgets)
    context: dict[str, Any] = {
        **tabs(request, item),
        "promise": promise,
        "guests_to_give": [person for person in people if person.is_guest],
        "in_words": queries.promise_in_words_of(promise, budgets),
        "delta": words.tiny(promise.delta),
        "budgets": [(budget, share(budget), shares.percent(budget.share_used)) for budget in budgets],
        "low": [budget for budget in budgets if budget.is_low],
        "given": shares.percent(queries.given_away(promise, budgets)),
        "open_budgets": queries.not_given(promise, budgets),
        "left_for_each": words.sized(queries.left_for_each(promise, budgets), up=False),
        "give_form": _give_form(promise, people),
        "rows_form": _rows_form(item) if owns and item.current else None,
        "nobody_to_give": owns and not people,
        "own_tables": item.current.tables.all() if owns and item.current else [],
        "has_people": owns and queries.has_people(promise),
        "reads": reads,
        "charts": _all_charts(promise, budgets) if reads and spent else None,
        "people": _histogram(promise, budgets)
        if rules.may_read_subjects(user, promise) is None and spent
        else None,
        **forms,
    }
    return show(request, "privacy/dataset", context, status=status)


def share(budget: Budget) -> str:
    return words.sized(noise_epsilon(budget.mu, budget.promise.noise_delta), up=True)


def _give_form(promise: Promise, people: list[User], data: Any = None) -> GiveForm:
    choices = [(str(person.pk), f"{person} ({person.email})") for person in people]
    return GiveForm(data, people=choices, extended_allowed=promise.extended_allowed)


def _all_charts(promise: Promise, budgets: list[Budget]) -> object:
    points = queries.burn_down_of_all(promise, budgets)
    return burn_down_charts(points, "What was left of the whole promise over time")


def _histogram(promise: Promise, budgets: list[Budget]) -> list[dict[str, object]]:
    bins = queries.used_by_people(promise, budgets)
    most = max((each.people for each in bins), default=0) or 1
    return [
        {
            "from": f"{each.low:.0%}".rstrip("%"),
            "to": shares.percent(each.high),
            "people": each.people,
            "most": most,
        }
        for each in bins
    ]


@require_http_methods(["GET", "HEAD", "POST"])
@confirmed_recently("Make a promise for a dataset")
def protect(request: UserRequest, pk: UUID) -> HttpResponse:
    """Choose a promise, read it in words, and make it with a second click."""
    item = owned(request, pk, "promise")
    if hasattr(item, "promise"):
        return redirect("privacy:dataset", pk)
    then = request.POST.get("then", "")
    revision = item.current
    tables = specs_of(revision, []) if revision else {}
    form = _protect_form(item, tables, request.POST if request.method == "POST" else None)
    if then == "make" and attempt(
        form, lambda: services.protect(item, by=request.user, **form.chosen), raising=Denied
    ):
        messages.success(request, "Promise made. Now give scientists a budget.")
        return redirect("privacy:dataset", pk)
    require(rules.may_protect, request.user, item)
    context = {
        **tabs(request, item),
        "form": form,
        "tables": [(table.name, table.subject, table.max_rows) for table in tables.values()],
        "own_tables": revision.tables.all() if revision else [],
        "in_words": _proposed(form) if form.is_bound else None,
        "confirming": then == "review" and form.is_valid(),
        "public_rows": form.chosen["public_rows"] if form.is_bound and form.is_valid() else {},
    }
    return show(
        request, "privacy/protect", context, parts={"promise"}, status=400 if then and form.errors else 200
    )


def _protect_form(item: Dataset, tables: dict[str, TableSpec], data: Any) -> ProtectForm:
    """Return the form of a promise. What is declared constant is ticked; the owner decides."""
    columns = [spec for table in tables.values() for spec in table.columns.values()]
    keys = sorted({spec.name for spec in columns if spec.is_key})
    start = {"constants": queries.declared_constants(item)}
    texts = any(spec.kind == Kind.TEXT for spec in columns)
    return ProtectForm(data, initial=start, tables=list(tables), keys=keys, texts=texts)


def _proposed(form: ProtectForm) -> PromiseInWords | None:
    """Return what the choices would promise, or None while the form is incomplete."""
    if not form.is_valid():
        return None
    chosen = form.chosen
    delta = services.usual_delta(chosen["public_size"])
    kept = services.threshold_delta(delta) if chosen["undeclared_values"] else 0.0
    mu = noise_mu(chosen["epsilon"], delta - kept)
    return PromiseInWords(
        epsilon=chosen["epsilon"], delta=delta, mu=mu, scientists=chosen["scientists"], threshold_delta=kept
    )


@require_POST
def promise(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show what the choices mean while they are being made."""
    item = owned(request, pk, "promise")
    require(rules.may_protect, request.user, item)
    form = _protect_form(item, queries.tables_of(item, []), request.POST)
    return show(request, "privacy/parts/promise", {"in_words": _proposed(form), "form": form})


# Budgets


@require_POST
@confirmed_recently("Give a scientist a budget")
def give(request: UserRequest, pk: UUID) -> HttpResponse:
    item = _protected(request, pk)
    people = queries.without_budget(item.promise)
    form = _give_form(item.promise, people, request.POST)

    def act() -> None:
        person = queries.scientist_with_access(item.promise, form.cleaned_data["scientist"])
        services.give_budget(
            item.promise,
            person,
            by=request.user,
            epsilon=form.cleaned_data["epsilon"],
            extended=form.cleaned_data.get("extended", False),
        )

    if attempt(form, act):
        messages.success(request, "Budget given. The scientist has been notified.")
        return redirect("privacy:dataset", pk)
    return _page(request, item, status=400, give_form=form)


def _rows_form(item: Dataset, data: Any = None) -> RowsForm:
    tables = list(queries.tables_of(item, []))
    initial = {f"rows_of_{name}": rows for name, rows in item.promise.public_rows.items()}
    return RowsForm(data, tables=tables, initial=initial)


def _rows_message(rows: Mapping[str, int]) -> str:
    """Return the message after publishing row counts: what scientists now see."""
    if not rows:
        return "Saved. No number of rows is public."
    if len(rows) == 1:
        return f"Saved. Scientists now see “about {next(iter(rows.values())):,} rows”."
    each = ", ".join(f"{many:,} in {name}" for name, many in rows.items())
    return f"Saved. Scientists now see about how many rows there are: {each}."


@require_POST
@confirmed_recently("Publish how many rows there are")
def rows(request: UserRequest, pk: UUID) -> HttpResponse:
    """Publish about how many rows tables hold, or withdraw it."""
    item = _protected(request, pk)
    form = _rows_form(item, request.POST)
    if attempt(form, lambda: services.publish_rows(item.promise, form.rows, by=request.user)):
        messages.success(request, _rows_message(form.rows))
        return redirect("privacy:dataset", pk)
    return _page(request, item, status=400, rows_form=form)


def _protected(request: UserRequest, pk: UUID) -> Dataset:
    rows = Dataset.objects.owned_by(request.user).filter(promise__isnull=False)
    return found(rows.select_related("owner", "promise"), pk=pk)


# The ledger


@require_safe
def ledger(request: UserRequest, pk: UUID) -> HttpResponse:
    """List who asked what, when, and what it cost."""
    item = found(queries.with_ledger_for(request.user), pk=pk)
    form, rows = _narrowed(item.promise, request.GET)
    page = paginated(request, rows.prefetch_related(f"answer__{queries.SAID_WITH}"), PER_PAGE)
    context = {
        **tabs(request, item),
        "form": form,
        "filtered": any(form.cleaned_data.values()),
        "page_obj": page,
        "rows": [_ledger_row(line) for line in page],
        "hidden": {name: request.GET.get(name, "") for name in form.fields},
    }
    return show(request, "privacy/ledger", context)


def _narrowed(promise: Promise, data: Any) -> tuple[LedgerFilter, Any]:
    people = [(str(b.scientist_id), b.holder) for b in promise.budgets.select_related("scientist")]
    form = LedgerFilter(data, people=people)
    form.full_clean()
    wanted, rows = form.cleaned_data, queries.ledger(promise)
    if scientist := wanted.get("scientist"):
        rows = rows.filter(budget__scientist=scientist)
    if since := wanted.get("since"):
        rows = rows.filter(at__date__gte=since)
    if until := wanted.get("until"):
        rows = rows.filter(at__date__lte=until)
    return form, rows


def _ledger_row(line: LedgerLine) -> dict[str, object]:
    answer = getattr(line, "answer", None)
    settled = getattr(line, "settled_by", None)
    kind = settled.kind if settled else line.kind
    tones = {LedgerLine.Kind.COMMIT: "green", LedgerLine.Kind.VOID: "grey", LedgerLine.Kind.RESERVE: "blue"}
    return {
        "line": line,
        "answer": answer,
        "has_receipt": answer is not None and kind == LedgerLine.Kind.COMMIT and not answer.hides_charge,
        "what": queries.title_of_line(line) or "Nothing was computed",
        "share": shares.percent(queries.share_at_the_time(line)),
        "state": LedgerLine.Kind(kind).label,
        "tone": tones[LedgerLine.Kind(kind)],
    }


@require_POST
@computing
def export(request: UserRequest, pk: UUID) -> StreamingHttpResponse:
    """Export the same selection as CSV. By POST, because it writes an entry into the audit log."""
    item = found(queries.with_ledger_for(request.user), pk=pk)
    form, rows = _narrowed(item.promise, request.POST)
    wanted = {name: str(value) for name, value in form.cleaned_data.items() if value}
    services.note_export(item.promise, by=request.user, wanted=wanted)
    name = f"{item.name}-ledger-{timezone.localdate().isoformat()}.csv"
    return StreamingHttpResponse(
        list(exports.ledger_csv(rows[: exports.MOST_LINES])),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
