"""Advisory locks of Postgres: one answer at a time per dataset, one question at a time per budget."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection


@contextmanager
def one_at_a_time(pk: UUID) -> Iterator[None]:
    """Hold the advisory lock of an object. Postgres releases it with the connection, so a killed process holds none."""
    number = int.from_bytes(pk.bytes[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [number])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
