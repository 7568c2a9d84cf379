"""The Celery tasks. Each is one call; the rows in the database decide what happens."""

import os
import signal
from typing import Any

from celery import Task, shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.utils.module_loading import import_string

from requests_app.environments import builds
from requests_app.execution import lifecycle, sweep, worker_presence

QUEUE = "sandbox"
_presences: dict[str, worker_presence.Presence] = {}


@shared_task(bind=True, acks_late=True, ignore_result=True)
def execute_run(self: "Task[..., None]", pk: str) -> None:
    """Wake this worker. It takes the run whose turn it is, which need not be `pk`."""
    lifecycle.answer_doorbell(self.request.hostname or "", abandon=_end_this_process)


def _end_this_process() -> None:
    """Kill this process and its sandbox with it. The pool starts a new one in its place."""
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(ignore_result=True)
def look_after_runs() -> None:
    sweep.sweep_runs()


@shared_task(ignore_result=True)
def let_things_expire() -> None:
    sweep.expire()


@shared_task(ignore_result=True)
def build_environment() -> None:
    builds.build_next()


@worker_ready.connect
def begin(sender: Any, **kwargs: object) -> None:
    """Register this worker if it serves the sandbox queue."""
    if QUEUE not in sender.app.amqp.queues.consume_from:
        return
    presence = worker_presence.Presence(
        sender.hostname, import_string(settings.EXECUTOR)(), slots=sender.pool.num_processes
    )
    _presences[sender.hostname] = presence
    presence.start()


@worker_shutting_down.connect
def end(sender: Any, **kwargs: object) -> None:
    """Remove this worker's row."""
    for name in list(_presences):
        _presences.pop(name).stop()
