"""Give, take, suspend, reinstate: what is written, what is recorded, what ends."""

import threading
from collections.abc import Callable

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.mfa.utils import is_mfa_enabled
from django.db import connection
from django.test import Client

from accounts import hooks, services
from accounts.models import Notification, Role, Session, User
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from tests import make


@pytest.mark.django_db
def test_a_given_role_says_by_whom_and_why() -> None:
    admin, person = make.admin(), make.user()
    grant = services.grant_role(person, by=admin, role="owner", reason="  Runs the\n wage panel. ")
    assert (grant.granted_by, grant.reason, grant.role) == (admin, "Runs the wage panel.", "owner")
    entry = Entry.objects.get()
    assert (entry.action, entry.actor, entry.person_id) == ("user.grant_role", admin.email, str(person.pk))
    assert entry.changes == {"roles": [[], ["owner"]]}
    assert entry.detail == {"role": "owner", "reason": "Runs the wage panel."}
    assert Notification.objects.get().text == "You now have the role data owner."


@pytest.mark.django_db
def test_a_taken_role_is_gone_and_on_record() -> None:
    admin, person = make.admin(), make.user("owner", "scientist")
    changed = services.take_role(person, by=admin, role="owner", reason="Left the panel.")
    assert changed.roles == frozenset({"scientist"})
    assert Entry.objects.get().changes == {"roles": [["owner", "scientist"], ["scientist"]]}


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_a_reason_is_asked_for(reason: str) -> None:
    admin, person = make.admin(), make.user()
    with pytest.raises(Refused):
        services.grant_role(person, by=admin, role="owner", reason=reason)
    with pytest.raises(Refused):
        services.suspend(person, by=admin, reason=reason)
    assert (list(person.role_grants.all()), Entry.objects.count()) == ([], 0)


@pytest.mark.django_db
def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(Refused, match="This role does not exist"):
        services.grant_role(make.user(), by=make.admin(), role="root", reason="Why not")


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.OWNER, Role.SCIENTIST, Role.AUDITOR])
def test_no_other_role_gives_takes_or_suspends(role: Role) -> None:
    make.admin()
    by, person = make.user(role), make.scientist()
    for act in (
        lambda: services.grant_role(person, by=by, role="owner", reason="Because"),
        lambda: services.take_role(person, by=by, role="scientist", reason="Because"),
        lambda: services.suspend(person, by=by, reason="Because"),
    ):
        with pytest.raises(Denied):
            act()
    assert not Entry.objects.exists()


@pytest.mark.django_db
def test_an_admin_takes_a_lost_second_step_off_an_account(as_: Callable[[User], Client]) -> None:
    person, bystander, admin = make.scientist(), make.scientist(), make.admin()
    for user in (person, bystander):
        TOTP.activate(user, generate_totp_secret())
        RecoveryCodes.activate(user)
    client = as_(person)
    services.reset_second_step(person, by=admin, reason="A lost phone.")
    assert [is_mfa_enabled(user) for user in (person, bystander)] == [False, True]
    assert client.get("/people/me/").status_code == 302
    last = Entry.objects.latest("id")
    assert (last.action, last.person_id, last.detail) == (
        "user.reset_second_step",
        str(person.pk),
        {"reason": "A lost phone."},
    )
    with pytest.raises(Denied, match="does not use two-step sign-in"):
        services.reset_second_step(person, by=admin, reason="Again.")
    with pytest.raises(Denied, match="Only an admin"):
        services.reset_second_step(bystander, by=person, reason="Because")


@pytest.mark.django_db
def test_suspension_ends_sessions_at_the_next_request(as_: Callable[[User], Client]) -> None:
    person, bystander = make.scientist(), make.scientist()
    other = Client()
    other.force_login(bystander)
    client = as_(person)
    assert client.get("/people/me/").status_code == 200
    services.suspend(person, by=make.admin(), reason="A lost laptop.")
    assert client.get("/people/me/").status_code == 302
    assert not Session.objects.filter(user=person).exists()
    assert other.get("/people/me/").status_code == 200


@pytest.mark.django_db
def test_a_session_that_outlives_the_suspension_is_worth_nothing(as_: Callable[[User], Client]) -> None:
    """A sign-in that crosses the suspension writes its session after it."""
    person = make.scientist()
    client = as_(person)
    row = Session.objects.get(user=person)
    services.suspend(person, by=make.admin(), reason="A lost laptop.")
    row.save(force_insert=True)
    assert client.get("/people/me/").status_code == 302
    services.reinstate(person, by=User.objects.admins().get(), reason="Laptop found.")
    assert client.get("/people/me/").status_code == 302


@pytest.mark.django_db
def test_suspension_calls_the_hooks_in_its_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    person, admin = make.scientist(), make.admin()
    told: list[tuple[User, User, bool]] = []
    monkeypatch.setattr(
        hooks,
        "on_suspended",
        [lambda whom, by: told.append((whom, by, connection.in_atomic_block))],
    )
    services.suspend(person, by=admin, reason="A lost laptop.")
    assert told == [(person, admin, True)]


@pytest.mark.django_db
def test_suspend_and_reinstate_are_on_record_and_keep_the_roles() -> None:
    person, admin = make.scientist(), make.admin()
    suspended = services.suspend(person, by=admin, reason="A lost laptop.")
    assert (suspended.state, suspended.is_active, suspended.state_reason) == (
        "suspended",
        False,
        "A lost laptop.",
    )
    back = services.reinstate(person, by=admin, reason="Laptop found.")
    assert (back.state, back.is_active, back.roles) == ("active", True, frozenset({"scientist"}))
    assert [(e.action, e.changes, e.detail) for e in Entry.objects.order_by("id")] == [
        ("user.suspend", {"state": ["active", "suspended"]}, {"reason": "A lost laptop."}),
        ("user.reinstate", {"state": ["suspended", "active"]}, {"reason": "Laptop found."}),
    ]


@pytest.mark.django_db
def test_a_person_is_not_suspended_twice() -> None:
    person, admin = make.scientist(), make.admin()
    services.suspend(person, by=admin, reason="A lost laptop.")
    with pytest.raises(Denied, match="not active"):
        services.suspend(person, by=admin, reason="Again.")


@pytest.mark.django_db(transaction=True)
def test_two_admins_cannot_remove_each_other() -> None:
    """Both act at once: one wins, the other is no admin any more when their turn comes."""
    one, two = make.admin(), make.admin()
    results: list[str] = []
    ready = threading.Barrier(2)

    def remove(by: User, whom: User) -> None:
        ready.wait()
        try:
            services.suspend(whom, by=by, reason="A duel.")
            results.append("done")
        except (Denied, Conflict):
            results.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(results), User.objects.admins().count()) == (["done", "refused"], 1)
