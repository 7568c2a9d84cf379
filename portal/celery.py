"""The Celery application: `celery -A portal.celery worker -Q default,sandbox`."""

import os
import signal
from typing import Any

from celery import Celery
from celery.signals import beat_embedded_init, worker_process_init

from portal import broker
from portal.launch.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

broker.install()
app = Celery("weir")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
@beat_embedded_init.connect
def end_with_the_worker(**_kwargs: Any) -> None:
    """A worker that is killed leaves no process behind."""
    die_with_parent(signal.SIGKILL, os.getppid())
