"""Notifications about budgets. They are also sent by e-mail, so they hold nothing from private data."""

from django.urls import reverse

from accounts.models import User
from accounts.notifications import notify
from accounts.topics import Topic
from privacy import shares
from privacy.models import Budget, Promise, TopUp


def budget_given(budget: Budget, *, by: User) -> None:
    text = f"You now have a budget for {budget.promise.dataset.title}: you can ask it questions."
    notify([budget.scientist], text, about=Topic.TERMS, url=reverse("privacy:ask", args=[budget.pk]), by=by)


def budget_closed(budget: Budget, *, by: User) -> None:
    text = f"Your budget for {budget.promise.dataset.title} was closed."
    notify(
        [budget.scientist], text, about=Topic.TERMS, url=reverse("privacy:budget", args=[budget.pk]), by=by
    )


def budget_is_low(budget: Budget) -> None:
    """Notify the scientist and the owner that most of a budget is used."""
    used = shares.percent(budget.share_used)
    text = f"{used} of {budget.scientist}'s budget for {budget.promise.dataset.title} is used."
    people = [budget.scientist, budget.promise.dataset.owner]
    notify(people, text, about=Topic.TERMS, url=reverse("privacy:budget", args=[budget.pk]))


def sampled_mock_drawn(promise: Promise) -> None:
    """Notify the owner that a synthetic table for mock data is there. Nobody else sees it before they replace it."""
    dataset = promise.dataset
    text = f"{dataset.title}: the synthetic table for its mock data is ready. Look at it, then replace the mock data."
    notify([dataset.owner], text, about=Topic.ASKED, url=reverse("privacy:mock", args=[dataset.pk]))


def top_up_asked(top_up: TopUp) -> None:
    budget = top_up.budget
    text = f"{budget.scientist} asks for a larger budget for {budget.promise.dataset.title}."
    more = f"Their reason:\n\n{top_up.reason}\n\nDecide on this page:"
    url = reverse("privacy:top_up", args=[top_up.pk])
    notify([budget.promise.dataset.owner], text, about=Topic.WORK, url=url, more=more)


def top_up_decided(top_up: TopUp) -> None:
    budget = top_up.budget
    words = "was granted" if top_up.state == TopUp.State.GRANTED else "was declined"
    text = f"Your request for a larger budget for {budget.promise.dataset.title} {words}."
    more = f"The decision says:\n\n{top_up.decision_note}" if top_up.decision_note else ""
    url = reverse("privacy:budget", args=[budget.pk])
    notify([budget.scientist], text, about=Topic.ASKED, url=url, by=top_up.decided_by, more=more)
