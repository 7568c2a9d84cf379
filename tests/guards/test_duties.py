"""Who oversees has no duty on data, and who has a duty is given no role that oversees: every role, every duty.

What is left over of a duty from before is tried out in test_duties_left_over.
"""

import re

import pytest
from django.db import IntegrityError, transaction

from accounts import rules as people_rules
from accounts import services as people
from accounts.models import EXCLUSIVE_ROLES, RoleGrant, User
from common.errors import Refused
from tests import make
from tests.guards.duties import DUTIES, RECORDS, Duty, fresh, keys_to_people

pytestmark = pytest.mark.django_db
ROLES = sorted(EXCLUSIVE_ROLES)


def overseer(role: str) -> User:
    return make.user(role, name=f"Over {role}")


def test_every_way_to_stand_in_the_database_is_known_as_a_duty_or_as_a_record():
    """A new foreign key to a person says first what it gives them."""
    assert set(DUTIES) & set(RECORDS) == set()
    assert sorted({*DUTIES, *RECORDS}) == sorted(keys_to_people())


@pytest.mark.parametrize("duty", DUTIES.values(), ids=list(DUTIES))
@pytest.mark.parametrize("role", ROLES)
def test_who_oversees_is_given_no_duty(role: str, duty: Duty):
    with pytest.raises(Refused):
        duty.give(overseer(role))


@pytest.mark.parametrize("duty", DUTIES.values(), ids=list(DUTIES))
@pytest.mark.parametrize("role", ROLES)
def test_the_database_takes_no_duty_for_who_oversees(role: str, duty: Duty):
    with pytest.raises(IntegrityError, match="Who oversees holds no duty on data"), transaction.atomic():
        duty.write(overseer(role))


@pytest.mark.parametrize("duty", DUTIES.values(), ids=list(DUTIES))
@pytest.mark.parametrize("role", ROLES)
def test_who_has_a_duty_is_not_given_a_role_that_oversees(role: str, duty: Duty):
    """And is, once the duty has ended: it is the duty that stands against it."""
    person = duty.held()
    kept = list(person.role_grants.all())
    assert _refuses(person, role) is not None
    RoleGrant.objects.bulk_create(kept)
    duty.end(person)
    assert _refuses(person, role) is None


def _refuses(person: User, role: str) -> str | None:
    """Why a person without any other role is not given this one, by the verb."""
    person.role_grants.all().delete()
    admin = make.admin()
    why = people_rules.may_grant_role(admin, fresh(person), role)
    if why is None:
        with transaction.atomic():
            people.grant_role(fresh(person), by=admin, role=role, reason="They are good at it.")
            transaction.set_rollback(True)
        return None
    with pytest.raises(Refused, match=re.escape(why)):
        people.grant_role(fresh(person), by=admin, role=role, reason="They are good at it.")
    return why


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("other", ["owner", "scientist", "admin", "auditor"])
def test_the_database_takes_no_second_role_beside_one_that_oversees(role: str, other: str):
    if role == other:
        return
    for first, second in ((role, other), (other, role)):
        person = make.user(first)
        with pytest.raises(IntegrityError, match="goes with no other"), transaction.atomic():
            RoleGrant.objects.create(user=person, role=second, granted_by=person)
