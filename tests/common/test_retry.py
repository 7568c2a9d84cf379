"""What must be written is tried again while the database is away, and the patience ends."""

import pytest
from django.db import InterfaceError, OperationalError

from common import retry


class Away:
    """A database that is unreachable for the first calls."""

    def __init__(self, times: int, error: type[Exception] = OperationalError) -> None:
        self.times, self.error = times, error

    def __call__(self) -> str:
        self.times -= 1
        if self.times >= 0:
            raise self.error("the database is not responding")
        return "written"


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_what_must_be_written_is_tried_again_while_the_database_is_away(error: type[Exception]) -> None:
    assert retry.wait(Away(2, error), pauses=(0.0, 0.0, 0.0)) == "written"


@pytest.mark.django_db
def test_patience_ends() -> None:
    with pytest.raises(OperationalError):
        retry.wait(Away(9), pauses=(0.0, 0.0))


def test_another_error_is_not_retried() -> None:
    away = Away(1, ValueError)
    with pytest.raises(ValueError, match="not responding"):
        retry.wait(away, pauses=(0.0, 0.0))
    assert away.times == 0
