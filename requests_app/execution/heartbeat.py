"""The heartbeat of a run: a thread that writes it, and notices a cancel or a lost lease."""

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from requests_app.execution import cancellation
from requests_app.models import Run

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
COLLECT_SECONDS = 300.0
"""How long a run may take beyond its wall limit, to start and to have its outputs checked."""
KILL_SECONDS = 30.0
"""How long a kill may take. Afterwards the runner counts as hung, and its heartbeat stops."""
ABANDON_SECONDS = 60.0
"""After this time without a heartbeat the run has been declared lost: a hung runner only occupies a place."""


class Watch:
    """A context manager that writes the run's heartbeat. `cancelled()` is true when the run must stop.

    `abandon` is called once when the runner hangs for good.
    """

    def __init__(self, run: Run, abandon: Callable[[], None] = lambda: None) -> None:
        self._pk, self._lease = run.pk, run.lease
        self._abandon: Callable[[], None] | None = abandon
        self._owed: Callable[[], None] | None = None
        self._ended = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_often, name=f"watch-{run.pk}", daemon=True)
        self._last_beat = time.monotonic()
        self._give_up = self._last_beat + run.wall_seconds + COLLECT_SECONDS

    def cancelled(self) -> bool:
        return self._stop.is_set()

    def soon(self, act: Callable[[], None]) -> None:
        """Call `act` now, or once the database responds again: the process that watches the code must not block."""
        try:
            act()
        except (DatabaseError, InterfaceError):
            connection.close()
            self._owed = act

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look_often(self) -> None:
        try:
            while not self._ended.wait(LOOK_SECONDS):
                self._look()
        finally:
            connection.close()

    def _look(self) -> None:
        try:
            self._beat()
            self._do_owed()
            mine = Run.objects.in_hand().exclude(state=Run.State.CANCELLING)
            continues = mine.filter(pk=self._pk, lease=self._lease).exists()
        except (DatabaseError, InterfaceError):
            logger.warning(
                "Could not write the heartbeat of run %s: the database is not responding.", self._pk
            )
            connection.close()
            return
        if not continues:
            self._stop_code()

    def _do_owed(self) -> None:
        act, self._owed = self._owed, None
        if act is not None:
            self.soon(act)

    def _stop_code(self) -> None:
        if not self._stop.is_set():
            self._stop.set()
            self._give_up = min(self._give_up, time.monotonic() + KILL_SECONDS)

    def _leave(self, now: float) -> None:
        if self._abandon is not None and now > self._give_up + ABANDON_SECONDS:
            abandon, self._abandon = self._abandon, None
            abandon()

    def _beat(self) -> None:
        """Write the heartbeat when it is due, and cancel the run if it may no longer continue."""
        now = time.monotonic()
        if now > self._give_up:
            logger.error("The runner of run %s has hung.", self._pk)
            self._stop.set()
            self._leave(now)
            return
        if now - self._last_beat < settings.HEARTBEAT_SECONDS:
            return
        mine = Run.objects.in_hand().filter(pk=self._pk, lease=self._lease)
        mine.update(heartbeat_at=Now(), missed_beats=0)
        self._last_beat = now
        cancellation.cancel_disallowed(mine)
