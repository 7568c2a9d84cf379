"""Pages of answers: budgets, the history of questions, and one answer with its files."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit import receipt_pages
from common.http import UserRequest
from common.pages import paginated, show
from datasets.models import Dataset
from privacy import queries, rules
from privacy.engine.language.query import Query
from privacy.engine.language.schema import TableSpec
from privacy.engine.language.wire import decode
from privacy.forms import HistoryFilter
from privacy.models import Answer, AnswerQuerySet, Budget
from privacy.presentation import display_in_words, exports, noise_advice, words
from privacy.services import guides, questions, receipts
from privacy.views import code_answer, figures, model_answer, programs, question_links, table_answer
from privacy.views.shared import about, cost, the_answer


@require_safe
def index(request: UserRequest) -> HttpResponse:
    """List the budgets, and every question that this person may read."""
    user = request.user
    own: list[Budget] = []
    others: list[Budget] = []
    for budget in queries.budgets_of(user)[:200]:
        (others if rules.is_own(user, budget) else own).append(budget)
    answers = Answer.objects.visible_to(user)
    datasets = Dataset.objects.filter(pk__in=answers.order_by().values("budget__promise__dataset"))
    form = HistoryFilter(request.GET, datasets=datasets)
    form.full_clean()
    rows = _narrowed(answers, form.cleaned_data)
    rows = rows.select_related("budget__promise__dataset", "budget__scientist", "line", "revision")
    page = paginated(request, rows.prefetch_related(queries.SAID_WITH))
    context = {
        "own": own,
        "others": others,
        "form": form,
        "page_obj": page,
        "filtered": any(form.cleaned_data.values()),
        "rows": [(answer, queries.title_of(answer), cost(answer)) for answer in page],
        "reads_answers": user.is_scientist or user.is_owner or user.is_auditor,
    }
    return show(request, "privacy/index", context)


def _narrowed(rows: AnswerQuerySet, wanted: dict[str, Any]) -> AnswerQuerySet:
    if text := wanted.get("q"):
        rows = rows.filter(Q(sql__icontains=text) | Q(query__icontains=text))
    if dataset := wanted.get("dataset"):
        rows = rows.filter(budget__promise__dataset=dataset)
    if state := wanted.get("state"):
        rows = rows.in_state(state)
    return rows


PAGES: dict[str, Callable[..., HttpResponse]] = {
    Answer.Kind.CODE: code_answer.page,
    Answer.Kind.FIT: model_answer.page,
    Answer.Kind.TABLE: table_answer.page,
}
"""The pages of answers that are no figures for groups."""


@require_safe
def answer(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show one answer; while it is being computed, the page polls."""
    item = the_answer(request, pk)
    is_own = rules.is_own(request.user, item.budget) is None
    if is_own:
        questions.note_seen(item)
    if page := PAGES.get(item.kind):
        return page(request, item, is_own=is_own)
    return show(request, "privacy/answer", _context(request, item, is_own=is_own), parts={"answer-live"})


def _context(request: UserRequest, item: Answer, *, is_own: bool) -> dict[str, Any]:
    query, table = decode(item.query), queries.table_of(item)
    context: dict[str, Any] = {
        **about(request, item, is_own=is_own),
        "question": words.say(query, table),
        **queries.counted(item),
    }
    meant = question_links.meant_by(request, item) if is_own else None
    if is_own:
        context |= question_links.context(request, meant, table)
    asked = queries.display_of(item)
    display = question_links.display_in(request, item, asked)
    context |= {
        "shown": display_in_words.sentence(display),
        "is_shown_as_asked": display == asked,
        "display": urlencode({"display": request.GET["display"]}) if request.GET.get("display") else "",
    }
    if item.is_out:
        context |= {
            **figures.context(
                item.result or {},
                queries.lines_of(item, display) or [],
                query,
                table,
                error=item.line.purpose.get("asked", {}).get("error"),
            ),
            **_guided(item, table, meant),
            "calls": programs.calls(item),
        }
        context["lost"] = noise_advice.sentence(item.result or {}, query, table, context["epsilon"])
    return context


def _guided(item: Answer, table: TableSpec | None, meant: Query | None) -> dict[str, Any]:
    """Return the question for which a guide was asked, capped as the guide found, or why that does not help."""
    if table is None:
        return {}
    found = guides.better(item, table, meant)
    return {
        "better": {"what": words.say(found, table), "rows": found.rows} if found else None,
        "no_gain": guides.no_gain(item, table, meant) if meant else "",
    }


@require_safe
def download(request: UserRequest, pk: UUID, form: str) -> HttpResponse:
    """Download the answer as CSV or JSON, or its record alone."""
    item = the_answer(request, pk)
    if not item.is_out or form not in exports.FORMS:
        raise Http404
    display = question_links.display_in(request, item, queries.display_of(item))
    return exports.file_of(item, form, display)


@require_safe
def receipt(request: UserRequest, pk: UUID) -> HttpResponse:
    """Download the receipt of the answer or, before it is out, of its charge."""
    item = the_answer(request, pk)
    found = receipts.of_answer(item, by=request.user)
    name = f"{item.budget.promise.dataset.name}-{item.pk.hex[:8]}-receipt.json"
    return receipt_pages.sent(request, found, name=name, back=reverse("privacy:answer", args=[pk]))
