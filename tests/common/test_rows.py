"""Rows that services change: read again under a lock, validated, and only what is new is saved."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Notification
from common import rows
from common.errors import Conflict, Refused
from tests import make

pytestmark = pytest.mark.django_db


def test_a_row_that_was_removed_in_the_meantime_is_a_conflict() -> None:
    item = Notification.objects.create(user=make.user(), text="Gone soon.", url="/")
    assert rows.locked(item) == item
    Notification.objects.filter(pk=item.pk).delete()
    with pytest.raises(Conflict, match="no longer exists"):
        rows.locked(item)


def test_changes_are_returned_with_their_old_values_and_saved() -> None:
    person = make.user(affiliation="A hospital")
    assert rows.change(person, {"affiliation": "A university", "name": person.name}) == {
        "affiliation": ("A hospital", "A university")
    }
    person.refresh_from_db()
    assert person.affiliation == "A university"


def test_nothing_is_saved_where_nothing_is_new() -> None:
    person = make.user()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert rows.change(person, {"affiliation": person.affiliation}) == {}
    assert [query["sql"] for query in queries if query["sql"].startswith("UPDATE")] == []


def test_an_invalid_value_is_refused_by_the_name_of_its_field_and_not_saved() -> None:
    person = make.user(affiliation="A hospital")
    with pytest.raises(Refused, match="affiliation: "):
        rows.change(person, {"affiliation": "x" * 10_000})
    person.refresh_from_db()
    assert person.affiliation == "A hospital"
