"""Who is the same person in two revisions: whoever has the same id. Held when a revision is published.

What a person was charged is kept under a keyed digest of the text of the id. If the next revision named people in
another way, everybody would begin again, and a promise that was used up would be given a second time.
"""

from collections.abc import Iterator

from datasets.models import Column, Revision


def objections(revision: Revision) -> list[str]:
    """Why the revision in preparation would not name people as the promise of its dataset needs it."""
    dataset = revision.dataset
    if not hasattr(dataset, "protection"):
        return []
    return list(_differences(revision, dataset.last_published)) if dataset.last_published else []


def _differences(revision: Revision, last: Revision) -> Iterator[str]:
    before = _subjects(last)
    known = {(column.name, column.stored): column for column in before.values()}
    for name, subject in _subjects(revision).items():
        if name in before and (subject.name, subject.stored) != (before[name].name, before[name].stored):
            yield _differs(name, subject, before[name])
        elif (subject.name, subject.stored) not in known:
            yield _differs(name, subject, next(iter(known.values())))
    for table in revision.tables.all():
        if table.subject is None:
            yield (
                f"Table {table.name} does not say whom a row is about. This dataset answers automatically, "
                "so each of its tables has to. Put other tables into a dataset of their own."
            )


def _subjects(revision: Revision) -> dict[str, Column]:
    """The column that says whom a row is about, by table."""
    columns = Column.objects.filter(table__revision=revision, is_subject=True).select_related("table")
    return {column.table.name: column for column in columns.order_by("table__name")}


def _differs(table: str, now: Column, before: Column) -> str:
    if now.name != before.name:
        what = f"says whom a row is about by “{now.name}”, up to now by “{before.name}”"
    else:
        what = f"holds “{now.name}” as {now.stored}, up to now as {before.stored}"
    return (
        f"Table {table} {what}. A person is whoever has the same id: under other ids, protection that is used up would "
        "be given again. Name people as before, or make a new dataset with a promise of its own."
    )
