"""Places in line, kept by Postgres: of a dataset while it answers, of a budget while something is asked with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection


@contextmanager
def one_at_a_time(pk: UUID) -> Iterator[None]:
    """Hold an object's place in line. Released with the connection, so a killed process holds nothing."""
    number = int.from_bytes(pk.bytes[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [number])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
