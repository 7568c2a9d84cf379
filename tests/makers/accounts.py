"""People for tests: one valid person per call, with the roles that are named."""

from functools import cache
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.hashers import make_password

from accounts.models import Role, RoleGrant, User
from accounts.services import guests

PASSWORD = "correct horse battery staple"
_numbers = count(1)


def user(*roles: Role | str, **fields: Any) -> User:
    """Create an active person with `roles`. Without `password` they cannot sign in by form, only by force_login."""
    number = next(_numbers)
    fields = {"email": f"person{number}@weir.example", "name": f"Person {number}", **fields}
    if "state" in fields:
        fields.setdefault("is_active", fields["state"] == User.State.ACTIVE)
    password = fields.pop("password", None)
    made = User.objects.create_user(**fields)
    if password is not None:
        made.password = _hashed(password, tuple(settings.PASSWORD_HASHERS))
        made.save(update_fields=["password"])
    system = User.objects.system()
    for role in roles:
        RoleGrant.objects.create(user=made, role=Role(role), granted_by=system, reason="A test's cast.")
    return made


@cache
def _hashed(password: str, hashers: tuple[str, ...]) -> str:
    """Hash each password once: it takes 0.4 s."""
    return make_password(password)


def admin(**fields: Any) -> User:
    return user(Role.ADMIN, **{"name": "Ada Admin", **fields})


def owner(**fields: Any) -> User:
    return user(Role.OWNER, **{"name": "Olu Owner", **fields})


def scientist(**fields: Any) -> User:
    return user(Role.SCIENTIST, **{"name": "Sina Scientist", **fields})


def auditor(**fields: Any) -> User:
    return user(Role.AUDITOR, **{"name": "Umi Auditor", **fields})


def guest(home: UUID | None = None, **told: str) -> User:
    """Admit a guest of this portal, or of one that nobody here knows."""
    number = next(_numbers)
    fields = {
        "home_name": "b.example",
        "remote_id": f"person-{number:012}",
        "name": "Gala Guest",
        "told_email": "gala@b.example",
        "affiliation": "University of B",
        **told,
    }
    return guests.admit(by=admin(), home=home or uuid4(), **fields)
