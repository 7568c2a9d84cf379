"""Invitations in the inbox: they wait for owners, until one of them has decided."""

import pytest

from network.models import Peer
from portal.inbox import inbox
from studies.services import participations
from tests import make
from tests.makers import studies as makers

pytestmark = pytest.mark.django_db


def test_an_invitation_waits_for_every_owner(peer: Peer):
    study, owner = makers.invited(peer), make.owner()
    (item,) = inbox(owner)
    assert (item.kind, item.title) == ("study", "Hospital B invites this portal to “Wages in the north”")
    assert (item.url, item.since, item.ids) == (
        f"/studies/{study.pk}/",
        study.created_at,
        {"study": study.pk},
    )
    assert inbox(owner).totals == {"study": 1}
    for other in (make.scientist(), make.admin(), make.auditor()):
        assert "study" not in inbox(other).totals
    participations.decline(study, by=owner, reason="Not for us.")
    assert inbox(make.owner()).total == 0
