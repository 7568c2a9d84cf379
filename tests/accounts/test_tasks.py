"""What Celery beat has done about people."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import tasks
from accounts.models import Session
from tests import make

pytestmark = pytest.mark.django_db


def test_expired_sessions_are_deleted_and_others_continue() -> None:
    person = make.user()
    current, old = Client(), Client()
    for client in (current, old):
        client.force_login(person)
    expired = Session.objects.filter(pk=old.session.session_key)
    assert expired.update(expire_date=timezone.now() - timedelta(seconds=1)) == 1
    tasks.clear_sessions()
    assert list(Session.objects.values_list("pk", flat=True)) == [current.session.session_key]
    assert current.get("/people/me/").status_code == 200
