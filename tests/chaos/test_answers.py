"""kill -9 and worse at each step of an automatic answer: at worst budget is lost, and its scientist is told.

Never a second draw for one charge, never an answer without one.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from datasets import storage
from privacy.execution import lifecycle
from privacy.ledgers.verification import faults
from privacy.models import Answer, Budget, LedgerLine
from tests.chaos import answers
from tests.chaos.answers import STEPS, ask, charged, end_of, fresh, last_line, standing_at
from tests.chaos.disks import small_disk
from tests.chaos.site import Site, until

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

RELEASED, LOST, VOIDED = Answer.State.RELEASED, Answer.State.LOST, Answer.State.VOIDED
BEREFT = {"committing": RELEASED, "charging": LOST, "storing": LOST}


@pytest.fixture
def share(site: Site) -> Iterator[Budget]:
    """A budget; afterwards every answer has ended, truly, and the ledgers agree."""
    made = answers.budget()
    yield made
    site.up("desk", "beat")
    until(lambda: not Answer.objects.filter(state=Answer.State.PENDING).exists(), "every answer has ended")
    assert answers.violations() == []
    made.promise.refresh_from_db()
    assert faults(made.promise) == []


def used(share: Budget) -> int:
    return Budget.objects.get(pk=share.pk).units_used


def commits(answer: Answer) -> int:
    return LedgerLine.objects.filter(settles=answer.line_id, kind=LedgerLine.Kind.COMMIT).count()


def holds_what_was_charged(share: Budget, answer: Answer, step: str) -> None:
    """After an end that was no answer: the charge stands, once; people were charged after their step, not before."""
    assert commits(answer) == 1
    assert used(share) == answer.line.units
    assert charged(share) == ({answer.line.units} if step == "storing" else set())


def asks_again(share: Budget) -> None:
    """The same question a little more exactly: a charge of its own, and an answer."""
    before = used(share)
    again = ask(share, epsilon=5.0)
    assert end_of(again) == RELEASED
    assert used(share) == before + again.line.units
    assert commits(again) == 1


@pytest.mark.parametrize("step", STEPS)
def test_the_worker_is_killed(step: str, site: Site, share: Budget) -> None:
    with standing_at(step, share) as (answer, _):
        site.kill("desk")
    site.up("desk")
    assert end_of(answer) == BEREFT[step]
    if BEREFT[step] == LOST:
        holds_what_was_charged(share, answer, step)
    asks_again(share)


@pytest.mark.parametrize("step", STEPS)
def test_the_database_is_killed(step: str, site: Site, share: Budget) -> None:
    with standing_at(step, share) as (answer, _):
        site.kill_postgres()
        site.start_postgres()
    ended = end_of(answer)
    # What waited for a row is told that its connection is gone; what computed goes on, and cannot say what it found.
    assert ended == BEREFT[step]
    if ended == LOST:
        assert commits(answer) == 1
        assert used(share) == answer.line.units
        assert charged(share) <= {answer.line.units}
    asks_again(share)


@pytest.mark.parametrize("step", STEPS)
def test_the_broker_is_killed(step: str, site: Site, share: Budget) -> None:
    with standing_at(step, share) as (answer, let_go):
        site.kill_valkey()
        let_go()
        if step == "storing":
            until(lambda: fresh(answer).state == RELEASED, "released without a broker")
    site.start_valkey()
    assert end_of(answer) == RELEASED
    asks_again(share)


def test_a_question_asked_without_a_broker_is_answered_when_it_is_back(site: Site, share: Budget) -> None:
    site.kill_valkey()
    answer = ask(share)
    assert fresh(answer).state == Answer.State.PENDING
    site.start_valkey()
    assert end_of(answer) == RELEASED


def test_the_database_is_killed_while_somebody_asks(site: Site, share: Budget) -> None:
    """Nothing was charged, or the question is there; never a charge that nobody settles."""
    site.kill_postgres()
    with pytest.raises(Exception, match=r"connection|closed"):
        ask(share)
    site.start_postgres()
    assert LedgerLine.objects.filter(budget=share).count() == 0
    asks_again(share)


def fill(ballast: Path) -> None:
    """Write until there is no room for a page more."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


@contextmanager
def full_disk(folder: Path) -> Iterator[Path]:
    """This folder, with what it holds, on a disk without room for one page more."""
    kept = folder.with_name(f"{folder.name}.kept")
    shutil.copytree(folder, kept)
    try:
        with small_disk(folder, "size=256k"):
            shutil.copytree(kept, folder, dirs_exist_ok=True)
            fill(folder / "ballast")
            yield folder / "ballast"
    finally:
        shutil.rmtree(kept)


def test_a_full_disk_under_the_ledger_of_people(site: Site, share: Budget) -> None:
    """The charge stands, nobody is charged half, the answer is lost at once; with room again all goes on."""
    first = ask(share)
    assert end_of(first) == RELEASED
    folder = storage.ledger_folder(share.promise.dataset_id)
    before = last_line(share)
    with full_disk(folder) as ballast:
        answer = ask(share, epsilon=6.0)
        assert end_of(answer) == LOST
        assert last_line(share) == before
        assert charged(share) == {first.line.units}
        ballast.unlink()
        after = ask(share, epsilon=7.0)
        assert end_of(after) == RELEASED
        # Keep what the small disk holds: it is what was released.
        for file in folder.iterdir():
            shutil.copy(file, folder.with_name(f"{folder.name}.kept") / file.name)
        kept = shutil.copytree(
            folder.with_name(f"{folder.name}.kept"), folder.with_name(f"{folder.name}.new")
        )
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    shutil.rmtree(kept)
    assert charged(share) == {first.line.units + after.line.units}


def test_a_storm_leaves_no_answer_without_a_charge(site: Site, share: Budget) -> None:
    """Worker, broker and database die one after the other while questions come in."""
    asked = []
    for number, strike in enumerate((site.kill_valkey, lambda: site.kill("desk"), site.kill_postgres)):
        asked += [ask(share, epsilon=1.0 + 0.1 * (5 * number + k)) for k in range(5)]
        strike()
        {0: site.start_valkey, 1: lambda: site.up("desk"), 2: site.start_postgres}[number]()
    ended = [end_of(answer) for answer in asked]
    assert set(ended) <= {RELEASED, LOST, VOIDED}
    for answer, state in zip(asked, ended, strict=True):
        assert commits(answer) == (0 if state == VOIDED else 1)
    assert lifecycle.sweep() == []
