"""Sets of states on the models, and what they decide."""

import pytest
from django.utils import timezone

from requests_app.models import Run
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("state", Run.State.values)
@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("code", ["", "EXCEPTION", "INTERNAL", "WORKER_LOST"])
def test_a_run_in_memory_counts_as_the_database_counts_it(state: str, code: str, opened: bool):
    run = made.start(make.code_request(at="approved"))
    Run.objects.filter(pk=run.pk).update(close_code=code)
    Run.objects.filter(pk=run.pk).update(opened_at=timezone.now() if opened else None)
    Run.objects.filter(pk=run.pk).update(state=state)
    run.refresh_from_db()
    assert run.is_counted is Run.objects.filter(Run.COUNTED, pk=run.pk).exists()
