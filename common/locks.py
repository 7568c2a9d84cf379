"""Advisory locks of Postgres: one answer at a time per dataset, one question per budget, one round of other portals."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection


@contextmanager
def one_at_a_time(pk: UUID) -> Iterator[None]:
    """Hold the advisory lock of an object. Postgres releases it with the connection, so a killed process holds none."""
    number = _number(pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [number])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])


@contextmanager
def if_free(pk: UUID) -> Iterator[bool]:
    """Hold the same lock if nobody has it, and yield whether that is so."""
    number = _number(pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        is_free = bool(cursor.fetchone()[0])
        try:
            yield is_free
        finally:
            if is_free:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [number])


def _number(pk: UUID) -> int:
    return int.from_bytes(pk.bytes[:8], "big", signed=True)
