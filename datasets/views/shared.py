"""Helpers that the views of datasets share."""

from collections.abc import Mapping
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from common.http import UserRequest, found
from datasets.models import Dataset, Table
from datasets.queries import waiting_access
from datasets.rules import is_dataset_owner


def visible(request: UserRequest, pk: UUID) -> Dataset:
    """Return a dataset that this person may see, or raise Http404."""
    return found(Dataset.objects.visible_to(request.user).select_related("owner"), pk=pk)


def owned(request: UserRequest, pk: UUID, *beside: str) -> Dataset:
    """Return a dataset of this person's own, read with its relations `beside`, or raise Http404."""
    return found(Dataset.objects.owned_by(request.user).select_related("owner", *beside), pk=pk)


def owned_table(request: UserRequest, pk: UUID) -> Table:
    """Return a table of this person's own datasets, or raise Http404."""
    return found(Table.objects.visible_to(request.user).select_related("revision__dataset__owner"), pk=pk)


def show_dataset(
    request: UserRequest,
    name: str,
    dataset: Dataset,
    context: Mapping[str, object],
    *,
    tab: str = "",
    status: int = 200,
) -> HttpResponse:
    """Render a page of one dataset, with the tabs that this person may open. The context may say who `owns` it."""
    owns = context["owns"] if "owns" in context else is_dataset_owner(request.user, dataset) is None
    shared = {
        "dataset": dataset,
        "tab": tab,
        "owns": owns,
        "asking": waiting_access(dataset) if owns else 0,
        "as_scientist": False,
    }
    return render(request, f"datasets/{name}.html", {**shared, **context}, status=status)


def redirect_with_message(
    request: UserRequest, text: str, to: str, pk: UUID, anchor: str = ""
) -> HttpResponse:
    """Redirect to the page `to` of the object `pk`, with a message that says what was done."""
    messages.success(request, text)
    response = redirect(to, pk)
    if anchor:
        response["Location"] += f"#{anchor}"
    return response
