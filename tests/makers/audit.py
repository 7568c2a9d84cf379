"""The signed log for tests."""

from datetime import datetime

from django.db import connection
from django.utils import timezone

from audit import signing
from audit.models import Checkpoint


def checkpoint(now: datetime | None = None) -> Checkpoint:
    """Sign everything that was written so far, also by the test's own transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # entries join the chain
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    signed = signing.sign(now or timezone.now())
    assert signed is not None
    return signed
