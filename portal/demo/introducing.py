"""What the people of the network demo do once all three portals run: each step through the services of one portal.

bin/launch carries what one portal says to the others, as their admins would on the phone. A step that was done already
does nothing.
"""

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings

from common.errors import Refused
from datasets.models import AccessRequest, Dataset
from datasets.services import decide_access
from network import identity
from network.models import Admission, AskedElsewhere, Peer, RemoteDataset
from network.services import catalogue, elsewhere, guests, introductions, polling
from network.services.elsewhere import Wish
from portal.demo import answers, people
from portal.demo.hospitals import DATASET, JOINT_COLUMNS, STUDY_NAME, TABLE, WISH, Hospital
from studies import mapping, queries
from studies.documents import read_study
from studies.models import Member, Study
from studies.services import consents, members, participations, studies

Told = dict[str, Any]
PATIENCE_SECONDS = 60


def tell(hospital: Hospital) -> Told:
    """Return what an admin reads out on the phone: the portal's address and fingerprint."""
    return {
        "url": identity.own_card().url,
        "fingerprint": identity.fingerprint(),
        "admin": hospital.admin.name,
    }


def introduce(hospital: Hospital, *, others: list[Told]) -> Told:
    """Look up each of the other portals, compare its card's fingerprint with what its admin read out, and confirm."""
    admin = people.find(hospital.admin)
    for other in others:
        known = Peer.objects.known().filter(url=other["url"]).exclude(state=Peer.State.WAITING)
        if known.exists():
            continue
        found = introductions.look_up(other["url"], by=admin)
        if found.fingerprint != other["fingerprint"]:
            raise Refused(f"{other['url']} shows a card with another fingerprint than its admin read out.")
        introductions.introduce(
            other["url"], by=admin, fingerprint=found.fingerprint, compared_with=other["admin"]
        )
    return {}


def meet(hospital: Hospital, *, portals: int) -> Told:
    """Wait until so many other portals are active, and read what they list."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while Peer.objects.active().count() < portals:
        if time.monotonic() > deadline:
            raise Refused(
                f"{hospital.name} does not see {portals} active portals after {PATIENCE_SECONDS} seconds."
            )
        for peer in Peer.objects.filter(state=Peer.State.INVITED):
            polling.poll(peer.pk)
        time.sleep(0.2)
    for peer in Peer.objects.active():
        catalogue.refresh(peer)
    return {"active": portals}


def ask(hospital: Hospital) -> Told:
    """Ask for the dataset of each other portal, as the hospital's scientist."""
    scientist = people.find(hospital.scientist)
    for remote in RemoteDataset.objects.visible_to(scientist).filter(name=DATASET):
        asked = AskedElsewhere.objects.filter(user=scientist, peer=remote.peer, dataset=remote.remote_id)
        if not asked.exists():
            offer = elsewhere.look(remote.peer, remote.remote_id, by=scientist)
            wish = Wish(**WISH, terms=offer.terms, agreed=True)
            elsewhere.ask(remote.peer, remote.remote_id, wish, by=scientist)
    return {"asked": AskedElsewhere.objects.filter(user=scientist).count()}


def admit(hospital: Hospital) -> Told:
    """Admit whoever asks as a guest, grant them access, and give them a budget."""
    admin, owner = people.find(hospital.admin), people.find(hospital.owner)
    for item in Admission.objects.waiting():
        guests.admit(item, by=admin)
    dataset = Dataset.objects.get(name=DATASET)
    for request in dataset.access_requests.filter(state=AccessRequest.State.PENDING):
        decide_access(request, by=owner, grant=True, note="Welcome.", days=365)
    for admission in Admission.objects.filter(dataset=dataset, state=Admission.State.ADMITTED):
        guest = guests.find(admission.peer, admission.remote_id)
        if guest is not None:
            answers.budgeted(dataset.promise, guest)
    return {}


def look(hospital: Hospital) -> Told:
    """Look what has become of what the scientist asked for. Raises Refused if it was not granted everywhere."""
    asked = AskedElsewhere.objects.filter(user=people.find(hospital.scientist)).select_related("peer", "user")
    states = [elsewhere.refresh(item).state for item in asked]
    if set(states) != {AskedElsewhere.State.GRANTED}:
        raise Refused(f"Not everything was granted to {hospital.scientist.name}: {', '.join(states)}.")
    return {"granted": len(states)}


def found_study(hospital: Hospital) -> Told:
    """Found the study over the datasets of all portals, as the hospital's owner, and invite the others."""
    if not Study.objects.filter(name=STUDY_NAME).exists():
        dataset, peers = Dataset.objects.get(name=DATASET), list(Peer.objects.active())
        urls = [peer.url for peer in peers]
        parts: dict[str, Any] = {
            "name": STUDY_NAME,
            "title": "Smokers in three hospitals, 1971–1982",
            "purpose": "What giving up smoking does to weight, over the patients of three hospitals.",
            "portals": peers,
        }
        drafted = studies.drafted(dataset, TABLE, JOINT_COLUMNS, **parts)
        studies.found(
            dataset,
            TABLE,
            JOINT_COLUMNS,
            by=people.find(hospital.owner),
            relies_on=urls,
            agreed_text=consents.text_for(drafted, dataset, urls),
            **parts,
        )
    members.tell()
    return {}


def join_study(hospital: Hospital) -> Told:
    """Take part in the study with the hospital's own dataset, whose columns are named alike. Tell the others."""
    study = Study.objects.get(name=STUDY_NAME)
    if queries.participation_of(study) is None:
        dataset, document = Dataset.objects.get(name=DATASET), read_study(study.document)
        urls = [url for url in document.portals if url != settings.BASE_URL]
        participations.join(
            study,
            dataset,
            TABLE,
            mapping.identity(document.table),
            urls,
            by=people.find(hospital.owner),
            agreed_text=consents.consent_text(study, dataset, urls),
        )
    members.tell()
    return {}


def look_at_study(hospital: Hospital) -> Told:
    """Tell the others again what they may not have heard, and look who takes part. Raises Refused unless all do."""
    members.tell()
    study = Study.objects.get(name=STUDY_NAME)
    if waiting := list(study.members.exclude(state=Member.State.JOINED).values_list("url", flat=True)):
        raise Refused(f"{', '.join(waiting)} has not joined the study as {hospital.name} knows it.")
    return {"joined": study.members.count()}


def call(hospital: Hospital) -> Told:
    """Call the other portals again, and read what they list: they did not answer before they were started."""
    for peer in Peer.objects.active():
        polling.poll(peer.pk)
        catalogue.refresh(peer)
    return {"trouble": list(Peer.objects.active().exclude(trouble="").values_list("trouble", flat=True))}


STEPS: dict[str, Callable[..., Told]] = {
    "tell": tell,
    "introduce": introduce,
    "meet": meet,
    "ask": ask,
    "admit": admit,
    "look": look,
    "found_study": found_study,
    "join_study": join_study,
    "look_at_study": look_at_study,
    "call": call,
}
"""What bin/launch may ask for, by name (portal/launch/three_portals.py says in which order)."""
