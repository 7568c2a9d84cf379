"""Who may do what with people: every rule for every role."""

import pytest

from accounts import rules
from accounts.models import Role, User
from tests import make

pytestmark = pytest.mark.django_db
ROLES = [*Role, None]


def person_with(role: Role | None) -> User:
    return make.user(role) if role else make.user()


@pytest.mark.parametrize("role", ROLES)
def test_only_admins_change_people(role: Role | None) -> None:
    person, reason = make.user(), "Only an admin can do this."
    make.admin()
    refusals = {
        rules.may_grant_role(person_with(role), person, Role.OWNER),
        rules.may_suspend(person_with(role), person),
        rules.may_manage_people(person_with(role)),
    }
    assert refusals == ({None} if role == Role.ADMIN else {reason})


@pytest.mark.parametrize("role", ROLES)
def test_admins_and_auditors_see_people(role: Role | None) -> None:
    seen = rules.is_overseer(person_with(role))
    assert seen == (None if role in {Role.ADMIN, Role.AUDITOR} else "Only admins and auditors see this.")


@pytest.mark.parametrize("role", ROLES)
def test_others_see_nobody_but_themselves(role: Role | None) -> None:
    user, other = person_with(role), make.user()
    visible = set(User.objects.visible_to(user))
    assert visible == ({user, other} if role in {Role.ADMIN, Role.AUDITOR} else {user})


@pytest.mark.parametrize(
    ("held", "given", "allowed"),
    [
        ([], "admin", True),
        ([], "scientist", True),
        (["owner"], "scientist", True),
        (["scientist"], "owner", True),
        (["scientist"], "admin", False),
        (["owner"], "auditor", False),
        (["admin"], "owner", False),
        (["auditor"], "admin", False),
    ],
)
def test_who_oversees_does_not_work_with_data(held: list[str], given: str, *, allowed: bool) -> None:
    why = rules.may_grant_role(make.admin(), make.user(*held), given)
    assert (why is None) == allowed
    assert why is None or "excludes all other roles" in why


def test_nobody_changes_their_own_account() -> None:
    admin = make.admin()
    make.admin()
    assert (
        rules.may_take_role(admin, admin, Role.ADMIN)
        == "You cannot change your own account. Ask another admin."
    )
    assert rules.may_suspend(admin, admin) == "You cannot change your own account. Ask another admin."


def test_the_last_admin_stays() -> None:
    last, former = make.admin(), make.user(Role.ADMIN, state=User.State.SUSPENDED)
    why = rules.is_not_the_last_admin(former, last)
    assert why == "This is the last admin. Make somebody else an admin first."
    make.admin()
    assert rules.is_not_the_last_admin(former, last) is None


def test_a_suspended_admin_does_nothing() -> None:
    suspended = make.user(Role.ADMIN, state=User.State.SUSPENDED)
    assert rules.may_grant_role(suspended, make.user(), Role.OWNER) == rules.INACTIVE
    assert rules.INACTIVE == "This account is not active. Ask an admin."


def test_a_role_is_given_once_and_taken_when_held() -> None:
    admin, owner = make.admin(), make.owner()
    assert rules.may_grant_role(admin, owner, Role.OWNER) == "Olu Owner already has the role data owner."
    assert rules.may_take_role(admin, owner, Role.SCIENTIST) == "Olu Owner does not have this role."


def test_the_portal_itself_is_not_changed() -> None:
    admin = make.admin()
    assert rules.may_suspend(admin, User.objects.system()) == "The portal's own account cannot be changed."


def test_who_owns_or_reviews_data_does_not_become_admin() -> None:
    admin, dataset = make.admin(), make.dataset()
    seat = make.reviewer(dataset)
    former = dataset.owner
    former.role_grants.all().delete()
    former = User.objects.get(pk=former.pk)
    assert rules.may_grant_role(admin, former, Role.ADMIN) == (
        "Olu Owner owns a dataset, which has to be transferred first."
    )
    assert rules.may_grant_role(admin, seat.user, Role.AUDITOR) == (
        "Rea Reviewer reviews a dataset. Its owner has to remove them as a reviewer first."
    )
