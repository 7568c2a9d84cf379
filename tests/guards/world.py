"""A world of foreign objects: one of every model, whose names all have a mark that strangers must never see."""

from uuid import UUID

import pytest
from django.apps import apps
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from accounts import services as people
from accounts.models import User
from accounts.services import tokens
from audit import log
from audit.models import Entry
from datasets import services as datasets
from datasets.models import Dataset, Upload
from network.models import LogAlarm
from privacy.execution import lifecycle
from privacy.models import TopUp
from requests_app import services as lane
from studies.models import JointAnswer, Study
from tests import make
from tests.guards import network_clicks
from tests.guards.pages import KINDS
from tests.makers import catalogues, learned, studies
from tests.makers import code as coded
from tests.makers import network as connected
from tests.makers import privacy as shares

MARK = "Quetzalcoatlus"
"""In the name of everything foreign: a page that shows it to a stranger shows what they may not know."""


@pytest.fixture
def world(settings, built_world: dict[str, UUID]) -> dict[str, UUID]:
    """One foreign object of every model, by the model's name."""
    settings.REGISTRATION = True
    return built_world


@pytest.fixture(scope="module")
def built_world(built_once: DjangoDbBlocker) -> dict[str, UUID]:
    with built_once.unblock(), override_settings(REGISTRATION=True):
        return _built()


def _built() -> dict[str, UUID]:
    owner = make.owner(name=f"{MARK} Owner")
    dataset = make.dataset(
        owner=owner, title=f"{MARK} wages", discoverable=False, policy={"held_downloads": True}
    )
    item = make.code_request(dataset=dataset, title=f"{MARK} mean", at="in_review")
    lane.comment(item.latest, by=owner, text=f"{MARK} is odd.")
    make.code_request(dataset=dataset, title=f"{MARK} mean", at="released")
    make.access_request(dataset=make.dataset(owner=owner, discoverable=True, title=f"{MARK} open"))
    make.reviewer(dataset)
    draft = make.dataset(owner=owner, published=False, title=f"{MARK} draft").draft
    Upload.objects.create(revision=draft, user=owner, file_name="odd.csv", size=10)
    share = shares.budget(shares.promise(dataset))
    make.grant(dataset, share.scientist)
    lifecycle.compute(str(shares.answer(share, epsilon=0.5).pk))
    learned.table(share)
    shares.batch(share, shares.PEOPLE_COUNTED, epsilon=0.5)
    coded.found(share)
    TopUp.objects.create(budget=share, epsilon=1.0, reason=f"{MARK} again")
    make.worker()
    lane.add_environment(by=make.admin(), name="odd", requirements=f"{MARK}==1.0")
    people.invite("odd@weir.example", by=make.admin(), roles=["scientist"])
    people.register(
        "new@weir.example",
        name=f"{MARK} New",
        password=make.PASSWORD,
        affiliation="",
        note="",
        time_zone="UTC",
    )
    tokens.make(by=owner, name=f"{MARK} token", scopes=["read"])
    datasets.write_terms(dataset, by=owner, text=f"{MARK} terms.")
    stranger, gone = _of_the_network(dataset, owner), _not_listed_any_more()
    kinds = set(KINDS.values())
    found = {
        each.__name__: each._default_manager.first() for each in apps.get_models() if each.__name__ in kinds
    }
    assert sorted(found) == sorted(kinds)
    assert [name for name, item in found.items() if item is None] == []
    chosen = {
        "RemoteDataset": gone,
        "Peer": stranger,
        "User": owner.pk,
        "Study": Study.objects.get(title__startswith=MARK).pk,
        "JointAnswer": JointAnswer.objects.get(study__title__startswith=MARK).pk,
        "Dataset": dataset.pk,
        "Entry": Entry.objects.filter(dataset_id=str(dataset.pk)).latest("id").key,
    }
    return {name: item.pk for name, item in found.items()} | chosen


def _of_the_network(dataset: Dataset, owner: User) -> UUID:
    """What there is about another portal, which only admins and auditors know of, beside its datasets."""
    peer = connected.stranger(f"{MARK} Hospital")
    LogAlarm.objects.create(
        peer=peer, kind="split", origin=f"{MARK} log", known=MARK, shown=MARK, shown_by=peer.name
    )
    network_clicks.admission(make.admin(), dataset, peer, f"{MARK} Guest")
    network_clicks.asked_elsewhere(owner, peer, f"{MARK} there")
    # Nobody has joined it, so scientists do not see it.
    invited = studies.invited(peer, title=f"{MARK} study")
    studies.joint_answer(invited, make.scientist(name=f"{MARK} Scientist"))
    founded = studies.study(catalogues.peer("Elsewhere"), name="founded-here")
    somebody = make.scientist(name="Another Scientist")
    answer = studies.joint_answer(founded, somebody, **studies.RELEASED)
    log.record("joint.released", by=somebody, on=answer, person_id=somebody.pk, document_sha256="0" * 64)
    return peer.pk


def _not_listed_any_more() -> UUID:
    """A dataset of another portal that nobody may know of, beside one that all may find."""
    catalogues.remote_dataset(title="Open to be found")
    return catalogues.remote_dataset(
        catalogues.peer("An open portal"), gone=True, title=f"{MARK} elsewhere"
    ).pk
