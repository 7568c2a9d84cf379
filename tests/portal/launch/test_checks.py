"""The portal refuses to serve where pages could take the connections that workers need."""

import pytest
from django.db import connection

from portal.checks import enough_places, the_tunnel_is_readable, workers_find_a_connection

pytestmark = pytest.mark.django_db


def found() -> list[str]:
    return [str(each.id) for each in workers_find_a_connection(None, databases=["default"])]


def test_as_it_is_shipped_there_are_enough():
    assert (found(), enough_places(None)) == ([], [])


def test_pages_may_not_take_what_workers_need(settings):
    with connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        offered = int(cursor.fetchone()[0])
    settings.REQUESTS_AT_ONCE = offered - settings.CONNECTIONS_RESERVED
    assert found() == ["weir.E003"]


def test_a_limit_of_the_role_counts(settings):
    with connection.cursor() as cursor:
        cursor.execute("ALTER ROLE CURRENT_USER CONNECTION LIMIT 40")
    assert found() == ["weir.E003"]


def test_without_the_database_nothing_is_asked():
    assert workers_find_a_connection(None) == []


def test_there_are_places_left_beside_those_who_compute(settings):
    settings.REQUESTS_AT_ONCE = 12
    assert [each.id for each in enough_places(None)] == ["weir.E004"]


def test_wrong_settings_of_the_tunnel_are_an_error(settings):
    assert the_tunnel_is_readable(None) == []
    settings.WIREGUARD_PUBLIC_KEY = "a key"
    assert [each.id for each in the_tunnel_is_readable(None)] == ["weir.E005"]
