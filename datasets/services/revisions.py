"""Actions on datasets and their revisions. Those that concern people are in access.py, files in uploads.py."""

import json
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from common import fingerprints
from common.access import require
from common.decimal_grid import MOST_DECIMALS
from common.errors import Conflict, Refused
from common.reasons import reason as written_reason
from common.rows import change, check, locked
from datasets import hooks, mock_files, notifications, rules, storage
from datasets.declarations import schema
from datasets.models import Column, Dataset, Revision, Table, Terms
from datasets.services import mocks

DESCRIBED = {"title", "summary", "description", "tags", "discoverable"}
POLICY = {
    "reviewers_needed",
    "blinded",
    "max_runs",
    "approval_days",
    "wall_seconds",
    "memory_mb",
    "threshold",
    "run_isolation",
    "end_step_seconds",
    "held_downloads",
}
DECLARED_OF_TABLE = {"name", "description", "mock_rows", "rows_per_subject", "about_people"}
READ_OFF = ("type", "nullable", "lower", "upper", "categories")
"""The declarations that may be proposed from the data of a column."""
DECLARED_OF_COLUMN = {
    "type",
    "description",
    "unit",
    "is_subject",
    "nullable",
    "lower",
    "upper",
    "categories",
    "rows_per_value",
    "decimals",
    "constant",
    "confirmed",
}


@transaction.atomic
def create(*, by: User, name: str, title: str, **fields: object) -> Dataset:
    """Create a dataset with a first draft revision. Nobody else can see it before it is published."""
    require(rules.may_create, by)
    _allow_only(fields, DESCRIBED)
    dataset = Dataset(name=name, title=title.strip(), owner=by, **_with_tags(fields))
    check(dataset)
    dataset.save()
    log.record("dataset.create", by=by, on=dataset, dataset_id=dataset.pk, name=name)
    _begin_revision(dataset, by=by, note="")
    return dataset


@transaction.atomic
def update(dataset: Dataset, *, by: User, **fields: object) -> Dataset:
    """Change the public description of a dataset, and whether it is listed."""
    _allow_only(fields, DESCRIBED)
    return _changed(_editable(dataset, by=by), "dataset.update", by=by, fields=_with_tags(fields))


def _with_tags(fields: dict[str, object]) -> dict[str, object]:
    """Return the fields with each tag once, without blanks around it."""
    given = fields.get("tags")
    if not isinstance(given, list | tuple):
        return fields
    once = {tag.casefold(): tag for tag in reversed([str(each).strip() for each in given]) if tag}
    return {**fields, "tags": list(reversed(once.values()))}


@transaction.atomic
def set_policy(dataset: Dataset, *, by: User, **fields: object) -> Dataset:
    """Change the policy, for versions that are submitted and approvals that are given from now on."""
    _allow_only(fields, POLICY)
    dataset = _editable(dataset, by=by)
    needed = fields.get("reviewers_needed", dataset.reviewers_needed)
    if isinstance(needed, int) and (why := rules.too_few_reviewers(dataset, needed)):
        raise Refused(why)
    return _changed(dataset, "dataset.policy", by=by, fields=fields)


def _editable(dataset: Dataset, *, by: User) -> Dataset:
    """Return the dataset, locked. Raises Denied unless this person may edit it."""
    dataset = locked(dataset)
    require(rules.may_edit, by, dataset)
    return dataset


def _changed(dataset: Dataset, action: str, *, by: User, fields: dict[str, object]) -> Dataset:
    if changes := change(dataset, fields):
        log.record(action, by=by, on=dataset, dataset_id=dataset.pk, changes=changes)
    return dataset


@transaction.atomic
def write_terms(dataset: Dataset, *, by: User, text: str) -> Terms:
    """Add the next version of the terms of use, unless the text is unchanged. Earlier acceptances stay valid."""
    dataset = _editable(dataset, by=by)
    old = dataset.terms
    number = old.number + 1 if old else 1
    terms = Terms(dataset=dataset, number=number, text=text.strip(), written_by=by)
    check(terms, only={"text"})
    if old and old.text == terms.text:
        return old
    terms.save()
    log.record("terms.write", by=by, on=terms, dataset_id=dataset.pk, number=number)
    return terms


# Revisions


@transaction.atomic
def new_revision(dataset: Dataset, *, by: User, note: str) -> Revision:
    """Begin a draft revision; the published one stays in use until the draft is published."""
    dataset = locked(dataset)
    require(rules.may_begin_revision, by, dataset)
    return _begin_revision(dataset, by=by, note=note)


def _begin_revision(dataset: Dataset, *, by: User, note: str) -> Revision:
    last = dataset.revisions.first()
    number = last.number + 1 if last else 1
    revision = Revision(dataset=dataset, number=number, made_by=by, note=note.strip())
    check(revision, only={"note"})
    revision.save()
    log.record("revision.begin", by=by, on=revision, dataset_id=dataset.pk, number=number)
    return revision


def require_draft(revision: Revision) -> None:
    """Raise Conflict unless this revision can still be changed."""
    if revision.state != Revision.State.DRAFT:
        raise Conflict("Only a draft revision can be changed. Begin a new one.")


@transaction.atomic
def declare(table: Table, *, by: User, columns: dict[str, dict[str, object]], **fields: object) -> Table:
    """Save the declarations of a table of a draft revision; `columns` is {column name: {field: value}}."""
    _allow_only(fields, DECLARED_OF_TABLE)
    dataset = locked(table.revision.dataset)
    require(rules.may_prepare_revision, by, dataset)
    require_draft(table.revision)
    changes = change(table, {**fields, "misfits": {}})
    changes.pop("misfits", None)
    known = {column.name: column for column in table.columns.all()}
    for name in columns:
        if name not in known:
            raise Refused(f"The table {table.name} has no column {name}. Load the page again.")
    for name in sorted(columns, key=lambda each: bool(columns[each].get("is_subject"))):
        _allow_only(columns[name], DECLARED_OF_COLUMN)
        declared = _declare_column(known[name], columns[name])
        told = _with_dates(known[name].type, _for_audit(known[name], declared))
        changes |= {f"{name}.{field}": pair for field, pair in told.items()}
    if changes:
        log.record("table.declare", by=by, on=table, dataset_id=dataset.pk, changes=changes)
    mocks.begin(table.revision, Table.objects.get(pk=table.pk).declared)
    return table


def _declare_column(column: Column, fields: dict[str, object]) -> dict[str, tuple[object, object]]:
    """Save the declarations of a column. A change of what was confirmed withdraws the confirmation."""
    touched = any(name in READ_OFF and getattr(column, name) != value for name, value in fields.items())
    if touched and "confirmed" not in fields:
        fields = {**fields, "confirmed": False}
    lower, upper = fields.get("lower", column.lower), fields.get("upper", column.upper)
    if isinstance(lower, int | float) and isinstance(upper, int | float) and lower > upper:
        raise Refused(f"{column.name}: the lower bound is above the upper bound. Correct one of them.")
    _check_bounds(column, fields)
    return change(column, fields)


def _check_bounds(column: Column, fields: dict[str, object]) -> None:
    """Raise Refused unless the bounds are values that the column can have: with its decimals, or whole days."""
    declared: dict[str, Any] = {
        name: fields.get(name, getattr(column, name)) for name in ("type", "decimals", "lower", "upper")
    }
    type_, decimals = declared["type"], declared["decimals"]
    if decimals is not None and type_ != Column.Type.NUMBER:
        raise Refused(f"{column.name}: only a column of numbers can be declared with decimals.")
    if not isinstance(decimals, int | None) or not 0 <= (decimals or 0) <= MOST_DECIMALS:
        return  # the validators of the column report what is wrong
    for name in ("lower", "upper"):
        bound = declared[name]
        if isinstance(bound, int | float) and (why := schema.misplaced(type_, decimals, bound)):
            raise Refused(f"{column.name}, {name} bound: {why}")


def _for_audit(column: Column, changes: dict[str, tuple[object, object]]) -> dict[str, tuple[object, object]]:
    """Return the changes as the audit log may show them: values that are not confirmed may come from the data."""
    if column.confirmed and "confirmed" in changes:
        confirmed = {
            name: ("not confirmed", getattr(column, name))
            for name in READ_OFF
            if getattr(column, name) not in (None, [])
        }
        return {**changes, **confirmed}
    if column.confirmed:
        return changes
    return {name: ("kept back", "changed") if name in READ_OFF else pair for name, pair in changes.items()}


def _with_dates(type_: str, changes: dict[str, tuple[object, object]]) -> dict[str, tuple[object, object]]:
    """Return the changes with bounds of dates as dates; they are stored as numbers."""
    types = changes.get("type", (type_, type_))
    written = {
        name: tuple(
            schema.bound_text(str(of), value)
            if of in schema.UNITS and isinstance(value, int | float)
            else value
            for of, value in zip(types, changes[name], strict=True)
        )
        for name in ("lower", "upper")
        if name in changes
    }
    return {**changes, **written}  # type: ignore[dict-item]  # each is still a pair


@transaction.atomic
def publish(dataset: Dataset, *, by: User, agreed: bool = False, only: Revision | None = None) -> Revision:
    """Publish the draft revision, which becomes immutable; the revision before it is retired.

    `agreed`: the owner was shown what the rows of this revision mean for the promise, and agrees. Raises Conflict if
    the draft is not `only`, the one that the owner names.
    """
    dataset = locked(dataset)
    require(rules.may_publish, by, dataset)
    revision = Revision.objects.select_for_update().get(dataset=dataset, state=Revision.State.DRAFT)
    if only not in {None, revision}:
        raise Conflict("Only the draft revision can be published. This one is not it.")
    hooks.publishing(revision, by=by, agreed=agreed)
    tables = list(revision.tables.prefetch_related("columns"))
    declared = [table.declared for table in tables]
    mocks.publish(revision, declared)
    if old := dataset.current:
        _retire(old, by=by, reason=f"Replaced by revision {revision.number}.")
    revision.schema = schema.to_json(declared)
    revision.sha256 = _fingerprint(tables, revision.schema)
    revision.state, revision.published_at = Revision.State.PUBLISHED, timezone.now()
    revision.save(update_fields=["schema", "sha256", "state", "published_at"])
    transaction.on_commit(partial(mock_files.delete_prepared, revision))
    for upload in revision.uploads.all():
        transaction.on_commit(partial(storage.drop_upload, upload))
    if dataset.state == Dataset.State.DRAFT:
        dataset.state = Dataset.State.PUBLISHED
        dataset.save(update_fields=["state"])
    log.record(
        "revision.publish", by=by, on=revision, dataset_id=dataset.pk, number=revision.number,
        sha256=revision.sha256, tables=[table.name for table in tables],
    )  # fmt: skip
    notifications.published(revision, by=by)
    return revision


def _fingerprint(tables: list[Table], public: dict[str, object]) -> str:
    """Return one keyed hash over the content and the declarations of a revision.

    Scientists can read it, and hashes made from it. Only this portal can compute it, and it covers the random name of
    each sealed file: otherwise somebody who knew all rows but one could brute-force that row.
    """
    content = {table.name: [table.stored_name, table.stored_sha256] for table in tables}
    parts = {"tables": content, "schema": public}
    return fingerprints.keyed("datasets.revision", json.dumps(parts, sort_keys=True))


@transaction.atomic
def discard(revision: Revision, *, by: User) -> Revision:
    """Discard a draft revision; its files are deleted after commit."""
    dataset = locked(revision.dataset)
    require(rules.may_prepare_revision, by, dataset)
    revision = locked(revision)
    if revision.state != Revision.State.DRAFT:
        raise Conflict("Only a draft revision can be discarded.")
    for upload in revision.uploads.all():
        transaction.on_commit(partial(storage.drop_upload, upload))
    revision.uploads.all().delete()
    revision.state = Revision.State.DISCARDED
    revision.save(update_fields=["state"])
    for table in revision.tables.select_related("revision"):
        transaction.on_commit(partial(storage.drop_table, table))
    transaction.on_commit(partial(mock_files.delete_prepared, revision))
    log.record("revision.discard", by=by, on=revision, dataset_id=dataset.pk, number=revision.number)
    if dataset.state == Dataset.State.DRAFT:
        _begin_revision(dataset, by=by, note="")
    return revision


@transaction.atomic
def retire_revision(revision: Revision, *, by: User, reason: str) -> Revision:
    """Retire a published revision: its content is kept, approvals bound to it end."""
    dataset = locked(revision.dataset)
    require(rules.may_prepare_revision, by, dataset)
    revision = locked(revision)
    if revision.state != Revision.State.PUBLISHED:
        raise Conflict("Only a published revision can be retired.")
    _retire(revision, by=by, reason=written_reason(reason))
    return revision


def _retire(revision: Revision, *, by: User, reason: str) -> None:
    revision.state = Revision.State.RETIRED
    revision.save(update_fields=["state"])
    log.record(
        "revision.retire", by=by, on=revision, dataset_id=revision.dataset_id, number=revision.number,
        reason=reason,
    )  # fmt: skip
    hooks.revision_retired(revision, by=by)


# In and out of use


@transaction.atomic
def freeze(dataset: Dataset, *, by: User, reason: str) -> Dataset:
    """Stop all work on a dataset until the freeze is lifted; everything in progress on it is cancelled."""
    dataset = locked(dataset)
    require(rules.may_freeze, by, dataset)
    if dataset.state != Dataset.State.PUBLISHED:
        words = dataset.get_state_display().lower()
        raise Conflict(f"Only a published dataset can be frozen. The state of this one is: {words}.")
    dataset.frozen_by_admin = by != dataset.owner
    _to_state(dataset, Dataset.State.FROZEN, "dataset.freeze", by=by, reason=written_reason(reason))
    hooks.frozen(dataset, by=by)
    notifications.frozen_or_retired(dataset, by=by)
    return dataset


@transaction.atomic
def unfreeze(dataset: Dataset, *, by: User, reason: str) -> Dataset:
    """Lift a freeze."""
    dataset = locked(dataset)
    require(rules.may_lift_freeze, by, dataset)
    dataset.frozen_by_admin = False
    _to_state(dataset, Dataset.State.PUBLISHED, "dataset.unfreeze", by=by, reason=written_reason(reason))
    notifications.unfrozen(dataset, by=by)
    return dataset


@transaction.atomic
def retire(dataset: Dataset, *, by: User, reason: str) -> Dataset:
    """Retire a dataset for good: no new work can begin on it; its records and content are kept."""
    dataset = locked(dataset)
    require(rules.may_retire, by, dataset)
    if dataset.state == Dataset.State.DRAFT:
        raise Conflict(
            "This dataset was never published, so it cannot be retired. Discard its draft instead."
        )
    if draft := dataset.draft:
        discard(draft, by=by)
    if current := dataset.current:
        _retire(current, by=by, reason="The dataset is retired.")
    _to_state(dataset, Dataset.State.RETIRED, "dataset.retire", by=by, reason=written_reason(reason))
    hooks.frozen(dataset, by=by)
    notifications.frozen_or_retired(dataset, by=by)
    return dataset


def _to_state(dataset: Dataset, state: Dataset.State, action: str, *, by: User, reason: str) -> None:
    changes = {"state": (dataset.state, state)}
    dataset.state, dataset.state_reason = state, "" if state == Dataset.State.PUBLISHED else reason
    dataset.save(update_fields=["state", "state_reason", "frozen_by_admin"])
    log.record(action, by=by, on=dataset, dataset_id=dataset.pk, changes=changes, reason=reason)


def _allow_only(fields: dict[str, object], allowed: set[str]) -> None:
    if unknown := sorted(set(fields) - allowed):
        raise TypeError(f"These fields cannot be changed here: {', '.join(unknown)}.")
