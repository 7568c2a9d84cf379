"""What the database itself holds of two rules: who oversees has no duty on data, and a guest of another portal never
signs in and is a scientist only.

It refuses a duty for somebody who oversees, and a second role beside one that oversees. The other way round, a role for
somebody with a duty, is asked in services alone: tables down here know nothing of the duties above them.
"""

import pgtrigger
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import models
from django.db.models import Q

from accounts.addresses import GUESTS_DOMAIN

# Apart from models, which import this.
EXCLUSIVE = "('admin', 'auditor')"


def not_for_overseers(field: str) -> pgtrigger.Trigger:
    """Refuses a row whose `field` names, from now on, somebody who oversees. What stands may stay and be ended."""
    named = f"NEW.{field}_id"
    return pgtrigger.Trigger(
        name=f"{field}_does_not_oversee",
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.UpdateOf(f"{field}_id"),  # type: ignore[no-untyped-call]
        func=f"""
            IF TG_OP = 'UPDATE' THEN
                IF {named} IS NOT DISTINCT FROM OLD.{field}_id THEN RETURN NEW; END IF;
            END IF;
            PERFORM 1 FROM accounts_user WHERE id = {named} FOR SHARE;
            IF EXISTS (
                SELECT 1 FROM accounts_rolegrant WHERE user_id = {named} AND role IN {EXCLUSIVE}
            ) THEN
                RAISE EXCEPTION 'Who oversees holds no duty on data.' USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,  # noqa: S608 -- made of names in our own models
    )


ROLES_GO_TOGETHER = pgtrigger.Trigger(
    name="who_oversees_holds_no_other_role",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.UpdateOf("user_id", "role"),  # type: ignore[no-untyped-call]
    func=f"""
        PERFORM 1 FROM accounts_user WHERE id = NEW.user_id FOR UPDATE;
        IF EXISTS (
            SELECT 1 FROM accounts_rolegrant
            WHERE user_id = NEW.user_id AND id <> NEW.id AND role <> NEW.role
            AND (role IN {EXCLUSIVE} OR NEW.role IN {EXCLUSIVE})
        ) THEN
            RAISE EXCEPTION 'This role goes with no other.' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    """,  # noqa: S608 -- made of our own constants
)


GUESTS = [
    models.UniqueConstraint(fields=["home", "remote_id"], name="one_account_per_guest"),
    models.CheckConstraint(
        condition=Q(home=None, remote_id="", home_name="", told_email="")
        | (Q(home__isnull=False) & ~Q(remote_id="") & ~Q(home_name="")),
        name="guests_have_a_home_and_a_name_there",
    ),
    models.CheckConstraint(
        condition=(Q(home=None) & ~Q(state="remote"))
        | Q(home__isnull=False, state__in=["remote", "suspended"]),
        name="guests_are_remote_or_suspended",
    ),
    models.CheckConstraint(
        condition=Q(home=None) | Q(password__startswith=UNUSABLE_PASSWORD_PREFIX),
        name="guests_have_no_password",
    ),
    models.CheckConstraint(
        condition=(Q(home=None) & ~Q(email__endswith=GUESTS_DOMAIN))
        | Q(home__isnull=False, email__endswith=GUESTS_DOMAIN),
        name="addresses_of_guests_are_made_up",
    ),
]
"""Constraints of accounts: a guest has no state and no password with which anybody signs in."""

GUESTS_STAY_GUESTS = pgtrigger.Trigger(
    name="guests_stay_guests",
    when=pgtrigger.Before,
    operation=pgtrigger.UpdateOf("home", "remote_id"),  # type: ignore[no-untyped-call]
    condition=pgtrigger.Q(old__home__df=pgtrigger.F("new__home"))
    | pgtrigger.Q(old__remote_id__df=pgtrigger.F("new__remote_id")),
    func="RAISE EXCEPTION 'Whose guest somebody is never changes.' USING ERRCODE = 'check_violation';",
)

ONLY_SCIENTISTS = pgtrigger.Trigger(
    name="guests_are_scientists_only",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.UpdateOf("user_id", "role"),  # type: ignore[no-untyped-call]
    func="""
        IF NEW.role <> 'scientist' AND EXISTS (
            SELECT 1 FROM accounts_user WHERE id = NEW.user_id AND home IS NOT NULL
        ) THEN
            RAISE EXCEPTION 'A guest is a scientist only.' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    """,
)


def not_for_guests(field: str, *, code: str = "check_violation") -> pgtrigger.Trigger:
    """Refuses a row whose `field` names a guest: a way to sign in, or a duty on data."""
    named = f"NEW.{field}_id"
    return pgtrigger.Trigger(
        name=f"{field}_is_no_guest",
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.UpdateOf(f"{field}_id"),  # type: ignore[no-untyped-call]
        func=f"""
            IF EXISTS (SELECT 1 FROM accounts_user WHERE id = {named} AND home IS NOT NULL) THEN
                RAISE EXCEPTION 'A guest of another portal cannot have this.' USING ERRCODE = '{code}';
            END IF;
            RETURN NEW;
        """,  # noqa: S608 -- made of names in our own models
    )
