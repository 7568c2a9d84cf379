"""View helpers of all apps: render a page or a part of it, paginate, act on a form, read an idempotency key."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar
from uuid import UUID, uuid4

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
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
    """Render `page` ("requests/inbox"), or the one of its `parts` that htmx requests by the id of its element."""
    folder = page.partition("/")[0]
    target = getattr(request.htmx, "target", None) if request.htmx else None
    template = f"{folder}/parts/{target}.html" if target in parts else f"{page}.html"
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def paginated(request: HttpRequest, rows: "QuerySet[M] | Sequence[M]", size: int = 25) -> "Page[M]":
    """Return the page of `rows` that the address asks for, or the nearest one if there is no such page."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


def attempt(
    form: forms.BaseForm, act: Callable[[], object], *, raising: type[Refused] | tuple[()] = ()
) -> bool:
    """Call `act` if the form is valid; return whether both succeeded. A refusal becomes an error of the form, unless it
    is one of `raising`."""
    if not form.is_valid():
        return False
    try:
        act()
    except raising:
        raise
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return False
    return True


def key_of(request: UserRequest) -> UUID:
    """Return the form's idempotency key: a form that is sent twice acts once. Raises Refused if it is missing."""
    try:
        return UUID(request.POST.get("key", "") or request.GET.get("key", ""))
    except ValueError as bad:
        raise Refused("This form has no valid key. Reload the page and try again.") from bad


def new_key() -> str:
    return str(uuid4())
