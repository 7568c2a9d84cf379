"""The store calls fsync before it renames a file into place, and after: a power cut leaves no half-written file."""

import sys
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
import pytest

from datasets import storage
from datasets.columns import ColumnPlan
from tests import make
from tests.makers.datasets import current, wage_rows

PLANS = (ColumnPlan(name="wage"), ColumnPlan(name="region", labels=("east", "north", "west"), constant=True))


def order_of(act):
    """The calls that were made, in order: ("fsync", path) and ("rename", "")."""
    seen = []

    def note(frame, event, called):
        if event == "c_call" and called.__name__ in {"fsync", "rename"}:
            seen.append((called.__name__, frame.f_locals["path"] if called.__name__ == "fsync" else ""))

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.django_db
def test_a_table_in_the_order_of_its_people_is_on_disk_before_it_has_its_name():
    data = make.dataset()
    table = current(data).tables.get()
    asked = current(data)
    seen = order_of(lambda: storage.open_columns(asked, table, PLANS, uuid4().bytes, rule=lambda _: None))
    renamed = seen.index(("rename", ""))
    durable = [path for _, path in seen[:renamed]]
    (ready,) = storage.folder("columns").glob(f"{table.pk}.*")
    draft = durable[-1]
    assert draft.suffix == ".part"
    assert {path.name for path in durable[:-1] if path.parent == draft} == {
        path.name for path in ready.iterdir()
    }
    assert seen[renamed + 1 :] == [("fsync", ready.parent)]


def test_a_sealed_table_is_on_disk_before_it_has_its_name():
    path = Path(storage.new_table_path())
    pq.write_table(wage_rows(), path)
    seen = order_of(lambda: storage.seal(path))
    assert seen == [("fsync", path), ("rename", ""), ("fsync", storage.folder("tables"))]
