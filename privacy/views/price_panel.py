"""The price panel: a question's price, what it rests on, and what would make it cheaper."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from privacy import shares
from privacy.engine.language import sql_text
from privacy.engine.language.learning import Fit, SyntheticTable
from privacy.engine.language.query import (
    CountSubjects,
    Histogram,
    KeyCounts,
    PersonQuantiles,
    Query,
    Sum,
)
from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT, QueryRefused
from privacy.engine.measure.contributions import CAP
from privacy.engine.plan.caps import rows_that_count
from privacy.engine.plan.designs import design
from privacy.engine.plan.pricing import Offer
from privacy.engine.trials import TRIES
from privacy.models import Budget
from privacy.presentation import caps_in_words, display_in_words, learning_in_words, suggestions, words
from privacy.presentation.query_form import GUIDE, MEASURES, fields_of
from privacy.question_forms import ERROR
from privacy.services import guides, prior_answers, questions, trials

if TYPE_CHECKING:
    from privacy.views.questions import Asked

BEFORE = ("count", "guide")
"""What the page proposes to ask first."""


def context(budget: Budget, asked: "Asked") -> dict[str, Any]:
    """Return the template context of the price panel."""
    quote = asked.quote
    return {
        "refusal": asked.refusal or (quote.unaffordable if quote else ""),
        "priced": _priced(budget, quote) if quote else None,
        "shown": display_in_words.sentence(asked.display) if quote and _has_groups(quote) else "",
        "count_first": _first(budget, asked, "count"),
        "guide": _guide(budget, asked),
        "public_rows": budget.promise.public_rows.get(asked.table.name),
        "proposals": _proposed(asked),
        "pins": _pins(quote) if quote else [],
        "kept_apart": suggestions.kept_apart(quote.query, quote.cells, quote.spec) if quote else "",
        "unit": words.error_unit(asked.query, asked.table) if asked.query else "",
    }


def _has_groups(quote: questions.Quote) -> bool:
    """Return whether the answer has several lines, so that it matters which are shown."""
    return quote.plan.cells > 1 or isinstance(quote.query.measure, KeyCounts)


def agreement(quote: questions.Quote) -> str:
    """Return a token for what a click agrees to: this query with this much noise."""
    return f"{questions.digest_of(quote.query)[:32]}:{quote.offer.sigma}"


def before(budget: Budget, asked: "Asked", which: str) -> tuple[Query, Offer] | None:
    """Return a question to ask first, with its price: a count, which may make pricing possible, or a guide."""
    if which == "guide":
        return guides.guide(budget, asked.quote) if asked.quote else None
    return prior_answers.count_first(budget, asked.query, asked.table) if asked.query else None


def _first(budget: Budget, asked: "Asked", which: str) -> dict[str, str] | None:
    """Return the question proposed to ask first, and its price; a count only while the error is unknown."""
    has_error = asked.quote is not None and asked.quote.half_width is not None
    found = None if which == "count" and has_error else before(budget, asked, which)
    return found and {"what": _called(found[0]), "share": shares.percent(found[1].share)}


def _guide(budget: Budget, asked: "Asked") -> dict[str, str] | None:
    """Return the proposed guide, its price, and in words what it asks and what the noise is sized for now."""
    first = _first(budget, asked, "guide")
    if first is None or asked.query is None:
        return None
    rows, amount = rows_that_count(asked.query, asked.table), isinstance(asked.query.measure, Sum)
    asks = "how much {} of people really add up to" if amount else "how many {} of people really have"
    return {**first, "rows": f"{rows:,}", "asks": asks.format(shares.percent(float(GUIDE)))}


def _called(query: Query) -> str:
    """Return the label of a proposed question's button."""
    match query.measure:
        case PersonQuantiles(of):
            return MEASURES["person_rows" if of is None else "person_amount"]
        case measure:
            return "Count the people" if isinstance(measure, CountSubjects) else "Count the rows"


def _priced(budget: Budget, quote: questions.Quote) -> dict[str, Any]:
    """Return the price of a quote, in words."""
    error, together = (
        ""
        if quote.half_width is None
        else words.error_text(quote.query, quote.spec, quote.half_width * wider)
        for wider in (1, quote.joint_factor)
    )
    if error and quote.basis:
        error = f"{'at most' if quote.basis.is_bound else 'about'} {error}"
    found = trials.tried(quote, budget.promise)
    return {
        **caps_in_words.facts(quote.query, quote.spec),
        "twice": _twice(quote),
        "what": words.say(quote.query, quote.spec),
        "error": error,
        "known": quote.basis,
        "read_to": words.read_to(quote.query, quote.spec),
        "rank_note": words.rank_note(quote.query, quote.half_width),
        "together": together,
        "on_mock": trials.in_words(found, quote, budget.promise) if found else None,
        "people": budget.promise.public_size,
        "tries": TRIES,
        "share": shares.percent(quote.offer.share),
        "costs": shares.of_budget(quote.offer.share),
        "left": shares.percent(quote.left / CAP),
        "left_after": shares.percent(max(0, quote.left - quote.offer.units) / CAP),
        "more": words.many(quote.more_like_this),
        "epsilon": words.sized(quote.epsilon, up=True),
        "delta": words.tiny(quote.delta),
        "groups": quote.plan.cells,
        "parts": "bins" if isinstance(quote.query.measure, Histogram) else "groups",
        "agreed": agreement(quote),
        "stored": questions.stored(budget, quote),
        "may_leave_out": quote.may_leave_out,
        "part_of_cells": not bool(quote.cells.all()),
        "learning": _learning(budget, quote),
    }


def _learning(budget: Budget, quote: questions.Quote) -> dict[str, Any] | None:
    """Return what is known in advance of a model or a synthetic table; None for other questions."""
    measure, size = quote.query.measure, budget.promise.public_size
    if not isinstance(measure, Fit | SyntheticTable):
        return None
    training = None
    if isinstance(measure, Fit):
        training = learning_in_words.training(measure, quote.spec, size, quote.offer.mu)
    return {
        "seconds": f"{math.ceil(quote.seconds):,}",
        "training": training,
        "test_share": f"{measure.test_share * 100:g}"
        if isinstance(measure, Fit) and measure.test_share
        else "",
    }


def _twice(quote: questions.Quote) -> str:
    """Return how the price changes with the cap on rows per person, for the same error."""
    rows = caps_in_words.rows_per_person(quote.query, quote.spec)
    if rows is None or 2 * rows > MAX_ROWS_PER_SUBJECT or not suggestions.is_absolute(quote.query):
        return ""
    dearer = 1 / suggestions.saved(quote.plan, design(replace(quote.query, rows=2 * rows), quote.spec))
    return f"twice as many cost {words.sized(dearer, 2)} times as much for the same error"


def _proposed(asked: "Asked") -> list[dict[str, str]]:
    """Return proposals for a lower price at the same error, or a smaller error at the same price."""
    if asked.query is None:
        return []
    try:
        found = suggestions.proposals(asked.query, design(asked.query, asked.table), asked.table)
    except QueryRefused:
        return []
    return [
        {"name": each.name, "words": each.words, "means": each.means, "price": _price_of(asked, each)}
        for each in found
        if sql_text.write(each.query, asked.table) or fields_of(each.query, asked.table)
    ]


def _price_of(asked: "Asked", other: suggestions.Proposal) -> str:
    quote, times = asked.quote, other.saves**0.5
    if asked.form.cleaned_data.get("goal") == ERROR:
        share = quote and f", {shares.percent(quote.offer.share / other.saves)} of your budget"
        return f"1/{words.sized(other.saves)} of the price{share or ''}."
    if quote is None or quote.half_width is None:
        return f"{words.sized(times)} times as exact for this price."
    return f"{words.error_text(other.query, asked.table, quote.half_width / times)} for this price."


def _pins(quote: questions.Quote) -> list[dict[str, object]]:
    """Return the one condition that would save most of what the declared rows for each value allow."""
    found = sorted(suggestions.pinning(quote.query, quote.spec), key=lambda pair: -pair[1])[:1]
    return [
        {
            "name": spec.name,
            "rows": spec.rows_per_value,
            "price": f"1/{words.sized(saves)} of the price for the same error.",
        }
        for spec, saves in found
    ]
