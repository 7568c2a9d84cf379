"""What the pages of automatic answers have in common."""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar
from uuid import UUID

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from common.errors import Refused
from common.http import UserRequest, found
from datasets.models import Dataset
from datasets.queries import waiting_access
from datasets.rules import is_dataset_owner
from privacy.models import Budget
from privacy.queries import budgets_of

M = TypeVar("M", bound=Model)


def show(
    request: UserRequest,
    page: str,
    context: Mapping[str, object],
    *,
    parts: Collection[str] = (),
    status: int = 200,
) -> HttpResponse:
    """The page, or the one of its `parts` that an open page asks for again (by htmx, naming the part's id)."""
    target = getattr(request.htmx, "target", None) if request.htmx else None
    template = f"privacy/parts/{target}.html" if target in parts else f"privacy/{page}.html"
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def paginated(request: UserRequest, rows: "QuerySet[M]", size: int = 25) -> "Page[M]":
    return Paginator(rows, size).get_page(request.GET.get("page"))


def the_budget(request: UserRequest, pk: UUID) -> Budget:
    """A budget that this person may see."""
    return found(budgets_of(request.user), pk=pk)


def owned(request: UserRequest, pk: UUID) -> Dataset:
    """A dataset of this person's own; for everybody else these pages do not exist."""
    return found(Dataset.objects.owned_by(request.user).select_related("owner", "protection"), pk=pk)


def overseen(request: UserRequest, pk: UUID) -> Dataset:
    """A dataset whose budgets this person looks after or oversees."""
    user = request.user
    rows = Dataset.objects.visible_to(user) if user.oversees else Dataset.objects.owned_by(user)
    return found(rows.select_related("owner", "protection"), pk=pk)


def tabs(request: UserRequest, dataset: Dataset) -> dict[str, object]:
    """What the head of a dataset's pages needs."""
    owns = is_dataset_owner(request.user, dataset) is None
    return {
        "dataset": dataset,
        "owns": owns,
        "tab": "answers",
        "asking": waiting_access(dataset) if owns else 0,
    }


def attempt(form: forms.BaseForm, act: Callable[[], object]) -> bool:
    """Whether the form is valid and the verb went through; a refusal stands above the form, which keeps its text."""
    if not form.is_valid():
        return False
    try:
        act()
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return False
    return True
