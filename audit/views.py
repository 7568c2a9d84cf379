"""Pages of the audit log: search, one entry, its receipt, export. None of them changes anything else."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from audit import export as export_files
from audit import queries, receipt_pages, receipts, services
from audit.forms import SearchForm
from audit.models import Entry
from common.heavy_views import computing
from common.http import UserRequest, found


@require_safe
def entries(request: UserRequest) -> HttpResponse:
    """Search the part of the log that this person may read."""
    scope = queries.readable(request.user)
    form = _form(request, scope)
    wanted = form.wanted()
    page = queries.page(
        scope, wanted, before=_key(request.GET.get("before")), after=_key(request.GET.get("after"))
    )
    context = {
        "form": form,
        "page": page,
        "lines": page.lines(request.user),
        "search": wanted,
        "query": urlencode(wanted.shown()),
        "hidden": wanted.shown(),
    }
    return render(request, "audit/list.html", context)


@require_safe
def entry(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show one entry: what changed, and whether its link in the chain is valid."""
    scope = queries.readable(request.user)
    item = found(scope.select_related("link"), key=pk)
    context = {
        "entry": item,
        "link": getattr(item, "link", None),
        "place": queries.place_of(item) if request.user.oversees else None,
        "url": queries.page_of(item, request.user),
        "dataset": queries.dataset_names(scope).get(item.dataset_id, ""),
    }
    return render(request, "audit/entry.html", context)


@require_safe
def receipt(request: UserRequest, pk: UUID) -> HttpResponse:
    """Send the receipt of an entry to those who oversee; before there is one, go back and say so."""
    item = found(queries.provable(request.user), key=pk)
    proven = receipts.for_entries([item], kind="entry")
    return receipt_pages.sent(
        request, proven, name=f"weir-receipt-{pk}.json", back=reverse("audit:entry", args=[pk])
    )


@require_POST
@computing
def export(request: UserRequest) -> StreamingHttpResponse:
    """Export a search as CSV. By POST, because this writes an entry."""
    wanted = _form(request, queries.readable(request.user)).wanted()
    pieces = services.export_csv(wanted, by=request.user)
    return export_files.sent(request, pieces)


def _form(request: UserRequest, scope: QuerySet[Entry]) -> SearchForm:
    return SearchForm(
        request.POST if request.method == "POST" else request.GET,
        datasets=queries.dataset_names(scope),
        kinds=queries.action_kinds(scope),
    )


def _key(text: str | None) -> UUID | None:
    """Parse a key from the address; None if it is invalid."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
