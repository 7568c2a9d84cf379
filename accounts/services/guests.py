"""Guests: people of another portal, in whose name that portal calls. They never sign in here."""

import secrets
from uuid import UUID

from django.db import transaction

from accounts import addresses, names, rules
from accounts.models import Role, User
from accounts.services.privileges import suspend, write_grant
from audit import log
from common.access import require
from common.errors import Refused

LONGEST_AFFILIATION = 200
LONGEST_NAME = 140
"""Of a guest and their portal together, but for a number."""
LONGEST_HOME = 100


@transaction.atomic
def admit(  # noqa: PLR0913 -- what is known of a guest
    *, by: User, home: UUID, home_name: str, remote_id: str, name: str, told_email: str, affiliation: str
) -> User:
    """Make the account of a guest, with the scientist role. `home_name`: the host of their portal.

    Raises Denied unless `by` is an admin, and Refused for a name that no person here could have.
    """
    require(rules.may_manage_people, by)
    if len(home_name) > LONGEST_HOME:
        raise Refused(f"The name of this person's portal has more than {LONGEST_HOME} characters.")
    person = User(
        email=addresses.of_guest(name, home_name, ending=secrets.token_hex(4)),
        name=_free(names.clean(name), home_name),
        affiliation=affiliation[:LONGEST_AFFILIATION],
        state=User.State.REMOTE,
        is_active=False,
        home=home,
        home_name=home_name,
        remote_id=remote_id,
        told_email=told_email,
        mail_topics=[],
    )
    person.set_unusable_password()
    person.save()
    log.record(
        "network.guest.admit", by=by, on=person, person_id=person.pk, home=home_name, told_email=told_email
    )
    write_grant(person, by=by, role=Role.SCIENTIST, reason=f"Guest of {home_name}")
    return person


def end(person: User, *, by: User, reason: str) -> User:
    """End a guest's access: their runs are cancelled, and calls in their name are refused from now on."""
    with transaction.atomic():
        person = suspend(person, by=by, reason=reason)
        log.record("network.guest.end", by=by, on=person, person_id=person.pk, reason=person.state_reason)
    return person


def _free(name: str, home_name: str) -> str:
    """Return the name with its portal, which no name that a person here can choose has, and a number if it is taken.

    A lock on the portal's account serializes everybody who chooses a name.
    """
    User.objects.select_for_update().get(pk=User.objects.system().pk)
    taken = set(User.objects.filter(home_name=home_name).values_list("name", flat=True))
    name, number = name[: LONGEST_NAME - len(home_name)].strip(), 2
    shown = f"{name} ({home_name})"
    while shown in taken:
        shown, number = f"{name} {number} ({home_name})", number + 1
    return shown
