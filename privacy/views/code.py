"""Pages on which code that answers in blocks is written, tried on mock data, and asked."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common import code_environments
from common.errors import Denied, Refused
from common.heavy_views import computing
from common.http import UserRequest, found
from common.pages import key_of, new_key, show
from privacy import rules
from privacy.code_forms import CodeForm
from privacy.declarations import specs_of
from privacy.engine.language.code import MAX_OUTPUTS
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.language.wire import decode_code
from privacy.models import Answer, Budget, CodeTrial
from privacy.presentation import code_in_words, expressions_in_words, words
from privacy.presentation.code_form import example, fields_of, type_of
from privacy.services import code_answers, questions
from privacy.views import trial_report
from privacy.views.shared import the_answer, the_budget

RECENT = 8
PERCENT = 100


@require_http_methods(["GET", "HEAD", "POST"])
@computing
def write(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show the form. A POST has its code tried on mock data, or adds a blank line. Works without scripts."""
    budget = the_budget(request, pk)
    if why := rules.may_ask(request.user, budget):
        if request.method == "POST" or rules.is_own(request.user, budget):
            raise Denied(why)
        return show(request, "privacy/ask_closed", {"budget": budget, "refusal": why})
    tables = questions.declarations_of(budget).specs
    if request.method != "POST":
        start, note = _start(request, budget, tables)
        return _page(request, budget, CodeForm(initial=start, tables=tables), note=note)
    if request.POST.get("then") == "add":
        return _page(request, budget, CodeForm(initial=request.POST.dict(), tables=tables))
    form = CodeForm(request.POST, tables=tables)
    if form.is_valid():
        try:
            made = code_answers.try_out(budget, form.question(), by=request.user, **form.price())
        except (Refused, QueryRefused) as refused:
            form.refuse(refused)
            return _page(request, budget, form, status=getattr(refused, "status", 400))
        return redirect("privacy:trial", made.pk)
    return _page(request, budget, form, status=400)


def _start(
    request: UserRequest, budget: Budget, tables: Mapping[str, TableSpec]
) -> tuple[dict[str, Any], str]:
    """Return the initial form: tried code (`again`), answered code (`answer`), or an example for one table.

    And what to know before one begins, or an empty string.
    """
    if trial := _named(request, "again", CodeTrial.objects.filter(budget=budget)):
        return _again(trial.question, trial.asked, tables, request.GET.get("blocks", ""))
    answers = Answer.objects.filter(budget=budget, kind=Answer.Kind.CODE).select_related("line")
    if answer := _named(request, "answer", answers):
        return _again(answer.query, answer.line.purpose["asked"], tables)
    name = request.GET.get("table", "")
    question = example(tables[name] if name in tables else next(iter(tables.values())))
    share, refusal = code_answers.first_share(budget, question)
    fields = fields_of(question, tables[question.table])
    return {**fields, "rounds": 1, "goal": "share", "share": f"{share * PERCENT:g}"}, refusal


def _again(
    asked: dict[str, Any], price: Mapping[str, float], tables: Mapping[str, TableSpec], blocks: str = ""
) -> tuple[dict[str, Any], str]:
    """Return the fields of code that was tried or asked, and what of it could not be filled in."""
    question = decode_code(asked)
    if question.table not in tables:
        return {
            "code": question.code
        }, f"There is no table “{question.table}” any more, so only the code is here."
    fields = {"rounds": 1, **fields_of(question, tables[question.table])}
    if blocks.isascii() and blocks.isdecimal():
        fields["blocks"] = blocks[:10]
    goal, value = next(iter(price.items()))
    note = ""
    if question.where is not None and not fields["condition"]:
        said = expressions_in_words.condition(question.where)
        note = f"SQL cannot say this condition, so it is not filled in: {said}"
    if question.environment not in code_environments.on_offer():
        gone = f"The code environment {question.environment} is not available any more. Choose another one."
        note = f"{note} {gone}".strip()
    return {**fields, "goal": goal, goal: f"{value * PERCENT if goal == 'share' else value:.6g}"}, note


def _named(request: UserRequest, name: str, rows: Any) -> Any:
    """Return the one of these rows that the address names, if any."""
    try:
        return rows.filter(pk=UUID(request.GET.get(name, ""))).first()
    except ValueError:
        return None


def _page(
    request: UserRequest, budget: Budget, form: CodeForm, *, note: str = "", status: int = 200
) -> HttpResponse:
    chosen = form["table"].value()
    tables = list(form.tables.values())
    recent = CodeTrial.objects.filter(budget=budget)[:RECENT]
    context = {
        "budget": budget,
        "dataset": budget.promise.dataset,
        "form": form,
        "note": note,
        "max_outputs": MAX_OUTPUTS,
        "delta": words.tiny(budget.promise.delta),
        "tables": [
            {"spec": spec, "is_open": spec.name == chosen, "columns": _columns(spec)} for spec in tables
        ],
        "words": json.dumps(
            {
                "tables": {spec.name: [*_names(spec)] for spec in tables},
                "packages": code_environments.importable(),
            }
        ),
        "recent": [(item, code_in_words.say(decode_code(item.question))) for item in recent],
    }
    return show(request, "privacy/code", context, status=status)


def _names(spec: TableSpec) -> list[str]:
    return [spec.subject, *(column.name for column in spec.columns.values() if type_of(column))]


def _columns(spec: TableSpec) -> list[dict[str, Any]]:
    """Return what is shown of a table's columns: the type in the code, and what is declared."""
    return [{"spec": column, "type": type_of(column)} for column in spec.columns.values()]


def _the_trial(request: UserRequest, pk: UUID) -> CodeTrial:
    """Return one of this person's own trials; 404 otherwise."""
    rows = CodeTrial.objects.visible_to(request.user).select_related(
        "budget__promise__dataset", "budget__scientist", "revision"
    )
    return found(rows, pk=pk)


@require_safe
def trial(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show what code did on mock data, and what its answer would cost; while it is tried, the page polls."""
    item = _the_trial(request, pk)
    quoted, refusal = None, ""
    if item.state == CodeTrial.State.DONE:
        try:
            quoted = code_answers.quote(item, by=request.user)
            refusal = quoted.refusal
        except Refused as refused:
            refusal = str(refused)
    question = decode_code(item.question)
    tables = specs_of(item.revision, item.budget.promise.constants)
    context = {
        "trial": item,
        "budget": item.budget,
        "dataset": item.budget.promise.dataset,
        "question": code_in_words.say(question),
        "code": question.code,
        "environment": question.environment,
        "refusal": refusal,
        "key": new_key(),
        **({} if item.is_open else trial_report.context(item, question, quoted, tables.get(question.table))),
    }
    return show(request, "privacy/trial", context, parts={"trial-live"})


@require_POST
def stop(request: UserRequest, pk: UUID) -> HttpResponse:
    code_answers.stop_trial(_the_trial(request, pk))
    return redirect("privacy:trial", pk)


@require_POST
@computing
def ask(request: UserRequest, pk: UUID) -> HttpResponse:
    """Ask tried code at the price that its page shows."""
    item = _the_trial(request, pk)
    # One key a page and trial: a double click asks once.
    key = uuid5(key_of(request), str(item.pk))
    try:
        answer = code_answers.ask(code_answers.quote(item, by=request.user), key=key, by=request.user)
    except Denied:
        raise
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("privacy:trial", pk)
    if answer.line.key != key:
        messages.success(request, "You have asked this before, so it costs nothing.")
    return redirect("privacy:answer", answer.pk)


@require_POST
def withdraw(request: UserRequest, pk: UUID) -> HttpResponse:
    """Withdraw code that no worker has begun: nothing is charged."""
    try:
        code_answers.cancel(the_answer(request, pk), by=request.user)
        messages.success(request, "Withdrawn. Nothing was charged.")
    except Denied:
        raise
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("privacy:answer", pk)
