"""The services that every test uses."""

import pytest
from django.core.cache import cache
from django.db import connection


@pytest.mark.django_db
def test_the_database_is_postgres_with_scram_passwords():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('password_encryption'), current_setting('listen_addresses')")
        assert cursor.fetchone() == ("scram-sha-256", "")


def test_the_cache_is_valkey():
    cache.set("launch", "works", 5)
    assert cache.get("launch") == "works"
