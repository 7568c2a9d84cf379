"""This portal's own log before its witnesses, and what witnesses tell each other."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import witnesses as own_log
from audit.models import Cosignature, MissingCheckpoint
from common.errors import Refused
from network import calls
from network.models import LogAlarm
from network.services import witnesses
from network.services.witnesses import Alarmed
from tests.makers.audit import checkpoint
from tests.network.logs import ADD, SEEN, Log, Witness, alarm, forget, known, sign
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(portals: Callable[..., Portal]) -> Portal:
    return portals("Hospital B")


def test_this_portals_log_is_signed_by_its_peers(other: Portal):
    peer, witness = other.peer(), Witness(other)
    first = checkpoint()
    assert witnesses.submit(peer)
    assert not witnesses.submit(peer)
    second = checkpoint()
    assert witnesses.submit(peer)
    assert list(Cosignature.objects.values_list("checkpoint_id", flat=True)) == [first.size, second.size]
    assert own_log.note(second).count("— ") == 2
    witness.last, witness.note = None, ""  # it was restored from an old backup
    third = checkpoint()
    assert witnesses.submit(peer)
    assert Cosignature.objects.filter(checkpoint=third).exists()


def test_this_portal_finds_out_that_its_own_log_is_shorter(other: Portal):
    peer, witness = other.peer(), Witness(other)
    checkpoint()
    newest = checkpoint()
    assert witnesses.submit(peer)
    forget(newest)
    with pytest.raises(Refused, match="leaves of this log, which has"):
        witnesses.submit(peer)
    assert own_log.missing() == MissingCheckpoint.objects.get()
    assert witness.last is not None


@pytest.mark.parametrize(
    "answer",
    [
        {}, {"key": 5, "line": 5}, {"key": "", "line": ""}, {"key": "a+00000000+AAAA", "line": "x"},
        (409, {}), (409, {"size": 5, "note": 7}), (409, {"size": 5, "note": "no note"}), (403, {"detail": "No."}),
        (409, {"size": 0, "note": ""}),
    ],
)  # fmt: skip
def test_a_witness_that_answers_rubbish_changes_nothing(other: Portal, answer: Any):
    peer = other.peer()
    checkpoint()
    other.answers["POST", ADD] = lambda _: answer
    if answer == (409, {"size": 0, "note": ""}):
        assert not witnesses.submit(peer)
    else:
        with pytest.raises(Refused):
            witnesses.submit(peer)
    assert not Cosignature.objects.exists()
    assert own_log.missing() is None


def test_a_witness_cannot_sign_in_anothers_name(other: Portal):
    peer, witness = other.peer(), Witness(other)
    witness.name = "c.example"
    checkpoint()
    with pytest.raises(Refused, match="no signature of its own"):
        witnesses.submit(peer)


def test_two_histories_are_found_when_witnesses_compare(portals: Callable[..., Portal]):
    logged, teller = portals("Hospital B"), portals("Hospital C")
    log = Log(logged, 64)
    peer, third = known(logged, log), teller.peer()
    fork = log.fork().grow(64, tint=b"!")
    sign(peer, log.grow(64), 0)
    teller.answers["GET", SEEN] = lambda _: {
        "checkpoints": [fork.note(by=Ed25519PrivateKey.generate()), fork.note(), log.note()]
    }
    assert witnesses.compare(third) == 3
    found = alarm("split")
    assert (found.peer, found.known, found.shown, found.shown_by) == (
        peer,
        log.note(),
        fork.note(),
        "Hospital C",
    )
    with pytest.raises(Alarmed):
        sign(peer, log.grow(1), 128)


@pytest.mark.parametrize("told", [None, "x", [5, None, {}], ["x" * 3000], []])
def test_a_portal_that_tells_rubbish_raises_no_alarm(other: Portal, told: Any):
    peer = other.peer()
    other.answers["GET", SEEN] = lambda _: {"checkpoints": told}
    if isinstance(told, list):
        assert witnesses.compare(peer) == 0
    else:
        with pytest.raises(calls.Unreachable):
            witnesses.compare(peer)
    assert not LogAlarm.objects.exists()


def test_a_peer_that_holds_a_checkpoint_of_this_log_tells_it(other: Portal):
    peer = other.peer()
    Witness(other)
    newest = checkpoint()
    other.answers["GET", SEEN] = lambda _: {"checkpoints": [newest.note]}
    assert witnesses.compare(peer) == 1
    assert own_log.missing() is None
    forget(newest)
    assert witnesses.compare(peer) == 1
    assert own_log.missing() is not None
