"""Founding a study, inviting other portals, and ending it."""

import pytest

from network.models import Peer
from studies import documents, queries
from studies.models import Member
from tests.makers import studies as makers

pytestmark = pytest.mark.django_db


def test_a_study_is_founded_with_a_dataset_that_takes_part(peer: Peer, settings):
    dataset = makers.offered()
    study = makers.study(peer, dataset=dataset, joined=False)
    document = documents.read_study(study.document)
    assert (str(study), study.name, study.sha256) == (document.title, document.name, document.sha256)
    assert document.founder == settings.BASE_URL
    assert document.portals == tuple(sorted([settings.BASE_URL, peer.url]))
    assert sorted(document.table.columns) == ["region", "wage", "year"]
    states = dict(study.members.values_list("url", "state"))
    assert states == {settings.BASE_URL: Member.State.JOINED, peer.url: Member.State.INVITED}
    assert queries.own_member(study).dataset == dataset.pk
    assert study.participation.agreed_by == dataset.owner
