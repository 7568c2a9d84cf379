"""Runs on private data, brought to a state and held there."""

import textwrap
from collections.abc import Callable
from uuid import uuid4

from accounts.models import User
from requests_app import services
from requests_app.models import Run
from tests import make
from tests.chaos.site import Site, until
from tests.makers import requests as made

FILES = 12
QUICK = 'def main(wages):\n    return {"people": int(wages["person"].nunique())}\n'
SLOW = "import time\ntime.sleep(3)\n" + QUICK
ENDLESS = "while True:\n    pass\n"
MANY_FILES = textwrap.dedent(
    f"""
    import os
    for number in range({FILES}):
        with open(os.path.join(os.environ["WEIR_OUT"], f"means_{{number}}.csv"), "w") as file:
            file.write("region,mean\\n" + "north,%d\\n" % number)
    """
)
STATES = ("queued", "starting", "running", "collecting", "cancelling")
ENDED = ("succeeded", "failed", "cancelled")


def is_in(run: Run, *states: str) -> Callable[[], bool]:
    return lambda: made.fresh_run(run).state in states


def end_of(run: Run) -> tuple[str, str]:
    until(is_in(run, *ENDED), f"an end of {run.pk}")
    ended = made.fresh_run(run)
    return ended.state, ended.close_code


def run_in(state: str, site: Site, admin: User, *, doomed: bool = False) -> Run:
    """A run that is in this state and stays there until the test lets it go; a doomed one never gets to its end."""
    code = (
        ENDLESS
        if doomed and state == "running"
        else {"collecting": MANY_FILES, "cancelling": ENDLESS, "running": SLOW}.get(state, QUICK)
    )
    item = make.code_request(at="approved", code=code)
    if state == "queued":
        services.pause_runs(by=admin, reason="A test holds runs up.")
    if state in ("starting", "cancelling"):
        site.hold(state)
    run = services.start_run(item, by=item.author, key=uuid4())
    if state == "cancelling":
        until(is_in(run, "running"), "running")
        services.cancel_run(run, by=item.dataset.owner)
    until(is_in(run, state), state)
    if state != "queued":
        site.executed_by(run.pk)
    return run


def let_go(state: str, site: Site, admin: User) -> None:
    """Open what held the run."""
    site.let_go()
    if state == "queued":
        services.resume_runs(by=admin)
