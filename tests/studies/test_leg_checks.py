"""`verify_ledger` finds legs that do not go with the ledger, the plan or what the owner agreed to."""

import json

import pytest
from django.db import connection
from django.utils import timezone

from audit.models import Entry
from network.documents import canonical
from network.models import Peer
from privacy import services as privacy_services
from privacy.ledgers import verification
from studies.models import Leg
from studies.services import leg_checks, leg_work
from tests import make
from tests.makers import studies as makers
from tests.studies.players import Asker

pytestmark = pytest.mark.django_db


def scene(portals, client, *, relies_on=()):
    dataset = makers.offered()
    others = [portals("Hospital B"), portals("Hospital C"), portals("Hospital D")]
    peers = [other.peer() for other in others]
    for other in others:
        other.answers["GET", "/net/1/log/seen"] = lambda _: {"checkpoints": []}
    study = makers.invited(peers[0], *(other.url for other in others[1:]))
    makers.take_part(study, dataset, relies_on=[others[k].url for k in relies_on])
    for peer in peers:
        makers.join(study, peer)
    guest = make.guest(Peer.objects.get(url=others[0].url).pk)
    make.grant(dataset, guest)
    privacy_services.give_budget(dataset.promise, guest, by=dataset.owner, epsilon=3.0)
    asker = Asker(others[0], study, guest.remote_id, others[1:])
    asker.prepare(client)
    asker.collect(client)
    leg_work.compute(str(Leg.objects.get().pk))
    Leg.objects.update(visible_at=timezone.now())
    assert asker.collect(client).status == 200
    return dataset.promise


def test_a_sound_leg_has_no_faults_and_each_change_is_found(portals, client):
    promise = scene(portals, client, relies_on=[0, 1])
    assert verification.faults(promise) == []
    leg = Leg.objects.get()
    assert leg.h == 2
    document = json.loads(leg.plan)
    for fields, why in (
        ({"h": 3}, "paid for another plan"),
        ({"share": leg.share + 1}, "paid for another plan"),
        ({"plan": "{}"}, "its plan cannot be read"),
        ({"plan": canonical({**document, "expires": 1}).decode()}, "not the one that was prepared here"),
        ({"place": (leg.place + 1) % 4}, "not the one that was prepared here"),
        ({"state": "voided", "vector": None}, "says otherwise"),
        ({"state": "lost", "vector": None}, "was sent, as the audit log says"),
    ):
        Leg.objects.filter(pk=leg.pk).update(**fields)
        assert any(why in fault for fault in leg_checks.faults(promise)), fields
        Leg.objects.filter(pk=leg.pk).update(
            **{name: getattr(leg, name) for name in ("h", "share", "plan", "place", "state", "vector")}
        )
    assert list(leg_checks.faults(promise)) == []
    Leg.objects.all().delete()
    found = list(leg_checks.faults(promise))
    assert any("is missing" in fault and "Line" in fault for fault in found)
    assert verification.faults(promise) != []


def test_h_is_compared_with_what_the_owner_had_agreed_to_then(portals, client):
    promise = scene(portals, client, relies_on=[1, 2])
    assert Leg.objects.get().h == 3
    assert list(leg_checks.faults(promise)) == []
    with (
        connection.cursor() as cursor
    ):  # somebody edits the log's table as well: its chain shows that elsewhere
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        joined = Entry.objects.get(action="study.join")
        Entry.objects.filter(pk=joined.pk).update(detail={**joined.detail, "relies_on": []})
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
    assert any("counts on more portals" in fault for fault in leg_checks.faults(promise))
