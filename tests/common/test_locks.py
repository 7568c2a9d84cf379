"""Advisory locks: one holder per object, others do not wait, and an exception releases it."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.db import connection

from common.locks import one_at_a_time
from tests.racing import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def is_free(pk: UUID) -> Callable[[], bool]:
    """Try the lock of an object without waiting, to be called on another connection."""

    def ask() -> bool:
        number = int.from_bytes(pk.bytes[:8], "big", signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
            return bool(cursor.fetchone()[0])

    return ask


def test_the_lock_of_one_object_keeps_others_from_it_alone() -> None:
    one, other = uuid4(), uuid4()
    with one_at_a_time(one):
        assert at_once(is_free(one), is_free(other)) == [False, True]
    assert at_once(is_free(one)) == [True]


def test_it_is_released_when_something_fails() -> None:
    pk = uuid4()
    with pytest.raises(RuntimeError), one_at_a_time(pk):
        raise RuntimeError
    assert at_once(is_free(pk)) == [True]
