"""The page of one budget, and the forms that change it."""

from copy import copy
from dataclasses import replace
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.signin.reauthentication import confirmed_recently
from common.access import require
from common.http import UserRequest, found
from common.pages import attempt, paginated, show
from datasets.models import Dataset
from privacy import queries, rules, services, shares
from privacy.engine.accounting import noise_epsilon
from privacy.engine.measure.contributions import CAP
from privacy.forms import DecisionForm, ReasonForm, ShareForm, TopUpForm
from privacy.models import Answer, Budget, TopUp
from privacy.presentation import svg_charts, words
from privacy.presentation.svg_charts import Point
from privacy.views.shared import WIDTHS, cost, the_budget


@require_safe
def budget(request: UserRequest, pk: UUID) -> HttpResponse:
    return _page(request, the_budget(request, pk))


def _page(request: UserRequest, item: Budget, *, status: int = 200, **forms: object) -> HttpResponse:
    user, promise = request.user, item.promise
    owns, is_own = rules.is_owner(user, promise) is None, rules.is_own(user, item) is None
    may_read = owns or is_own or user.is_auditor
    answers = Answer.objects.filter(budget=item) if may_read else Answer.objects.none()
    page = paginated(
        request, answers.select_related("budget", "line", "revision").prefetch_related(queries.SAID_WITH)
    )
    context = {
        "budget": item,
        "dataset": promise.dataset,
        "is_own": is_own,
        "owns": owns and not is_own,
        "manages": rules.is_of_a_scientist(user, item) is None and owns and not is_own,
        "reads_answers": may_read,
        "epsilon": words.sized(noise_epsilon(item.mu, promise.noise_delta), up=True),
        "delta": words.tiny(promise.delta),
        "alone": replace(queries.promise_in_words_of(promise), mu=item.mu, scientists=1).guesses,
        "used": shares.percent(item.share_used),
        "left": shares.percent(max(0, item.cap - item.units_used) / CAP),
        "is_low": item.is_low,
        "page_obj": page,
        "rows": [(answer, queries.title_of(answer), cost(answer)) for answer in page],
        "charts": _burn_down(item) if may_read and page.paginator.count else None,
        "top_ups": item.top_ups.select_related("decided_by")[:20],
        "ask_refusal": rules.may_ask(user, item) if is_own else None,
        "top_up_refusal": rules.may_ask_top_up(user, item) if is_own else None,
        "share_form": ShareForm(),
        "reason_form": ReasonForm(),
        **forms,
    }
    return show(request, "privacy/budget", context, status=status)


def _burn_down(item: Budget) -> dict[str, SafeString]:
    return burn_down_charts(
        queries.burn_down(item), f"What was left of the budget of {item.holder} over time"
    )


def burn_down_charts(points: list[Point], title: str) -> dict[str, SafeString]:
    now = timezone.now()
    return {
        name: mark_safe(svg_charts.burn_down(points, now, width, title))  # noqa: S308 -- drawn here, texts escaped
        for name, width in WIDTHS.items()
    }


def _managed(request: UserRequest, pk: UUID) -> Budget:
    """Return a budget on one of this person's own datasets; 404 for everybody else."""
    own = Dataset.objects.owned_by(request.user).order_by().values("pk")
    return found(queries.budgets_of(request.user).filter(promise__dataset__in=own), pk=pk)


@require_POST
@confirmed_recently("Change a scientist's budget")
def change(request: UserRequest, pk: UUID) -> HttpResponse:
    item = _managed(request, pk)
    form = ShareForm(request.POST)
    if attempt(
        form, lambda: services.change_budget(item, by=request.user, epsilon=form.cleaned_data["epsilon"])
    ):
        messages.success(request, "Budget changed.")
        return redirect("privacy:budget", pk)
    return _page(request, item, status=400, share_form=form)


@require_POST
@confirmed_recently("Close a scientist's budget")
def close(request: UserRequest, pk: UUID) -> HttpResponse:
    item = _managed(request, pk)
    form = ReasonForm(request.POST)
    if attempt(
        form, lambda: services.close_budget(item, by=request.user, reason=form.cleaned_data["reason"])
    ):
        messages.success(request, "Budget closed. What was spent stays spent.")
        return redirect("privacy:budget", pk)
    return _page(request, item, status=400, reason_form=form)


@require_http_methods(["GET", "HEAD", "POST"])
def ask_top_up(request: UserRequest, pk: UUID) -> HttpResponse:
    """Ask the owner for a larger budget."""
    item = the_budget(request, pk)
    require(rules.is_own, request.user, item)
    if request.method != "POST" and (why := rules.may_ask_top_up(request.user, item)):
        messages.info(request, why)
        return redirect("privacy:budget", pk)
    now = noise_epsilon(item.mu, item.promise.noise_delta)
    form = TopUpForm(request.POST or None, initial={"epsilon": f"{now * 1.5:.2g}"})
    if request.method == "POST" and attempt(
        form, lambda: services.ask_top_up(item, by=request.user, **form.cleaned_data)
    ):
        messages.success(request, "Request sent. The owner has been notified and will decide.")
        return redirect("privacy:budget", pk)
    context = {
        "budget": item,
        "form": form,
        "epsilon": words.sized(now, up=True),
        "used": shares.percent(item.share_used),
    }
    return show(request, "privacy/ask_top_up", context, status=400 if form.errors else 200)


def _top_up(request: UserRequest, pk: UUID) -> TopUp:
    rows = TopUp.objects.visible_to(request.user).select_related(
        "budget__promise__dataset__owner", "budget__scientist", "decided_by"
    )
    return found(rows, pk=pk)


@require_safe
def top_up(request: UserRequest, pk: UUID) -> HttpResponse:
    return _top_up_page(request, _top_up(request, pk), DecisionForm())


def _top_up_page(request: UserRequest, item: TopUp, form: DecisionForm, status: int = 200) -> HttpResponse:
    budgets = list(item.budget.promise.budgets.select_related("scientist"))
    delta = item.budget.promise.noise_delta
    context = {
        "item": item,
        "budget": item.budget,
        "dataset": item.budget.promise.dataset,
        "form": form,
        "asked": words.sized(item.epsilon, up=True),
        "now": words.sized(noise_epsilon(item.budget.mu, delta), up=True),
        "used": shares.percent(item.budget.share_used),
        "given": shares.percent(queries.given_away(item.budget.promise, budgets)),
        "after": _after_granting(item, budgets),
        "is_pending": item.state == TopUp.State.PENDING,
        "refusal": rules.may_decide_top_up(request.user, item),
        "is_own": rules.is_own(request.user, item.budget) is None,
    }
    return show(request, "privacy/top_up", context, status=status)


def _after_granting(item: TopUp, budgets: list[Budget]) -> dict[str, object]:
    """Return what would be given out after granting, and what would be left for those who have no budget yet."""
    promise = item.budget.promise
    larger = copy(item.budget)
    larger.mu = services.mu_for(item.epsilon, promise.noise_delta)
    then = [larger if budget.pk == larger.pk else budget for budget in budgets]
    given = queries.given_away(promise, then)
    open_budgets = queries.not_given(promise, budgets)
    equal = queries.promise_in_words_of(promise, budgets).share_epsilon
    left = queries.left_for_each(promise, then)
    return {
        "given": shares.percent(given),
        "fits": given <= 1,
        "open": open_budgets,
        "left": words.sized(left, up=False),
        "is_less": bool(open_budgets) and left < equal * (1 - 1e-6),
        "equal": words.sized(equal, up=False),
    }


@require_POST
@confirmed_recently("Decide on a larger budget")
def decide(request: UserRequest, pk: UUID) -> HttpResponse:
    item = _top_up(request, pk)
    form = DecisionForm(request.POST)
    grant = request.POST.get("verdict") == "grant"
    if attempt(
        form,
        lambda: services.decide_top_up(item, by=request.user, grant=grant, note=form.cleaned_data["note"]),
    ):
        done = "Larger budget given." if grant else "Request declined."
        messages.success(request, f"{done} The scientist has been notified.")
        return redirect("privacy:top_up", pk)
    return _top_up_page(request, item, form, status=400)
