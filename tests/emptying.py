"""Empty the database after a test that commits, in milliseconds rather than half a second.

Django truncates every table, for which Postgres makes all of them and their indexes anew, and then fills in the same
content types and permissions. Here these stay, and rows are deleted where there are any.
"""

import re
from collections.abc import Iterable
from itertools import chain
from typing import Any

from django.db import OperationalError, transaction
from django.db.backends.postgresql.operations import DatabaseOperations
from psycopg2.errors import DeadlockDetected

KEPT = {"auth_permission", "django_content_type"}
"""Tables that are filled when the database is set up, and that nothing writes to later."""
_truncate = DatabaseOperations.execute_sql_flush


def empty(operations: DatabaseOperations, statements: list[str]) -> None:
    """Stand in for Django's `execute_sql_flush`.

    The running portal reads several tables at once, so emptying them can meet it in a deadlock, which Postgres ends on
    one side: it is tried again.
    """
    for _ in range(4):
        try:
            _empty(operations, statements)
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise
        else:
            return
    _empty(operations, statements)


def _empty(operations: DatabaseOperations, statements: list[str]) -> None:
    if any("RESTART IDENTITY" in statement for statement in statements):
        _truncate(operations, statements)
        return
    tables = set(chain.from_iterable(re.findall(r'"(\w+)"', statement) for statement in statements)) - KEPT
    with transaction.atomic(using=operations.connection.alias), operations.connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers, in any order
        # Again until nothing is left: what was being written meanwhile waits, or has been committed.
        while filled := _filled(cursor, sorted(tables)):
            names = [f'"{name}"' for name in filled]
            cursor.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")
            for name in names:
                cursor.execute(f"DELETE FROM {name}")  # noqa: S608 -- a table of ours


def _filled(cursor: Any, tables: Iterable[str]) -> list[str]:
    has_rows = "SELECT '{0}' WHERE EXISTS (SELECT FROM \"{0}\")"
    cursor.execute(" UNION ALL ".join(has_rows.format(name) for name in tables))
    return [name for (name,) in cursor.fetchall()]
