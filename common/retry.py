"""Retries for writes that must not be lost while the database is unavailable."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)
T = TypeVar("T")

PAUSES = (0.2, 0.5, *([1.0] * 300))


def wait(act: Callable[[], T], pauses: tuple[float, ...] = PAUSES) -> T:
    """Call `act` and return its result. While the database does not answer, retry for about five minutes."""
    for pause in pauses:
        try:
            return act()
        except (OperationalError, InterfaceError):
            logger.warning("The database does not answer; trying again in %.1f s.", pause)
            connection.close()
            time.sleep(pause)
    return act()
