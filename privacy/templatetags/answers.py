"""Filters and tags for the pages of automatic answers, and the card on a dataset's page."""

from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField

from datasets.models import Dataset
from privacy import dates, queries, rules, shares
from privacy.engine.language.schema import ColumnSpec, Kind
from privacy.models import Budget
from privacy.presentation import expressions_in_words, words
from privacy.presentation.readable import FLAGS

register = template.Library()


@register.filter
def split_words(text: str) -> list[str]:
    return text.split()


@register.filter
def get_field(form: forms.Form, name: str) -> BoundField:
    return form[name]


@register.filter
def get_item(values: dict[str, str], name: str) -> str:
    return values[name]


@register.filter
def bounds_text(spec: ColumnSpec) -> str:
    return words.bounds(spec)


@register.filter
def plain_date(day: float) -> str:
    return dates.iso(day) or ""


@register.filter
def grouped(value: float) -> str:
    return expressions_in_words.grouped(value)


@register.filter
def percent(share: float) -> str:
    return shares.percent(share)


@register.filter
def whole(share: float) -> int:
    """Return a fraction as a whole percentage from 0 to 100, for a progress bar."""
    return max(0, min(100, round(share * 100)))


@register.simple_tag
def value_label(spec: ColumnSpec, label: str) -> str:
    return FLAGS.get(label, label) if spec.kind == Kind.BOOLEAN else label


@register.inclusion_tag("privacy/parts/dataset_card.html", takes_context=True)
def automatic_answers(context: template.Context, dataset: Dataset) -> dict[str, Any]:
    """Show automatic answers on a dataset's page, as its owner, a budget's holder or anybody else sees them."""
    user = context["request"].user
    promise = getattr(dataset, "promise", None)
    budget = None
    if promise is not None:
        budget = Budget.objects.held_by(user).filter(promise=promise).first()
        if budget is not None:
            budget.promise = promise
            promise.dataset = dataset
    return {
        "dataset": dataset,
        "promise": promise,
        "in_words": queries.promise_in_words_of(promise, list(promise.budgets.select_related("scientist")))
        if promise
        else None,
        "budget": budget,
        "owns": context["owns"],
        "oversees": user.oversees,
        "ask_refusal": rules.may_ask(user, budget) if budget else None,
        "is_low": budget is not None and budget.is_low,
    }


@register.filter
def delta_text(value: float) -> str:
    return words.tiny(value)


@register.filter
def figures(value: float) -> str:
    return words.sized(value, 4, up=True)
