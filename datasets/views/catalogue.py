"""Pages for everybody who may see a dataset: the list, its page, its mock data."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from common.heavy_views import computing
from common.http import UserRequest
from common.pages import paginated
from datasets import rules, search
from datasets.declarations import schema
from datasets.declarations.schema import TableSchema
from datasets.forms import ListFilter
from datasets.models import AccessRequest, Dataset, Grant, Revision
from datasets.queries import sampled_mocks
from datasets.services import mocks
from datasets.views.shared import owned, show_dataset, visible

PER_PAGE = 20


@require_safe
def index(request: UserRequest) -> HttpResponse:
    form = ListFilter(request.GET)
    chosen = form.chosen()
    page = paginated(request, search.datasets(request.user, **chosen), PER_PAGE)
    context = {
        "form": form,
        "page": page,
        "filtered": any(chosen.values()),
        "refusal": rules.may_create(request.user),
    }
    return render(request, "datasets/list.html", context)


@require_safe
@computing
def detail(request: UserRequest, pk: UUID) -> HttpResponse:
    dataset = visible(request, pk)
    return _public_page(request, dataset, as_scientist=False)


@require_safe
@computing
def preview(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show the owner what scientists see, or will see of the draft revision."""
    return _public_page(request, owned(request, pk), as_scientist=True)


def _public_page(request: UserRequest, dataset: Dataset, *, as_scientist: bool) -> HttpResponse:
    user = request.user
    revision = dataset.current
    if as_scientist and dataset.draft and dataset.draft.tables.exists():
        revision = dataset.draft
    grant = Grant.objects.visible_to(user).live().filter(user=user, dataset=dataset).first()
    asked = AccessRequest.objects.visible_to(user).filter(dataset=dataset, scientist=user).first()
    declared = _declared(revision)
    heads = mocks.shown(revision, declared) if revision is not None else []
    sampled = sampled_mocks(revision) if revision is not None else {}
    tables = [(table, rows, sampled.get(table.name)) for table, rows in zip(declared, heads, strict=True)]
    context = {
        "revision": revision,
        "tables": tables,
        "waiting": any(rows is None for rows in heads),
        "made": sum(rows is not None for rows in heads),
        "terms": dataset.terms,
        "grant": grant,
        "asked": asked,
        "reviews": not as_scientist and rules.is_reviewer(user, dataset) is None,
        "use_refusal": rules.may_use(user, dataset),
        "ask_refusal": rules.may_ask_access(user, dataset),
        "freeze_refusal": rules.may_freeze(user, dataset),
        "lift_refusal": rules.may_lift_freeze(user, dataset),
        "retire_refusal": rules.may_retire(user, dataset),
        "as_scientist": as_scientist,
        "unpublished": revision is not None and revision.state == Revision.State.DRAFT,
    }
    part = "parts/schema" if as_scientist and request.headers.get("HX-Request") else "detail"
    return show_dataset(request, part, dataset, context, tab="" if as_scientist else "detail")


def _declared(revision: Revision | None) -> tuple[TableSchema, ...]:
    """Return the public schema as published, or as the draft would be published now."""
    if revision is None:
        return ()
    if revision.state != Revision.State.DRAFT:
        return revision.tables_declared
    tables = [table.declared for table in revision.tables.prefetch_related("columns")]
    return schema.from_json(schema.to_json(tables))


@require_safe
@computing
def download_mock(request: UserRequest, pk: UUID, table: str, form: str) -> HttpResponse:
    """Download the mock data of a published table as Parquet or CSV."""
    dataset = visible(request, pk)
    content = mocks.content(dataset, table, form)
    if content is None:
        raise Http404
    file_name = f"{dataset.name}-{table}-mock.{form}"
    return HttpResponse(
        content,
        content_type=mocks.FORMS[form],
        headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
    )
