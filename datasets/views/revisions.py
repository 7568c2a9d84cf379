"""The owner's pages from a file to a published revision: files, columns, check, publish."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.signin.reauthentication import confirmed_recently
from common import heavy_views
from common.decimal_grid import at, largest, place
from common.errors import Conflict, Refused
from common.heavy_views import computing
from common.http import UserRequest, found
from common.pages import attempt, paginated
from datasets import hooks, rules, services
from datasets.declarations.schema import PLAIN, bound_text, misplaced
from datasets.forms import NOBODY, ColumnForm, PlainUploadForm, ReasonForm, RevisionForm, TableForm
from datasets.ingest import guesses
from datasets.models import Column, Dataset, Revision, Table, Upload
from datasets.services import inspection, mocks, uploads
from datasets.views import places
from datasets.views.places import COLUMNS
from datasets.views.shared import owned, owned_table, redirect_with_message, show_dataset

GAPS = 12
"""The gaps that are listed, of all that there may be."""
FINAL = (
    "A published revision can no longer be changed. "
    "Scientists who can see the dataset can read its schema and its mock data."
)


@require_safe
def content(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show revisions, their tables, and uploads in progress."""
    dataset = owned(request, pk)
    part = "parts/files" if request.headers.get("HX-Request") else "content"
    return show_dataset(request, part, dataset, _content(request, dataset), tab="content")


def _content(request: UserRequest, dataset: Dataset) -> dict[str, object]:
    draft = dataset.draft
    tables = list(draft.tables.prefetch_related("columns")) if draft else []
    for table in tables:
        table.stored_upload = uploads.stored_of(table)
    gaps = rules.gaps(dataset) if draft else []
    last = dataset.last_published if draft else None
    return {
        "draft": draft,
        "draft_tables": [(table, places.misfits(table)) for table in tables],
        "last": last,
        "to_keep": list(last.tables.exclude(name__in=[table.name for table in tables])) if last else [],
        "uploads": list(_open_uploads(request, draft)) if draft else [],
        "revisions": dataset.revisions.exclude(state=Revision.State.DRAFT).prefetch_related("tables"),
        "gaps": gaps,
        "shown_gaps": [places.of_gap(gap, tables) for gap in gaps[:GAPS]],
        "more_gaps": max(len(gaps) - GAPS, 0),
        "refusal": (refusal := rules.may_publish(request.user, dataset)),
        **_before_publishing(request, draft if refusal is None else None),
        "begin_refusal": rules.may_begin_revision(request.user, dataset),
        "revision_form": RevisionForm(),
        "retire_form": ReasonForm(),
        "plain_form": PlainUploadForm(),
    }


def _before_publishing(request: UserRequest, draft: Revision | None) -> dict[str, object]:
    """Return what the owner is shown, and asked, before publishing. Other apps may have to read rows for it."""
    remarks = mocks.remarks(draft) if draft else []
    if draft:
        try:
            with heavy_views.turn(heavy_views.SANDBOXED, request):
                remarks += hooks.remarks_on_publishing(draft)
        except Conflict as why:  # the page is still shown, without the remarks
            remarks.append(hooks.Remark(words=str(why), asks=False))
    asked = [remark.words for remark in remarks if remark.asks]
    return {
        "remarks": remarks,
        "publish_question": " ".join([*asked, FINAL]),
        "publish_agreed": "1" if asked else "",
    }


def _open_uploads(request: UserRequest, draft: Revision) -> list[Upload]:
    shown = Upload.objects.visible_to(request.user).filter(revision=draft).exclude(state=Upload.State.DONE)
    return list(shown[:50])


@require_POST
def begin_revision(request: UserRequest, pk: UUID) -> HttpResponse:
    dataset = owned(request, pk)
    form = RevisionForm(request.POST)
    note = form.cleaned_data["note"] if form.is_valid() else ""
    services.new_revision(dataset, by=request.user, note=note)
    return redirect_with_message(request, "New revision begun. Add its files.", "datasets:content", pk)


def _revision(request: UserRequest, pk: UUID) -> Revision:
    revisions = Revision.objects.visible_to(request.user).select_related("dataset__owner")
    return found(revisions, pk=pk)


@require_POST
def discard(request: UserRequest, pk: UUID) -> HttpResponse:
    revision = services.discard(_revision(request, pk), by=request.user)
    return redirect_with_message(request, "Draft discarded.", "datasets:content", revision.dataset_id)


@require_POST
@confirmed_recently("Retire a revision of a dataset")
def retire_revision(request: UserRequest, pk: UUID) -> HttpResponse:
    revision = _revision(request, pk)
    form = ReasonForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    services.retire_revision(revision, by=request.user, reason=reason)
    return redirect_with_message(request, "Revision retired.", "datasets:content", revision.dataset_id)


@require_POST
def remove_table(request: UserRequest, pk: UUID) -> HttpResponse:
    table = owned_table(request, pk)
    dataset_pk = table.revision.dataset_id
    uploads.remove_table(table, by=request.user)
    return redirect_with_message(request, "Table removed.", "datasets:content", dataset_pk)


@require_POST
def keep_table(request: UserRequest, pk: UUID) -> HttpResponse:
    kept = uploads.keep_table(owned_table(request, pk), by=request.user)
    dataset_pk = kept.revision.dataset_id
    return redirect_with_message(
        request, f"Table {kept.name} kept unchanged.", "datasets:content", dataset_pk, "files"
    )


@require_safe
@computing
def rows(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show private rows to the owner alone; each look is recorded in the audit log."""
    table = owned_table(request, pk)
    first = request.GET.get("first", "0")
    if not first.isdecimal() or len(first) > 9:
        raise Refused("The address does not contain a valid row number. Go back to the table.")
    page = inspection.rows(table, by=request.user, first=int(first))
    shown = {"table": table, "page": page, "owns": True}  # only owners are shown rows
    return show_dataset(request, "rows", table.revision.dataset, shown, tab="content")


@require_http_methods(["GET", "HEAD", "POST"])
@computing
def declare(request: UserRequest, pk: UUID) -> HttpResponse:
    """Declare what is public about a table and its columns."""
    table = owned_table(request, pk)
    if table.revision.state != Revision.State.DRAFT:
        return redirect("datasets:content", table.revision.dataset_id)
    columns = list(table.columns.all())
    for column in columns:
        column.table = table
    table.stored_upload = uploads.stored_of(table)
    page = paginated(request, columns, COLUMNS)
    posted = request.POST if request.method == "POST" else None
    table_form = TableForm(posted, instance=owned_table(request, pk), columns=columns)
    column_forms = [ColumnForm(posted, column=column) for column in page]
    if posted is not None and _save(request, table, columns, table_form, column_forms):
        return _after(request, table, page.number)
    wrong = posted is not None
    context = {
        "table": table,
        "table_form": table_form,
        "column_forms": column_forms,
        "page": page,
        "wrong": wrong,
        "problems": places.problems(table_form, column_forms),
        "suggested": [column.name for column in columns if guesses.may_be_subject(column.name)],
    }
    return show_dataset(
        request, "declare", table.revision.dataset, context, tab="content", status=400 if wrong else 200
    )


def _save(
    request: UserRequest,
    table: Table,
    columns: list[Column],
    table_form: TableForm,
    column_forms: list[ColumnForm],
) -> bool:
    """Save the declarations and count what does not fit them. Return False if there are errors, shown in the forms."""
    if not all(form.is_valid() for form in column_forms) or not table_form.is_valid():
        return False
    given = dict(table_form.cleaned_data)
    subject, plain = given.pop("subject"), given.pop("plain")
    declared: dict[str, dict[str, object]] = {
        column.name: {"is_subject": str(column.pk) == subject} for column in columns
    }
    for form in column_forms:
        declared[form.column.name] |= form.cleaned_data
        if plain and (form.cleaned_data["type"] in PLAIN or str(form.column.pk) == subject):
            declared[form.column.name]["confirmed"] = True
        if form.column.pk.hex == request.POST.get("fill"):
            declared[form.column.name] |= _read_off(request, form)
    given["about_people"] = subject != NOBODY

    def act() -> None:
        services.declare(table, by=request.user, columns=declared, **given)

    if not attempt(table_form, act):
        return False
    if why := inspection.try_fit(table, by=request.user):
        messages.warning(request, f"The portal could not count what falls outside the declarations. {why}")
    return True


def _read_off(request: UserRequest, form: ColumnForm) -> dict[str, object]:
    """Return the data's bounds or categories, rounded as values are, for the owner to consider: not confirmed."""
    column, type_, decimals = form.column, form.cleaned_data["type"], form.cleaned_data["decimals"]
    held = column.table.profile.get(column.name, {})
    if column.type == Column.Type.CATEGORY:
        return {"categories": list(held.get("values", [])), "confirmed": False}
    read: dict[str, object] = {"confirmed": False}
    for name, held_end in (("lower", held.get("lowest")), ("upper", held.get("highest"))):
        end = held_end
        if decimals is not None and end is not None and abs(end) <= largest(decimals):
            end = at(float(place(end, decimals)), decimals)
        if end is not None and (why := misplaced(type_, decimals, end)):
            value = bound_text(type_, end)
            messages.warning(
                request,
                f"{column.name}: {value} from the file cannot be the {name} bound: {why} Enter a bound.",
            )
        else:
            read[name] = end
    return read


def _after(request: UserRequest, table: Table, page: int) -> HttpResponse:
    """Redirect to the next page of columns, the same page or the check, depending on the button."""
    response = redirect_with_message(request, "Declarations saved.", "datasets:declare", table.pk)
    match request.POST.get("then"):
        case "next":
            response["Location"] += f"?page={page + 1}"
        case "done":
            return redirect("datasets:content", table.revision.dataset_id)
        case _:
            response["Location"] += f"?page={page}"
    if fill := request.POST.get("fill"):
        response["Location"] += f"#column-{fill}"
    return response


@require_POST
@confirmed_recently("Publish a revision of a dataset")
@computing
def publish(request: UserRequest, pk: UUID) -> HttpResponse:
    agreed = request.POST.get("agreed") == "1"
    revision = services.publish(owned(request, pk), by=request.user, agreed=agreed)
    return redirect_with_message(request, f"Revision {revision.number} published.", "datasets:detail", pk)
