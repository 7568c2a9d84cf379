"""The owner's page that takes a codebook for a table's columns, and codebooks to download."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from common.errors import Refused
from common.heavy_views import computing
from common.http import UserRequest, as_csv
from datasets.codebook_forms import CodebookForm
from datasets.models import Revision, Table
from datasets.services import codebooks, inspection
from datasets.views.shared import owned_table, redirect_with_message, show_dataset, visible


@require_http_methods(["GET", "HEAD", "POST"])
@computing
def codebook(request: UserRequest, pk: UUID) -> HttpResponse:
    """Take a codebook: show what it would change, and change it once the owner has seen that."""
    table = owned_table(request, pk)
    if table.revision.state != Revision.State.DRAFT:
        return redirect("datasets:content", table.revision.dataset_id)
    if request.method != "POST":
        return _shown(request, table, CodebookForm())
    form = CodebookForm(request.POST, request.FILES)
    if not form.is_valid():
        return _shown(request, table, form, status=400)
    text = form.cleaned_data["text"]
    takes = request.POST.get("then") == "take"
    try:
        if takes:
            draft = codebooks.take(table, text, by=request.user, public="public" in request.POST)
        else:
            draft = codebooks.look(table, text, by=request.user)
    except Refused as why:
        form.add_error(None, str(why))
        return _shown(request, table, form, status=400)
    if not takes:
        return _shown(request, table, CodebookForm(initial={"text": text}), draft=draft)
    inspection.try_fit(table, by=request.user)
    many = len(draft.declared)
    done = f"The codebook changed {many} column{'' if many == 1 else 's'}. Look at them, and tick what may be public."
    return redirect_with_message(request, done, "datasets:declare", pk)


def _shown(
    request: UserRequest,
    table: Table,
    form: CodebookForm,
    *,
    draft: codebooks.Draft | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {"table": table, "form": form, "draft": draft}
    return show_dataset(request, "codebook", table.revision.dataset, context, tab="content", status=status)


@require_safe
def download(request: UserRequest, pk: UUID) -> HttpResponse:
    """Download what the owner has declared of a table."""
    table = owned_table(request, pk)
    file = codebooks.as_file(table.revision.dataset, table.declared)
    return as_csv(file.content, name=file.name)


@require_safe
def published(request: UserRequest, pk: UUID, table: str) -> HttpResponse:
    """Download what is declared of a published table, for everybody who sees its schema."""
    dataset = visible(request, pk)
    found = codebooks.published(dataset, table)
    if found is None:
        raise Http404
    file = codebooks.as_file(dataset, found)
    return as_csv(file.content, name=file.name)
