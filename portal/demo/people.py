"""The demo's people. Their password is public: it works in the demo only, which serves this machine only."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from accounts import services
from accounts.models import Invitation, User

PASSWORD = "measured-answers-only"  # noqa: S105 -- public, for the demo
FILE = "demo.json"


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the demo, with the role that the sign-in page shows."""

    key: str
    name: str
    roles: tuple[str, ...]
    role: str
    affiliation: str
    time_zone: str = "UTC"

    @property
    def email(self) -> str:
        return f"{self.key}@{settings.DEMO_DOMAIN}"


AMARA = Person("amara", "Amara Okafor", ("admin",), "Admin", "Weir operations", "Africa/Lagos")
INGRID = Person(
    "ingrid", "Ingrid Solberg", ("owner",), "Owner of the wage panel", "Panel Office", "Europe/Oslo"
)
TOMAS = Person(
    "tomas", "Tomás Herrera", ("owner",), "Owner of the health survey", "Health Institute", "America/Bogota"
)
PRIYA = Person("priya", "Priya Raman", (), "Reviewer of the wage panel", "Panel Office", "Asia/Kolkata")
MEI = Person("mei", "Mei-Ling Chen", ("scientist",), "Data scientist", "University of Taipei", "Asia/Taipei")
YUSUF = Person(
    "yusuf", "Yusuf Demir", ("scientist",), "Data scientist, new here", "Labour Lab", "Europe/Istanbul"
)
JONAS = Person("jonas", "Jonas Weber", ("auditor",), "Auditor", "Data Protection Office", "Europe/Berlin")
SHOWN = (MEI, INGRID, PRIYA, TOMAS, YUSUF, AMARA, JONAS)

VIKTOR = Person("viktor", "Viktor Novák", ("scientist",), "Suspended", "Formerly Labour Lab", "Europe/Prague")
LEILA = Person("leila", "Leila Haddad", (), "Waiting for approval", "Institute of Nutrition", "Asia/Beirut")


def shown() -> list[dict[str, str]]:
    """Return the people that the sign-in page offers, with their passwords; none outside the demo."""
    return listed() if settings.DEMO else []


def listed() -> list[dict[str, str]]:
    """Return the people of the finished demo; none if it is not finished, or there is none."""
    path = Path(settings.STATE) / FILE
    found: list[dict[str, str]] = json.loads(path.read_text()) if path.is_file() else []
    return found


def write_file(shown: Iterable[Person] = SHOWN) -> None:
    """Write the file from which the sign-in page and the console list people: the demo is finished."""
    people = [{"name": one.name, "role": one.role, "email": one.email, "password": PASSWORD} for one in shown]
    path = Path(settings.STATE) / FILE
    path.write_text(json.dumps(people, ensure_ascii=False, indent=1))
    path.chmod(0o600)


def find(one: Person) -> User:
    return User.objects.get(email=one.email)


def known(one: Person) -> bool:
    return User.objects.filter(email=one.email).exists()


def admit(admin: Person, others: Iterable[Person]) -> None:
    """Create the missing people: the first admin by the console's link, the others by invitation."""
    if not known(admin):
        _accept(services.first_admin_link(), admin)
    by = find(admin)
    for one in others:
        if not known(one):
            _, link = services.invite(one.email, by=by, roles=one.roles)
            _accept(link, one)


def make() -> None:
    """Create the missing people, one of whom waits for approval."""
    admit(AMARA, (INGRID, TOMAS, PRIYA, MEI, YUSUF, JONAS, VIKTOR))
    if not known(LEILA):
        services.ask_for_account(
            LEILA.email,
            name=LEILA.name,
            password=PASSWORD,
            affiliation=LEILA.affiliation,
            note="I study how giving up smoking changes weight, and would like to use the health survey. "
            "Tomás Herrera knows my work.",
            time_zone=LEILA.time_zone,
        )


def suspend_viktor() -> None:
    viktor = find(VIKTOR)
    if viktor.is_active:
        services.suspend(viktor, by=find(AMARA), reason="Left the Labour Lab, so no longer needs an account.")


def leave_an_invitation_open() -> None:
    """Create an invitation that nobody accepts."""
    address = f"noor@{settings.DEMO_DOMAIN}"
    if not Invitation.objects.filter(email=address).exists():
        services.invite(address, by=find(AMARA), roles=["scientist"])


def _accept(link: str, one: Person) -> None:
    secret = urlsplit(link).path.rstrip("/").rpartition("/")[2]
    user = services.accept(secret, email=one.email, name=one.name, password=PASSWORD, time_zone=one.time_zone)
    services.update_profile(user, by=user, affiliation=one.affiliation)
