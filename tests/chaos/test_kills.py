"""kill -9 of each process at each state of a run: a definite end, told, once, with nothing lost."""

import os
import random  # noqa: TID251 -- seeded, so that a failure can be seen again
import signal
import time
from collections.abc import Callable

import pytest

from tests import make
from tests.chaos.runs import FILES, STATES, end_of, let_go, run_in
from tests.chaos.site import Site, box_of, descendants_of, harness_of, is_there, until
from tests.makers import requests as made

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.django_db(transaction=True),
]

LOST = ("failed", "WORKER_LOST")
DONE = ("succeeded", "")
GONE = ("cancelled", "")
UNHARMED = dict.fromkeys(STATES, DONE) | {"cancelling": GONE}
BEREFT = {"queued": DONE, "starting": LOST, "running": LOST, "collecting": DONE, "cancelling": GONE}


def pause(seed: object) -> None:
    """Strike at another moment of the state each time; the same for the same test."""
    time.sleep(random.Random(repr(seed)).uniform(0, 0.4))  # noqa: S311 -- no secret


@pytest.mark.parametrize("state", STATES)
def test_the_worker_is_killed(state: str, site: Site) -> None:
    admin = make.admin()
    run = run_in(state, site, admin, doomed=True)
    main = site.children["worker"].process
    assert main is not None
    family = descendants_of(main.pid)
    pause(("worker", state))
    site.kill("worker")
    until(lambda: not any(map(is_there, family)), "nothing of the worker is left")
    site.up("worker")
    let_go(state, site, admin)
    assert end_of(run) == BEREFT[state]
    assert made.fresh_run(run).outputs.count() == {"collecting": FILES, "queued": 1}.get(state, 0)


@pytest.mark.parametrize("state", [state for state in STATES if state != "queued"])
def test_the_process_that_has_the_run_in_hand_is_killed(state: str, site: Site) -> None:
    admin = make.admin()
    run = run_in(state, site, admin, doomed=True)
    child = site.executed_by(run.pk)
    family = descendants_of(child)
    pause(("child", state))
    os.kill(child, signal.SIGKILL)
    until(lambda: not any(map(is_there, family)), "nothing of the process is left")
    let_go(state, site, admin)
    assert end_of(run) == BEREFT[state]
    after = run_in("starting", site, admin)
    site.let_go()
    assert end_of(after) == DONE


@pytest.mark.parametrize("state", ["running", "cancelling"])
@pytest.mark.parametrize("inner", [box_of, harness_of], ids=["box", "harness"])
def test_the_sandbox_is_killed(inner: Callable[[int], int], state: str, site: Site) -> None:
    admin = make.admin()
    run = run_in(state, site, admin, doomed=True)
    pause((inner.__name__, state))
    os.kill(inner(site.executed_by(run.pk)), signal.SIGKILL)
    let_go(state, site, admin)
    ended, _code = end_of(run)
    assert ended == ("cancelled" if state == "cancelling" else "failed")


@pytest.mark.parametrize("state", ["queued", "running", "cancelling"])
def test_the_clock_is_killed(state: str, site: Site) -> None:
    admin = make.admin()
    run = run_in(state, site, admin)
    pause(("beat", state))
    site.kill("beat")
    let_go(state, site, admin)
    site.start("beat")
    assert end_of(run) == UNHARMED[state]


@pytest.mark.parametrize("state", STATES)
def test_the_broker_is_killed(state: str, site: Site) -> None:
    admin = make.admin()
    run = run_in(state, site, admin)
    pause(("valkey", state))
    site.kill_valkey()
    let_go(state, site, admin)
    pause(("valkey", state, "down"))
    site.start_valkey()
    assert end_of(run) == UNHARMED[state]


@pytest.mark.parametrize("state", STATES)
def test_the_database_is_killed(state: str, site: Site) -> None:
    admin = make.admin()
    run = run_in(state, site, admin)
    pause(("postgres", state))
    site.kill_postgres()
    site.let_go()
    pause(("postgres", state, "down"))
    site.start_postgres()
    let_go(state, site, admin)
    assert end_of(run) == UNHARMED[state]
    assert made.fresh_run(run).outputs.count() == {"collecting": FILES, "cancelling": 0}.get(state, 1)
