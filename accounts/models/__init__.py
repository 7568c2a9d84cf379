"""People, how they sign in, and what they are notified of."""

from accounts.models.notifications import Mail, Notification
from accounts.models.people import (
    EXCLUSIVE_ROLES,
    ROLE_HELP,
    SYSTEM_EMAIL,
    SYSTEM_ID,
    AccessToken,
    DeviceSignIn,
    Invitation,
    Role,
    RoleGrant,
    Session,
    User,
    UserManager,
)

__all__ = [
    "EXCLUSIVE_ROLES",
    "ROLE_HELP",
    "SYSTEM_EMAIL",
    "SYSTEM_ID",
    "AccessToken",
    "DeviceSignIn",
    "Invitation",
    "Mail",
    "Notification",
    "Role",
    "RoleGrant",
    "Session",
    "User",
    "UserManager",
]
