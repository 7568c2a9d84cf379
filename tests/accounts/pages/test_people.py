"""The pages of people, as each role finds them."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts import services
from accounts.models import Invitation, Notification, Role, User
from accounts.notifications import notify
from accounts.topics import Topic
from audit.models import Entry
from common.http import found
from tests import make

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]
READ = ["people", "registrations", "invitations"]


def url(name: str, *args: object) -> str:
    return reverse(f"accounts:{name}", args=args)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("role", [*Role, None])
def test_only_admins_and_auditors_open_the_pages_of_people(as_: As, name: str, role: Role | None) -> None:
    client = as_(make.user(role) if role else make.user())
    assert client.get(url(name)).status_code == (200 if role in {Role.ADMIN, Role.AUDITOR} else 404)


@pytest.mark.parametrize("role", [Role.OWNER, Role.SCIENTIST, None])
def test_a_foreign_person_does_not_exist(as_: As, role: Role | None) -> None:
    make.admin()
    client, other = as_(make.user(role) if role else make.user()), make.scientist()
    for pk in (other.pk, uuid4()):
        assert client.get(url("person", pk)).status_code == 404
        for name in (
            "grant_role",
            "take_role",
            "suspend",
            "reinstate",
            "reset_second_step",
            "sign_out_person",
        ):
            assert client.post(url(name, pk), {"reason": "r", "role": "owner"}).status_code == 404
        for name in ("approve_registration", "refuse_registration", "revoke_invitation"):
            assert client.post(url(name, pk), {"reason": "r"}).status_code == 404
    assert client.post(url("invite"), {"email": "x@weir.example", "roles": ["admin"]}).status_code == 404
    assert not Entry.objects.exclude(action="session.sign_in").exists()


def test_an_auditor_reads_and_changes_nothing(as_: As) -> None:
    make.admin()
    person = make.scientist()
    client = as_(make.auditor())
    page = client.get(url("person", person.pk)).content.decode()
    assert "Only an admin can do this." in page
    assert f'action="{url("suspend", person.pk)}"' not in page
    for name in ("grant_role", "take_role", "suspend", "reinstate", "reset_second_step", "sign_out_person"):
        assert client.post(url(name, person.pk), {"reason": "r", "role": "owner"}).status_code == 403
    assert client.post(url("invite"), {"email": "x@weir.example", "roles": ["owner"]}).status_code == 403
    assert not Invitation.objects.exists()


def test_nothing_changes_by_get(as_: As) -> None:
    client, person = as_(make.admin()), make.user()
    for name in ("grant_role", "take_role", "suspend", "reinstate", "approve_registration"):
        assert client.get(url(name, person.pk)).status_code == 405


def test_an_admin_gives_a_role_with_a_reason(as_: As) -> None:
    admin, person = make.admin(), make.user()
    client = as_(admin)
    client.post(url("grant_role", person.pk), {"role": "owner", "reason": "Runs the panel."})
    page = client.get(url("person", person.pk)).content.decode()
    assert ("Runs the panel." in page, found(User.objects.all(), pk=person.pk).is_owner) == (True, True)


def test_a_form_keeps_what_was_typed(as_: As) -> None:
    client, person = as_(make.admin()), make.user()
    answer = client.post(url("grant_role", person.pk), {"role": "owner", "reason": "long " * 120})
    assert (answer.status_code, "long long" in answer.content.decode()) == (422, True)
    answer = client.post(url("invite"), {"email": "x@weir.example", "roles": ["admin", "owner"]})
    assert (answer.status_code, 'value="x@weir.example"' in answer.content.decode()) == (400, True)
    assert "excludes all other roles" in answer.content.decode()


def test_an_address_that_is_none_is_not_invited(as_: As) -> None:
    answer = as_(make.admin()).post(url("invite"), {"email": "no address", "roles": ["owner"]})
    assert (answer.status_code, 'value="no address"' in answer.content.decode()) == (422, True)
    assert not Invitation.objects.exists()


def test_an_admin_withdraws_an_invitation(as_: As) -> None:
    admin = make.admin()
    item, link = services.invite("x@weir.example", by=admin, roles=["owner"])
    assert as_(admin).post(url("revoke_invitation", item.pk)).headers["Location"] == url("invitations")
    assert Client().get(link[link.index("/people/") :]).status_code == 410


def test_an_admin_ends_all_sessions_of_somebody_else(as_: As) -> None:
    admin, person = make.admin(), make.scientist()
    theirs = Client()
    theirs.force_login(person)
    client = as_(admin)
    answer = client.post(url("sign_out_person", person.pk), follow=True)
    assert "Sessions ended: 1." in answer.content.decode()
    assert (theirs.get(url("profile")).status_code, client.get(url("profile")).status_code) == (302, 200)


def test_the_link_of_an_invitation_is_shown_once(as_: As) -> None:
    client = as_(make.admin())
    first = client.post(url("invite"), {"email": "x@weir.example", "roles": ["owner"]})
    assert "/people/welcome/" in first.content.decode()
    assert "/people/welcome/" not in client.get(url("invitations")).content.decode()


def test_a_guest_makes_an_account_and_is_signed_in(client: Client) -> None:
    _, link = services.invite("x@weir.example", by=make.admin(), roles=["scientist"])
    path = link[link.index("/people/") :]
    assert (client.get(path).status_code, client.get(path).status_code) == (200, 200)
    fields = {"name": "Xia", "password": "password", "repeated": "password", "time_zone": "Asia/Tokyo"}
    weak = client.post(path, fields)
    assert (weak.status_code, 'value="Xia"' in weak.content.decode()) == (200, True)
    strong = {**fields, "password": make.PASSWORD, "repeated": make.PASSWORD}
    assert client.post(path, {**strong, "repeated": "another one entirely"}).status_code == 200
    assert client.post(path, strong).headers["Location"] == "/"
    assert client.get("/people/me/").status_code == 200
    assert (Client().get(path).status_code, Client().get("/people/welcome/made-up/").status_code) == (
        410,
        404,
    )


def test_the_first_admin_does_not_take_the_address_of_somebody_else(client: Client) -> None:
    person = make.user(password=make.PASSWORD)
    link = services.first_admin_link()
    fields = {"email": person.email, "name": "Xia", "time_zone": "UTC"}
    fields |= dict.fromkeys(("password", "repeated"), "another one entirely")
    answer = client.post(link[link.index("/people/") :], fields)
    assert (answer.status_code, 'value="Xia"' in answer.content.decode()) == (200, True)
    assert "_auth_user_id" not in client.session
    person = User.objects.get(pk=person.pk)
    assert (person.is_admin, person.check_password(make.PASSWORD)) == (False, True)


def test_the_page_after_a_registration_names_no_address(client: Client) -> None:
    page = client.get(url("registered"))
    assert (page.status_code, "@" in page.content.decode().partition("<main")[2]) == (200, False)


def test_the_list_is_searched_and_filtered(as_: As) -> None:
    make.scientist(name="Greta Grün", affiliation="Uni Graz")
    make.owner(name="Hamid Horn", state=User.State.SUSPENDED)
    client = as_(make.admin())
    for query, names in (
        ("?text=graz", ["Greta Grün"]),
        ("?role=owner", ["Hamid Horn"]),
        ("?state=suspended", ["Hamid Horn"]),
        ("?state=active", ["Greta Grün"]),
        ("?text=nobody-of-this-name", []),
        ("?role=nonsense&page=nonsense", ["Greta Grün", "Hamid Horn", "Ada Admin"]),
    ):
        page = client.get(url("people") + query).content.decode()
        shown = [name for name in ("Greta Grün", "Hamid Horn") if f">{name}</a>" in page]
        assert shown == [name for name in names if name != "Ada Admin"]


@pytest.mark.parametrize("count", [1, 3])
def test_lists_cost_the_same_however_long(
    as_: As, count: int, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    client = as_(make.admin())
    for _ in range(count):
        make.user("owner", "scientist")
        make.user(state=User.State.PENDING)
    for name in READ:
        with django_assert_max_num_queries(10):
            client.get(url(name))


def test_an_admin_decides_on_registrations(as_: As) -> None:
    client = as_(make.admin())
    one, two = (make.user(state=User.State.PENDING, name=name) for name in ("One", "Two"))
    assert client.post(url("approve_registration", one.pk), {"roles": ["root"]}).status_code == 422
    assert client.post(url("refuse_registration", two.pk), {"reason": " "}).status_code == 422
    client.post(url("approve_registration", one.pk), {"roles": ["scientist"]})
    client.post(url("refuse_registration", two.pk), {"reason": "Unknown."})
    states = User.objects.filter(pk__in=[one.pk, two.pk]).order_by("name").values_list("state", flat=True)
    assert list(states) == ["active", "refused"]


def test_the_profile_changes_oneself_only_and_is_recorded(as_: As) -> None:
    person, other = make.user(), make.user()
    client = as_(person)
    fields = {"name": "New Name", "affiliation": "Uni", "time_zone": "Europe/Vienna", "id": str(other.pk)}
    client.post(url("profile"), {**fields, "email": "taken@weir.example", "state": "suspended"})
    person.refresh_from_db()
    assert (person.name, person.time_zone, person.mail_topics, person.email.startswith("person")) == (
        "New Name",
        "Europe/Vienna",
        [],
        True,
    )
    assert Entry.objects.get(action="user.update").changes["time_zone"] == ["UTC", "Europe/Vienna"]
    other.refresh_from_db()
    assert other.name != "New Name"
    assert client.post(url("profile"), {**fields, "time_zone": "Mars/Base"}).status_code == 200


def test_topics_of_mail_are_boxes_and_one_button_switches_all_off(as_: As) -> None:
    person = make.user(name="Ida Noor")
    client = as_(person)
    fields = {"name": "Ida Noor", "time_zone": "UTC", "mail_topics": ["terms", "work"]}
    client.post(url("profile"), fields)
    person.refresh_from_db()
    assert person.mail_topics == ["work", "terms"]
    page = client.get(url("profile")).text
    checked = [topic for topic in Topic if re.search(rf'value="{topic}"[^>]*checked', page)]
    assert checked == person.mail_topics
    client.post(url("profile"), {**fields, "mail_topics": [*fields["mail_topics"], "gossip"]})
    person.refresh_from_db()
    assert person.mail_topics == ["work", "terms"]
    client.post(url("profile"), {**fields, "no_mail": "yes"})
    person.refresh_from_db()
    assert person.mail_topics == []
    assert "no_mail" not in client.get(url("profile")).text


def test_the_header_counts_and_a_notification_is_read_once_opened(as_: As) -> None:
    person, other = make.user(), make.user()
    notify([person, other], "Something happened.", about=Topic.WORK, url="/datasets/")
    client = as_(person)
    assert "Notifications: 1 unread" in client.get(url("unread")).content.decode()
    own, foreign = (Notification.objects.get(user=user) for user in (person, other))
    assert client.post(url("read_notification", foreign.pk)).status_code == 404
    assert client.post(url("read_notification", own.pk)).headers["Location"] == "/datasets/"
    assert " unread" not in client.get(url("unread")).content.decode()
    foreign.refresh_from_db()
    assert foreign.read_at is None


def test_opening_a_page_reads_what_leads_to_it(as_: As) -> None:
    dataset = make.dataset()
    page = f"/datasets/{dataset.pk}/"
    other = make.user()
    for person in (dataset.owner, other):
        for place in (page, f"{page}#changes", f"{page}content/", "/datasets/"):
            notify([person], "Something happened.", about=Topic.WORK, url=place)
    as_(other).get(f"{page}content/")  # which is not theirs to open
    client = as_(dataset.owner)
    client.get("/datasets/")
    client.get(page, headers={"HX-Request": "true"})
    assert Notification.objects.unread().count() == 8
    client.get(page)
    left = Notification.objects.unread().filter(user=dataset.owner).values_list("url", flat=True)
    assert sorted(left) == ["/datasets/", f"{page}content/"]
    assert Notification.objects.unread().filter(user=other).count() == 4


def test_all_notifications_are_read_at_once(as_: As) -> None:
    person = make.user()
    for number in range(3):
        notify([person], f"Number {number}", about=Topic.WORK, url="https://evil.example/")
    client = as_(person)
    one = Notification.objects.filter(user=person).first()
    assert one is not None
    assert client.post(url("read_notification", one.pk)).headers["Location"] == url("notifications")
    client.post(url("read_all"))
    assert not Notification.objects.filter(user=person, read_at=None).exists()


def test_the_empty_list_says_what_will_be_there(as_: As) -> None:
    assert "No notifications yet" in as_(make.user()).get(url("notifications")).content.decode()
