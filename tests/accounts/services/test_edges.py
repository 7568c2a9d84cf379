"""What people do about themselves, where there is nothing to do or it is somebody else's."""

import pytest
from django.core import signing

from accounts import rules, services
from accounts.mail.letters import CONFIRMATION_SALT
from accounts.models import Notification
from audit.models import Entry
from common.errors import Denied, Refused
from tests import make

pytestmark = pytest.mark.django_db


def test_people_change_their_own_profile_alone():
    person = make.scientist(name="Noor Amin")
    with pytest.raises(Denied):
        services.update_profile(person, by=make.admin(), name="Somebody Else")
    person.refresh_from_db()
    assert person.name == "Noor Amin"


def test_a_profile_that_stays_as_it_is_leaves_no_entry():
    person = make.scientist()
    services.update_profile(person, by=person, name=person.name, mail_topics=person.mail_topics)
    assert not Entry.objects.filter(action="user.update").exists()
    services.update_profile(person, by=person, affiliation="A hospital")
    assert Entry.objects.get(action="user.update").changes == {"affiliation": ["", "A hospital"]}


def test_a_notification_is_read_once_and_by_whom_it_is_for():
    person = make.scientist()
    item = Notification.objects.create(user=person, text="Your access was granted.", url="/")
    with pytest.raises(Denied):
        services.read_notification(item, by=make.scientist())
    item.refresh_from_db()
    assert item.read_at is None
    first = services.read_notification(item, by=person).read_at
    assert first is not None
    assert services.read_notification(item, by=person).read_at == first


def test_an_address_that_is_confirmed_twice_keeps_its_first_day():
    person = make.scientist()
    token = signing.dumps(str(person.pk), salt=CONFIRMATION_SALT)
    first = services.confirm_address(token).email_confirmed_at
    assert first is not None
    assert services.confirm_address(token).email_confirmed_at == first
    assert Entry.objects.filter(action="user.confirm_address").count() <= 1


def test_only_admins_take_an_invitation_back():
    item, _ = services.invite("noor@weir.example", by=make.admin(), roles=["scientist"])
    assert rules.may_revoke_invitation(make.owner(), item) == rules.may_manage_people(make.owner())
    assert rules.may_revoke_invitation(make.owner(), item) is not None
    assert rules.may_revoke_invitation(make.admin(), item) is None


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../etc/passwd", ""])
def test_an_unknown_time_zone_is_refused(zone: str):
    person = make.user(time_zone="Europe/Kiev")
    with pytest.raises(Refused, match="not known"):
        services.update_profile(person, by=person, name="Another Name", time_zone=zone)
    person.refresh_from_db()
    assert (person.time_zone, person.name == "Another Name") == ("Europe/Kiev", False)


def test_topics_of_mail_are_kept_once_and_unknown_ones_refused():
    person = make.user()
    services.update_profile(person, by=person, mail_topics=["comments", "work", "work"])
    person.refresh_from_db()
    assert person.mail_topics == ["work", "comments"]
    with pytest.raises(Refused, match="no topic 'gossip'"):
        services.update_profile(person, by=person, mail_topics=["work", "gossip"])
