"""Actions on accounts. Each checks its rule, writes, and records old and new values in one transaction."""

from accounts.services.privileges import (
    grant_role,
    reinstate,
    reset_second_step,
    suspend,
    take_role,
)
from accounts.services.profile import (
    end_sessions,
    password_changed,
    read_all_notifications,
    read_notification,
    read_notifications_of,
    update_profile,
)
from accounts.services.registration import (
    accept,
    approve_registration,
    ask_for_account,
    confirm_address,
    find_invitation,
    first_admin_link,
    invite,
    refuse_registration,
    register,
    revoke_invitation,
)

__all__ = [
    "accept",
    "approve_registration",
    "ask_for_account",
    "confirm_address",
    "end_sessions",
    "find_invitation",
    "first_admin_link",
    "grant_role",
    "invite",
    "password_changed",
    "read_all_notifications",
    "read_notification",
    "read_notifications_of",
    "refuse_registration",
    "register",
    "reinstate",
    "reset_second_step",
    "revoke_invitation",
    "suspend",
    "take_role",
    "update_profile",
]
