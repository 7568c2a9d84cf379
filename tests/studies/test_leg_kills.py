"""A leg whose process dies at each step, or whose portal is restored: nothing is sent twice or charged less."""

import os
import signal
from contextlib import closing
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from accounts.models import User
from common.errors import Refused
from crypto import masks
from datasets import storage
from network.models import Peer
from privacy import services as privacy_services
from privacy.engine import joint_release
from privacy.execution import opening, settling
from privacy.ledgers.person_ledger import SubjectLedger
from privacy.models import LedgerLine
from privacy.services import joint_charges
from studies import keys, plans
from studies.models import Leg
from studies.services import leg_states, leg_work, legs
from tests import make
from tests.makers import studies as makers
from tests.studies.asked import computed
from tests.studies.players import Asker


class Killed(BaseException):
    """The process is gone: nobody catches this, and nothing is done about it."""


def kill(monkeypatch, owner, name, *, after=False):
    """Have the process die when it calls this, or when it comes back from it."""
    found = getattr(owner, name)

    def dies(*args, **named):
        if after:
            found(*args, **named)
        raise Killed

    monkeypatch.setattr(owner, name, dies)


@pytest.fixture
def asker(portals):
    dataset = makers.offered()
    other, third = portals("Hospital B"), portals("Hospital C")
    peer, third_peer = other.peer(), third.peer()
    study = makers.invited(peer, third.url)
    makers.take_part(study, dataset)
    makers.join(study, peer)
    makers.join(study, third_peer)
    guest = make.guest(Peer.objects.get(url=other.url).pk)
    make.grant(dataset, guest)
    privacy_services.give_budget(dataset.promise, guest, by=dataset.owner, epsilon=3.0)
    leg_work._Asked.at = float("inf")
    yield Asker(other, study, guest.remote_id, [third])
    leg_work._Asked.at = None


def leg_of(asker):
    return Leg.objects.get(plan_sha256=asker.plan.sha256)


def charged(leg):
    """What people were charged by the per-person ledger."""
    with closing(SubjectLedger(storage.ledger_folder(leg.budget.promise.dataset_id))) as book:
        return book.spent(leg.budget_id).max(initial=0)


def die(call, *args):
    with pytest.raises(Killed):
        call(*args)


@pytest.fixture
def swept(settings):
    """Sweep as if everything had happened long ago."""

    def sweep():
        settings.ANSWER_GIVEN_UP = timedelta()
        return legs.sweep()

    return sweep


pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("after", [False, True])
def test_killed_while_it_reserves_nothing_is_charged_twice(asker, client, monkeypatch, swept, after):
    with monkeypatch.context() as patch:
        kill(patch, joint_charges, "reserve", after=after)
        die(legs.prepare, Peer.objects.get(url=asker.portal.url), guest_of(asker), asker.plan.text)
    assert not Leg.objects.exists()
    if after:
        assert swept() == []
        assert [line.kind for line in LedgerLine.objects.order_by("id")] == ["reserve", "void"]
        assert asker.prepare(client).status == 409  # another plan is needed
        return
    assert asker.prepare(client).status == 200
    assert LedgerLine.objects.count() == 1


def guest_of(asker):
    return User.objects.get(remote_id=asker.remote_id)


def test_killed_after_the_line_the_same_call_takes_it_up(asker, client, monkeypatch):
    with monkeypatch.context() as patch:
        kill(patch, joint_charges, "reserve", after=True)
        die(legs.prepare, Peer.objects.get(url=asker.portal.url), guest_of(asker), asker.plan.text)
    assert asker.prepare(client).status == 200
    assert LedgerLine.objects.count() == 1


def test_keys_without_a_leg_are_deleted_after_a_while(asker, client, monkeypatch, swept):
    with monkeypatch.context() as patch:
        kill(patch, joint_charges, "reserve")
        die(legs.prepare, Peer.objects.get(url=asker.portal.url), guest_of(asker), asker.plan.text)
    swept()
    assert keys.exists(asker.plan.sha256)
    monkeypatch.setattr(keys, "UNCLAIMED", timedelta(seconds=-1))
    swept()
    assert not keys.exists(asker.plan.sha256)
    asker.prepare(client)
    swept()
    assert keys.exists(asker.plan.sha256)


def begun(asker, client):
    asker.prepare(client)
    assert asker.collect(client).status == 202
    return leg_of(asker)


def test_killed_before_the_commit_another_worker_takes_it(asker, client, monkeypatch):
    leg = begun(asker, client)
    with monkeypatch.context() as patch:
        kill(patch, opening, "final")
        die(leg_work.compute, str(leg.pk))
    assert legs.sweep() == [str(leg.pk)]
    leg_work.compute(str(leg.pk))
    assert leg_of(asker).state == "ready"


STEPS = {
    "after the commit": (opening, "final", True),
    "before rows": (opening, "open_columns", False),
    "after people were charged": (joint_release, "noisy_vector", False),
    "after noise": (masks, "masked", False),
    "before it is stored": (plans, "packed", False),
}


@pytest.mark.parametrize("step", STEPS)
def test_killed_between_the_commit_and_storing_it_is_lost(asker, client, monkeypatch, swept, step):
    leg = begun(asker, client)
    owner, name, after = STEPS[step]
    calls, noisy = list[int](), joint_release.noisy_vector

    def counted(*given):
        calls.append(1)
        return noisy(*given)

    with monkeypatch.context() as patch:
        if name != "noisy_vector":
            patch.setattr(joint_release, "noisy_vector", counted)
        kill_once_committed(patch, owner, name, after=after)
        die(leg_work.compute, str(leg.pk))
    drawn = len(calls)
    leg.refresh_from_db()
    assert (leg.state, leg.vector) == ("computing", None)
    assert asker.collect(client).status == 202
    leg_work.compute(str(leg.pk))  # the message comes a second time
    assert swept() == []
    leg.refresh_from_db()
    assert (leg.state, leg.line.settled_by.kind) == ("lost", "commit")
    assert len(calls) == drawn
    assert (asker.collect(client).status, asker.end(client).status) == (410, 200)
    assert leg_of(asker).line.settled_by.kind == "commit"


def kill_once_committed(patch, owner, name, *, after):
    """Die in this function, once the charge is final: what is rehearsed before is spared."""
    found = getattr(owner, name)

    def dies(*args, **named):
        is_final = LedgerLine.objects.filter(kind=LedgerLine.Kind.COMMIT).exists()
        if not (is_final or after):
            return found(*args, **named)
        if after:
            found(*args, **named)
        raise Killed

    patch.setattr(owner, name, dies)


def test_a_fault_after_the_commit_is_lost_at_once_and_raised_without_numbers(asker, client, monkeypatch):
    leg = begun(asker, client)
    told, masked = list[int](), masks.masked

    def fails(vector, **named):
        if len(vector) == asker.plan.size and not told:
            told.append(1)
            raise RuntimeError("The masks failed.")
        return masked(vector, **named)

    monkeypatch.setattr(masks, "masked", fails)
    with pytest.raises(RuntimeError, match=r"^The masks failed\.$"):
        leg_work.compute(str(leg.pk))
    assert leg_of(asker).state == "lost"


def test_killed_after_storing_nothing_is_lost(asker, client, monkeypatch, swept):
    leg = begun(asker, client)
    with monkeypatch.context() as patch:
        kill(patch, settling, "sleep_until")
        die(leg_work.compute, str(leg.pk))
    assert leg_of(asker).state == "ready"
    swept()
    with monkeypatch.context() as patch:
        kill(patch, keys, "forget", after=True)
        Leg.objects.update(visible_at=timezone.now())
        die(legs.collect, Peer.objects.get(url=asker.portal.url), leg.plan_sha256, asker.cards())
    first, again = asker.collect(client), asker.collect(client)
    assert (first.status, first.document) == (200, again.document)


# Restores


def restored_to_reserved(asker, client, *, sent):
    """Reserve, compute, and then lose all that the database knows of it since it was reserved."""
    asker.prepare(client)
    point = transaction.savepoint()
    asker.collect(client)
    leg_work.compute(str(leg_of(asker).pk))
    Leg.objects.update(visible_at=timezone.now())
    before = bytes(leg_of(asker).vector)
    if sent:
        assert asker.collect(client).status == 200
    transaction.savepoint_rollback(point)
    assert leg_of(asker).state == "reserved"
    return before


def test_a_restored_leg_that_was_sent_is_lost_and_its_charge_stands(asker, client):
    """The key of its masks is gone, whatever the database was restored to."""
    restored_to_reserved(asker, client, sent=True)
    other_cards = Asker(asker.portal, asker.study, asker.remote_id, asker.partners)
    other_cards.plan, other_cards.own_card = asker.plan, asker.own_card
    assert other_cards.collect(client).status == 410
    leg = leg_of(asker)
    assert (leg.state, leg.line.settled_by.kind) == ("lost", "commit")


def test_a_sweep_loses_what_was_restored_as_well(asker, client):
    restored_to_reserved(asker, client, sent=True)
    legs.sweep()
    assert leg_of(asker).state == "lost"


def test_nobody_is_charged_twice_for_a_leg_that_was_restored_before_it_was_sent(asker, client):
    """The per-person ledger has noted the plan, so no second vector is ever made with the same masks."""
    restored_to_reserved(asker, client, sent=False)
    before = charged(leg_of(asker))
    assert before > 0
    asker.collect(client)
    leg_work.compute(str(leg_of(asker).pk))
    leg = leg_of(asker)
    assert (leg.state in {"voided", "lost"}, leg.vector) == (True, None)
    assert charged(leg) == before


def test_a_kept_charge_does_not_hide_that_charges_are_missing(asker, client):
    """After a restore, the charge that is kept gets the number of the one that was lost."""
    restored_to_reserved(asker, client, sent=True)
    promise = leg_of(asker).budget.promise
    with closing(SubjectLedger(opening.folder_of(promise))) as ledger:
        last = ledger.last_line()
    with connection.cursor() as cursor:  # numbers are restored as well
        cursor.execute("SELECT setval(pg_get_serial_sequence('privacy_ledgerline', 'id'), %s)", [last - 1])
    assert asker.collect(client).status == 410
    assert leg_of(asker).line.settled_by.pk == last
    later = computed(client, Asker(asker.portal, asker.study, asker.remote_id, asker.partners))
    assert (later.state, later.vector) == ("voided", None)
    promise.refresh_from_db()
    assert promise.incomplete_since is not None


def test_a_leg_cannot_be_begun_twice(asker, client):
    leg = begun(asker, client)
    with pytest.raises(Refused, match="in the meantime"):
        leg_states.begin(leg, asker.cards(), "ab" * 32)


@pytest.mark.chaos
@pytest.mark.django_db(transaction=True)
def test_a_process_that_is_killed_between_noise_and_storing_loses_the_leg(asker, client, settings):
    """kill -9 of a real process, which holds locks of Postgres and of the per-person ledger."""
    leg = begun(asker, client)
    connections.close_all()
    child = os.fork()
    if child == 0:
        masked = masks.masked

        def dies(vector, **named):
            if LedgerLine.objects.filter(kind=LedgerLine.Kind.COMMIT).exists():
                os.kill(os.getpid(), signal.SIGKILL)
            return masked(vector, **named)

        masks.masked = dies
        leg_work.compute(str(leg.pk))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    connection.ensure_connection()
    assert leg_of(asker).state == "computing"
    settings.ANSWER_GIVEN_UP = timedelta()
    legs.sweep()
    leg = leg_of(asker)
    assert (leg.state, leg.vector, leg.line.settled_by.kind) == ("lost", None, "commit")
    assert charged(leg) > 0
