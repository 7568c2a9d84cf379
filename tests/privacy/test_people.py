"""A person is whoever has the same id: once there is a promise, a revision names people as the one before did."""

import pyarrow as pa
import pytest

from common.errors import Denied
from datasets import rules, services
from privacy import services as promises
from tests import make
from tests.makers.datasets import PEOPLE, WAGE_COLUMNS, wage_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def data():
    made = make.dataset()
    promises.protect(made, by=made.owner, epsilon=1, public_size=PEOPLE, constants=["region"])
    return made


def begin(data, rows, columns, *, name="wages", **fields):
    """The next revision, with this table declared like that."""
    draft = data.draft or services.new_revision(data, by=data.owner, note="Once more.")
    services.declare(make.table(draft, name=name, rows=rows), by=data.owner, columns=columns, **fields)


def with_alias(rows):
    return rows.append_column("alias", pa.array([f"p{k}" for k in range(len(rows))]))


def as_text(rows):
    return rows.set_column(0, "person", rows["person"].cast(pa.string()))


ALIAS = WAGE_COLUMNS | {
    "person": {"type": "integer", "lower": 0, "upper": 9_999, "confirmed": True},
    "alias": {"type": "text", "is_subject": True},
}
TEXT = WAGE_COLUMNS | {"person": {"type": "text", "is_subject": True}}
NOBODY = WAGE_COLUMNS | {"person": {"type": "integer", "lower": 0, "upper": 9_999, "confirmed": True}}


def refusal(data):
    (why,) = rules.gaps(data)
    with pytest.raises(Denied, match="Not ready yet"):
        services.publish(data, by=data.owner)
    assert data.draft is not None
    return why


def test_another_column_that_names_people_is_refused(data):
    begin(data, with_alias(wage_rows()), ALIAS)
    assert "by “alias”, up to now by “person”" in refusal(data)


def test_another_kind_of_the_same_column_is_refused(data):
    """An id that was a number and becomes a text may be written in another way: 7 and 007."""
    begin(data, as_text(wage_rows()), TEXT)
    assert "holds “person” as string, up to now as int64" in refusal(data)


def test_a_table_that_names_nobody_is_refused(data):
    begin(data, wage_rows(), NOBODY, about_people=False)
    assert "does not say whom a row is about" in refusal(data)


def test_a_new_table_names_people_like_the_others(data):
    begin(data, wage_rows(), WAGE_COLUMNS)
    begin(data, with_alias(wage_rows()), ALIAS, name="visits")
    assert "Table visits" in refusal(data)


def test_a_retired_revision_still_says_how_people_are_named(data):
    services.retire_revision(data.current, by=data.owner, reason="Too old.")
    begin(data, with_alias(wage_rows()), ALIAS)
    assert "up to now by “person”" in refusal(data)


def test_the_same_ids_are_published(data):
    begin(data, wage_rows(people=PEOPLE + 5), WAGE_COLUMNS)
    begin(data, wage_rows(), WAGE_COLUMNS, name="visits")
    assert rules.gaps(data) == []
    assert services.publish(data, by=data.owner).number == 2


def test_without_a_promise_people_may_be_named_anew():
    bare = make.dataset()
    begin(bare, with_alias(wage_rows()), ALIAS)
    assert services.publish(bare, by=bare.owner).number == 2
