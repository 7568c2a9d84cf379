"""The Celery application: `celery -A portal.celery worker -Q default,sandbox`."""

import os
import signal
from typing import Any

from celery import Celery
from celery.signals import beat_embedded_init, task_prerun, worker_process_init
from django.db import close_old_connections, connections

from portal import broker
from portal.launch.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

broker.install()
app = Celery("weir")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf["CELERY_DB_REUSE_MAX"] = 10_000  # tasks; Celery would close the database connection after each
CONNECTION_SECONDS = 600


@worker_process_init.connect
@beat_embedded_init.connect
def end_with_the_worker(**_kwargs: Any) -> None:
    """Have the kernel kill this process when its worker is killed."""
    die_with_parent(signal.SIGKILL, os.getppid())


@worker_process_init.connect
def keep_connections(**_kwargs: Any) -> None:
    """Keep the database connection between tasks and check it before each: a worker process runs one task at a time."""
    connections["default"].settings_dict |= {"CONN_MAX_AGE": CONNECTION_SECONDS, "CONN_HEALTH_CHECKS": True}


@task_prerun.connect
def check_connections(task: Any, **_kwargs: Any) -> None:
    if not task.request.is_eager:
        close_old_connections()
