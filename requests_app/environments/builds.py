"""Build code environments in a worker, one at a time, and fail builds that are stuck."""

import logging
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from celery import current_app
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts.models import User
from accounts.notifications import notify
from accounts.topics import Topic
from audit import log
from common import commit, live, rows
from common.errors import Conflict
from requests_app.models import CodeEnvironment, Run

logger = logging.getLogger(__name__)


State = CodeEnvironment.State


TASK = "requests_app.tasks.build_environment"


LOG_LIMIT = 20_000


BUILD_TIMEOUT = timedelta(minutes=40)
"""A build that takes longer has lost its worker; the builder itself times out earlier."""


def locked_in(item: CodeEnvironment, *states: str) -> CodeEnvironment:
    locked = rows.locked(item)
    if locked.state not in states:
        raise Conflict(
            f"This is not possible in the environment's state: {locked.get_state_display().lower()}."
        )
    return locked


def set_state(
    item: CodeEnvironment, state: str, *, by: User, action: str, **changes: object
) -> CodeEnvironment:
    old = item.state
    for field, value in {"state": state, **changes}.items():
        setattr(item, field, value)
    item.save(update_fields=["state", *changes])
    log.record(action, by=by, on=item, changes={"state": (old, state)}, sha256=item.sha256)
    live.changed("workers", "all")
    return item


def wake_builder() -> None:
    """Wake a worker after commit, to build the next environment."""
    commit.after(current_app.send_task, TASK)


def sweep() -> None:
    """Fail builds whose worker is gone, and wake a worker again if a wake-up was lost."""
    with transaction.atomic():
        stale = CodeEnvironment.objects.filter(state=State.BUILDING, begun_at__lt=Now() - BUILD_TIMEOUT)
        for item in stale.select_for_update(skip_locked=True):
            words = "The worker stopped responding during the build. Build the environment again."
            set_state(item, State.FAILED, by=User.objects.system(), action="environment.fail", log=words)
        if CodeEnvironment.objects.filter(state=State.QUEUED).exists():
            wake_builder()


def build_next() -> CodeEnvironment | None:
    """Build the environment that has waited longest; return None when none waits, or one is being built."""
    item = _claim()
    if item is None:
        return None
    try:
        made = _build(item)
    except (RuntimeError, OSError) as failed:
        logger.warning("The environment %s could not be built: %s", item.name, failed)
        return _finish(item, State.FAILED, log=_last_words(str(failed)))
    count = len(made.packages)
    summary = f"{count} package{'s are' if count != 1 else ' is'} installed."
    if made.unsandboxed:
        summary += f" They were downloaded and unpacked without a sandbox. {made.unsandboxed}"
    packages = dict(made.packages)
    return _finish(item, State.READY, log=summary, sha256=made.sha256, python=made.python, packages=packages)


def _claim() -> CodeEnvironment | None:
    try:
        with transaction.atomic():
            item = (
                CodeEnvironment.objects.select_for_update(skip_locked=True)
                .filter(state=State.QUEUED)
                .order_by("created_at")
                .first()
            )
            if item is None:
                return None
            return set_state(
                item,
                State.BUILDING,
                by=User.objects.system(),
                action="environment.build",
                begun_at=timezone.now(),
            )
    except IntegrityError:  # another one is being built; its end wakes a worker for this one
        return None


class Made(Protocol):
    """What a builder returns: an installed environment."""

    sha256: str
    python: str
    packages: dict[str, str]
    unsandboxed: str
    """Why it was built without a sandbox; empty when it was built in one."""


def _build(item: CodeEnvironment) -> Made:
    with TemporaryDirectory(prefix="weir-list-") as folder:
        listed = Path(folder) / f"{item.name}.txt"
        listed.write_text(item.requirements, encoding="utf-8")
        made: Made = import_string(settings.ENVIRONMENT_BUILDER)(
            item.name, listed, Path(settings.ENVIRONMENTS)
        )
    return made


def _finish(item: CodeEnvironment, state: str, **changes: object) -> CodeEnvironment:
    with transaction.atomic():
        locked = locked_in(item, State.BUILDING)
        if state == State.READY:
            changes["built_at"] = timezone.now()
        action = "environment.ready" if state == State.READY else "environment.fail"
        done = set_state(locked, state, by=User.objects.system(), action=action, **changes)
        words = "is ready" if state == State.READY else "could not be built"
        page = reverse("requests:environment", args=[done.pk])
        text = f"The code environment {done.name} {words}."
        notify([done.by], text, about=Topic.ASKED, url=page)
        if CodeEnvironment.objects.filter(state=State.QUEUED).exists():
            wake_builder()
    return done


def _last_words(text: str) -> str:
    """Return the end of the text, which says most, as Postgres can store it."""
    return text[-LOG_LIMIT:].replace("\x00", "\N{REPLACEMENT CHARACTER}")


def use_of_environment(name: str) -> str:
    """Return why runs still need the files of an environment, or an empty string."""
    if Run.objects.live().filter(environment=name).exists():
        return "A run still uses this environment. Wait until it has ended, or cancel it."
    return ""
