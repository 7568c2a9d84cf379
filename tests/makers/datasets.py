"""Datasets for tests: small real ones, sealed in the store and published through the real services."""

from itertools import count
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from accounts.models import User
from datasets import services, storage
from datasets.models import AccessRequest, Column, Dataset, DatasetReviewer, Grant, Revision, Table
from tests.makers import accounts

_numbers = count(1)

PEOPLE = 30
YEARS = 4
SECRET_WAGE = 31_337
"""A wage in the private rows that no declaration contains: tests search for it where it must not appear."""
WAGE_COLUMNS: dict[str, dict[str, object]] = {
    "person": {"type": "integer", "is_subject": True, "nullable": False, "confirmed": True},
    "year": {"type": "integer", "lower": 1990, "upper": 1999, "confirmed": True, "nullable": False},
    "region": {"type": "category", "categories": ["east", "north", "west"], "confirmed": True},
    "wage": {"type": "number", "lower": 0, "upper": 50_000, "unit": "EUR", "confirmed": True},
}


def wage_rows(*, people: int = PEOPLE, years: int = YEARS, secret: int = SECRET_WAGE) -> pa.Table:
    """Return private rows, `years` per person; the first row contains the secret wage."""
    rows = range(people * years)
    return pa.table(
        {
            "person": pa.array([7_000 + row // years for row in rows], pa.int64()),
            "year": pa.array([1990 + row % years for row in rows], pa.int64()),
            "region": pa.array([("east", "north", "west")[row // years % 3] for row in rows], pa.string()),
            "wage": pa.array([float(secret if row == 0 else 1_000 + 7 * row) for row in rows], pa.float64()),
        }
    )


def table(revision: Revision, *, name: str = "wages", rows: pa.Table | None = None, **fields: Any) -> Table:
    """Create a sealed table of a draft revision, with undeclared columns."""
    content = wage_rows() if rows is None else rows
    path = storage.new_table_path()
    pq.write_table(content, path)
    stored_name, digest, size = storage.seal(path)
    fields = {
        "source_name": f"{name}_private_file.csv",
        "source_bytes": size,
        "stored_name": stored_name,
        "stored_sha256": digest,
        "stored_bytes": size,
        "rows": content.num_rows,
        **fields,
    }
    made = Table.objects.create(revision=revision, name=name, **fields)
    kinds = {
        "int64": ("int64", "integer"), "double": ("double", "number"), "string": ("string", "text"),
        "bool": ("bool", "boolean"), "date32[day]": ("date32", "date"),
        "timestamp[us]": ("timestamp", "datetime"),
    }  # fmt: skip
    for position, column in enumerate(content.schema):
        stored, kind = kinds[str(column.type)]
        Column.objects.create(table=made, position=position, name=column.name, stored=stored, type=kind)
    return made


def dataset(
    *,
    owner: User | None = None,
    published: bool = True,
    rows: pa.Table | None = None,
    policy: dict[str, object] | None = None,
    terms: str = "",
    declared: dict[str, dict[str, object]] | None = None,
    **fields: Any,
) -> Dataset:
    """Create a dataset with one table `wages`: person (the subject), year, region, wage.

    `declared` adds declarations to some columns: {column: {field: value}}.
    """
    number = next(_numbers)
    by = owner or accounts.owner()
    fields = {"name": f"wages_{number}", "title": f"Wages {number}", **fields}
    made = services.create(by=by, **fields)
    if terms:
        services.write_terms(made, by=by, text=terms)
    if policy:
        services.set_policy(made, by=by, **policy)
    draft = made.draft
    assert draft is not None
    columns = _declared(rows)
    for name, more in (declared or {}).items():
        columns = {**columns, name: {**columns[name], **more}}
    services.declare(table(draft, rows=rows), by=by, columns=columns, description="Wages by year.")
    if published:
        services.publish(made, by=by)
    made.refresh_from_db()
    return made


def _declared(rows: pa.Table | None) -> dict[str, dict[str, object]]:
    """Return the usual declarations; other columns of the rows are only confirmed."""
    more = [] if rows is None else [name for name in rows.column_names if name not in WAGE_COLUMNS]
    return WAGE_COLUMNS | {name: {"confirmed": True} for name in more}


def draft(dataset: Dataset) -> Revision:
    """Return the draft revision, which has to exist."""
    revision = dataset.draft
    assert revision is not None
    return revision


def current(dataset: Dataset) -> Revision:
    """Return the published revision, which has to exist."""
    revision = dataset.current
    assert revision is not None
    return revision


def next_revision(dataset: Dataset, *, rows: pa.Table | None = None) -> Revision:
    """Publish another revision of a dataset made by `dataset()`."""
    draft = services.new_revision(dataset, by=dataset.owner, note="More years.")
    services.declare(table(draft, rows=rows), by=dataset.owner, columns=_declared(rows))
    return services.publish(dataset, by=dataset.owner)


def access_request(dataset: Dataset, user: User | None = None, **fields: Any) -> AccessRequest:
    """Create a request for access that is waiting for a decision."""
    fields = {"purpose": "To study how wages grow.", "outputs": "Means by year.", **fields}
    return services.ask_access(dataset, by=user or accounts.scientist(), terms=dataset.terms, **fields)


def grant(dataset: Dataset, user: User | None = None, *, days: int | None = None) -> Grant:
    """Give a scientist access, who asks for it and is granted it by the owner."""
    item = access_request(dataset, user)
    services.decide_access(item, by=dataset.owner, grant=True, days=days)
    return Grant.objects.get(access_request=item)


def reviewer(dataset: Dataset, user: User | None = None, *, decides_access: bool = False) -> DatasetReviewer:
    """Add a reviewer to a dataset."""
    return services.add_reviewer(
        dataset,
        by=dataset.owner,
        user=user or accounts.user(name="Rea Reviewer"),
        decides_access=decides_access,
    )
