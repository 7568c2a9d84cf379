"""A worker's own row: test the sandbox, register the worker, write its heartbeat, and remove the row at the end."""

import logging
import os
import socket
import threading
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from common import live
from requests_app.execution import announcement, claims
from requests_app.models import Worker
from runner.contract import Capabilities, Executor, SandboxUnavailable

logger = logging.getLogger(__name__)

PROBE_AGAIN_BEATS = 12
SWEEP_BEATS = 12


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of the start-up self-test: the sandbox's capabilities, or why this host runs no code."""

    capabilities: Capabilities | None
    refusal: str = ""


def prove(executor: Executor) -> Proof:
    """Try to escape from the sandbox. Return its capabilities, or the reason why it does not hold."""
    try:
        return Proof(executor.probe())
    except SandboxUnavailable as why:
        logger.warning("This worker runs no code: %s", why)
        return Proof(None, str(why)[:2000] or "The sandbox is not available.")


def sign_on(name: str, *, slots: int, proof: Proof) -> Worker:
    """Create or overwrite the worker's row, and return it. A drain that an admin requested stays."""
    able = proof.capabilities
    now = timezone.now()
    worker, _ = Worker.objects.update_or_create(
        name=name,
        defaults={
            "host": socket.gethostname()[:120],
            "pid": os.getpid(),
            "slots": slots,
            "started_at": now,
            "heartbeat_at": now,
            "executor": able.executor if able else "",
            "layers": list(able.layers) if able else [],
            "missing": list(able.missing) if able else [],
            "kernel": able.kernel[:64] if able else "",
            "separates_kernels": bool(able and able.separates_kernels),
            "refusal": proof.refusal,
        },
    )
    Worker.objects.filter(pk=worker.pk).update(heartbeat_at=Now())
    _tell()
    return worker


def sign_off(name: str) -> None:
    Worker.objects.filter(name=name).delete()
    _tell()


def _tell() -> None:
    live.changed("workers", "all")
    claims.refresh_waiting()


class Presence:
    """A thread that writes a worker's heartbeat, and tests the sandbox again while it does not hold."""

    def __init__(self, name: str, executor: Executor, slots: int) -> None:
        self._name, self._executor, self._slots = name, executor, slots
        self._ended = threading.Event()
        self._signed_on = False
        self._beats = 0
        self._thread = threading.Thread(target=self._stay, name="presence", daemon=True)

    def start(self) -> None:
        self._executor.sweep()
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        sign_off(self._name)

    def _stay(self) -> None:
        try:
            self.beat()
            while not self._ended.wait(settings.HEARTBEAT_SECONDS):
                self.beat()
        finally:
            connection.close()

    def beat(self) -> None:
        """Write one heartbeat. Test the sandbox the first time, and again from time to time while it does not hold.

        Ends that are due are announced here too: this works without a message broker.
        """
        self._beats += 1
        try:
            row = Worker.objects.filter(name=self._name)
            broken = row.exclude(refusal="").exists()
            if (
                not self._signed_on
                or (broken and self._beats % PROBE_AGAIN_BEATS == 0)
                or not row.update(heartbeat_at=Now())
            ):
                self._sign_on()
            announcement.announce_due()
        except (DatabaseError, InterfaceError):
            logger.warning(
                "Worker %s could not write its heartbeat: the database is not responding.", self._name
            )
            connection.close()
        if self._beats % SWEEP_BEATS == 0:
            self._sweep()

    def _sweep(self) -> None:
        """Remove what killed processes of this worker have left behind; the next sweep retries."""
        try:
            self._executor.sweep()
        except (OSError, SandboxUnavailable):
            logger.warning(
                "Worker %s could not remove the remains of killed runs.", self._name, exc_info=True
            )

    def _sign_on(self) -> None:
        sign_on(self._name, slots=self._slots, proof=prove(self._executor))
        self._signed_on = True
        with transaction.atomic():
            claims.ring_next()
