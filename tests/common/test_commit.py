"""Side effects after a commit may fail without undoing it, or the response."""

import logging

import pytest
from django.db import transaction

from common import commit


@pytest.mark.django_db(transaction=True)
def test_a_side_effect_that_fails_is_logged_by_name_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[int] = []

    def fails(text: str) -> None:
        raise ConnectionError(text)

    with caplog.at_level(logging.ERROR, logger="django.db.backends.base"), transaction.atomic():
        commit.after(fails, "no broker")
        commit.after(done.append, 1)
    assert done == [1]
    assert "fails" in caplog.text
    assert "no broker" in caplog.text
