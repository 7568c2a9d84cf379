"""Pages for everybody who has signed in: the search across portals, and datasets of other portals."""

from io import BytesIO
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from common.http import UserRequest, as_download, found
from common.pages import paginated
from network import search
from network.forms import FindFilter
from network.models import RemoteDataset
from network.services import catalogue

PER_PAGE = 20


@require_safe
def find(request: UserRequest) -> HttpResponse:
    peers = list(search.portals())
    form = FindFilter(request.GET, peers=peers)
    chosen = form.chosen()
    page = paginated(request, search.everywhere(request.user, **chosen), PER_PAGE)
    context = {
        "form": form,
        "page": page,
        "hits": search.hits(list(page)),
        "peers": peers,
        "filtered": any(chosen.values()),
    }
    return render(request, "network/find.html", context)


@require_safe
def dataset(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show what another portal tells of a dataset."""
    item = _the_dataset(request, pk)
    sampled = item.sampled_epsilons
    tables = [(table, sampled.get(table.name)) for table in item.tables_declared]
    context = {"remote": item, "tables": tables, "terms": item.terms, "promise": item.promise}
    return render(request, "network/remote_dataset.html", context)


@require_safe
def mock(request: UserRequest, pk: UUID, table: str) -> HttpResponseBase:
    """Download the mock data of a table, which is fetched from its portal now."""
    item = _the_dataset(request, pk)
    return as_download(BytesIO(catalogue.mock_of(item, table)), name=catalogue.mock_name(item, table))


def _the_dataset(request: UserRequest, pk: UUID) -> RemoteDataset:
    return found(RemoteDataset.objects.visible_to(request.user).select_related("peer__catalogue"), pk=pk)
