"""Whoever waits for a turn keeps no database connection meanwhile, except inside a transaction."""

import pytest
from django.db import connection, transaction

from common.heavy_views import close_connection


@pytest.mark.django_db(transaction=True)
def test_a_connection_is_closed_unless_a_transaction_needs_it() -> None:
    with transaction.atomic():
        close_connection()
        assert connection.is_usable()
    close_connection()
    assert connection.connection is None
