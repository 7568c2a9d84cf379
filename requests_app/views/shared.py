"""What the pages of the review lane have in common."""

from collections.abc import Collection, Mapping
from typing import TypeVar
from uuid import UUID, uuid4

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from common.errors import Refused
from common.http import UserRequest

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
    template = f"requests/parts/{target}.html" if target in parts else f"requests/{page}.html"
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def paginated(request: UserRequest, rows: "QuerySet[M]", size: int = 25) -> "Page[M]":
    return Paginator(rows, size).get_page(request.GET.get("page"))


def key_of(request: UserRequest) -> UUID:
    """The idempotency key of a form: the same key again does nothing twice."""
    try:
        return UUID(request.POST.get("key", "") or request.GET.get("key", ""))
    except ValueError as bad:
        raise Refused("This form has no key. Load the page again and repeat what you did.") from bad


def new_key() -> str:
    return str(uuid4())
