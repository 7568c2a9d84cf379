"""Processes killed at random moments while people work: seeded, so that a storm can be seen again."""

import os
import random  # noqa: TID251 -- a storm that is found must be found again
import signal
import time
from collections.abc import Callable

import pytest

from requests_app import services
from requests_app.models import Run
from tests import make
from tests.chaos.runs import ENDED, ENDLESS, MANY_FILES, QUICK, SLOW, is_in
from tests.chaos.site import Site, children_of, until
from tests.makers import requests as made

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.django_db(transaction=True),
]

SEEDS = [int(word) for word in os.environ.get("WEIR_CHAOS_SEEDS", "1").split(",")]
BLOWS = 5


def worker(site: Site) -> None:
    site.kill("worker")
    site.start("worker")


def desk(site: Site) -> None:
    site.kill("desk")
    site.start("desk")


def clock(site: Site) -> None:
    site.kill("beat")
    site.start("beat")


def child(site: Site) -> None:
    process = site.children["worker"].process
    found = children_of(process.pid) if process is not None else []
    if found:
        os.kill(found[-1], signal.SIGKILL)


def broker(site: Site) -> None:
    site.kill_valkey()
    site.start_valkey()


def database(site: Site) -> None:
    site.kill_postgres()
    site.start_postgres()


KILLS: list[Callable[[Site], None]] = [worker, child, child, desk, clock, broker, database]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_storm(seed: int, site: Site) -> None:
    dice = random.Random(seed)  # noqa: S311 -- no secret
    items = [
        make.code_request(at="approved", code=code)
        for code in (QUICK, SLOW, MANY_FILES, ENDLESS, QUICK, MANY_FILES)
    ]
    dice.shuffle(items)
    runs = [made.start(item) for item in items]
    for _ in range(BLOWS):
        time.sleep(dice.uniform(0, 1.5))
        dice.choice(KILLS)(site)
    site.up("worker", "desk", "beat")
    endless = [run for run in runs if run.code == ENDLESS]
    for run in endless:
        until(lambda run=run: made.fresh_run(run).state in ("running", *ENDED), "the endless one")
        if made.fresh_run(run).state == "running":
            services.cancel_run(run, by=run.request.dataset.owner)
    for run in runs:
        until(is_in(run, *ENDED), f"an end of {run.pk}")
    assert not Run.objects.live().exists()
