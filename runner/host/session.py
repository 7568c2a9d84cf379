"""Sandboxes as context managers, which set up and remove user id, staged copies, control group and processes."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from runner.contract import JobSpec, Limits
from runner.host import bwrap_options
from runner.host.cgroups import Group, parents
from runner.host.interpreter import Interpreter
from runner.host.job import Shipment
from runner.host.local_sandbox import start
from runner.host.state import Stage, new_name, own_uid
from runner.host.supervise import Supervisor


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    """Yield a stage: a user id for one run and a place for copies, which are removed at the end."""
    with own_uid() as uid:
        stage = Stage(uid)
        try:
            yield stage
        finally:
            stage.drop()


@contextlib.contextmanager
def grouped(limits: Limits) -> Iterator[Group | None]:
    """Yield a control group for one run, or None if this host does not let us create one."""
    where = parents()
    if where is None:
        yield None
        return
    group = Group(where, new_name())
    try:
        group.create(limits)
        yield group
    finally:
        group.remove()


class Launcher(Protocol):
    """Starts a job in some sandbox and yields its supervisor. Leaves nothing behind. Raises NotStarted."""

    def __call__(
        self,
        spec: JobSpec,
        started: Callable[[], None] = lambda: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> contextlib.AbstractContextManager[Supervisor]: ...


def bubblewrapped(
    spec: JobSpec,
    started: Callable[[], None] = lambda: None,
    cancelled: Callable[[], bool] = lambda: False,
    guest: Interpreter | None = None,
) -> contextlib.AbstractContextManager[Supervisor]:
    """Launch a job in this host's bubblewrap. See Launcher."""
    return supervised(spec, bwrap_options.find(), started, cancelled, guest)


@contextlib.contextmanager
def supervised(
    spec: JobSpec,
    bwrap: Path,
    started: Callable[[], None] = lambda: None,
    cancelled: Callable[[], bool] = lambda: False,
    guest: Interpreter | None = None,
) -> Iterator[Supervisor]:
    """Start a sandbox and yield its supervisor. Leaves nothing behind. Raises NotStarted."""
    with staged() as stage, grouped(spec.limits) as group:
        sandbox = start(Shipment(spec, stage, bwrap, guest=guest).command(), group)
        try:
            yield Supervisor(sandbox, spec.limits, started, cancelled)
        finally:
            sandbox.close()
