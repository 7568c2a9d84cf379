"""This portal in a study of another one, whose scientist, a guest here, asks."""

from network.models import Peer
from privacy import services as privacy_services
from studies.models import Leg
from studies.services import leg_work
from tests import make
from tests.makers import studies as makers
from tests.studies.players import Asker


def with_portals(portals, dataset, *names, relies_on=()):
    """`relies_on`: places among the other portals, the asking one being 0."""
    others = [portals("Hospital B"), *map(portals, names or ["Hospital C"])]
    peers = [other.peer() for other in others]
    for other in others:
        other.answers["GET", "/net/1/log/seen"] = lambda _: {"checkpoints": []}
    made = makers.invited(peers[0], *(other.url for other in others[1:]))
    makers.take_part(made, dataset, relies_on=[others[k].url for k in relies_on])
    for peer in peers:
        makers.join(made, peer)
    vars(made)["portals"] = others
    return made


def admitted(study, dataset, *, epsilon=3.0):
    peer = Peer.objects.get(url=study.portals[0].url)
    person = make.guest(peer.pk)
    make.grant(dataset, person)
    privacy_services.give_budget(dataset.promise, person, by=dataset.owner, epsilon=epsilon)
    return person


def asks(study, guest, query=None, **changes):
    return Asker(study.portals[0], study, guest.remote_id, study.portals[1:], query, changes)


def leg_of(asker):
    return Leg.objects.get(plan_sha256=asker.plan.sha256)


def computed(client, asker):
    """Prepare, ask for the part, and compute it."""
    assert asker.prepare(client).status == 200
    assert asker.collect(client).status == 202
    leg_work.compute(str(leg_of(asker).pk))
    return leg_of(asker)
