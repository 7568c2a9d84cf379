"""What Celery beat has deleted: idempotency keys that are too old."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from common import tasks
from common.models import IdempotencyKey

pytestmark = pytest.mark.django_db


def test_keys_are_forgotten_after_a_day():
    for hours in (23, 25):
        made = IdempotencyKey.objects.create(person_id=uuid4(), key=uuid4(), place=f"POST {hours}")
        IdempotencyKey.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(hours=hours))
    tasks.forget_keys()
    assert [row.place for row in IdempotencyKey.objects.all()] == ["POST 23"]
