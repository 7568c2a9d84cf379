"""What the database itself holds of the rule that who oversees has no duty on data.

It refuses a duty for somebody who oversees, and a second role beside one that oversees. The other way round, a role for
somebody with a duty, is asked in services alone: tables down here know nothing of the duties above them.
"""

import pgtrigger

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
