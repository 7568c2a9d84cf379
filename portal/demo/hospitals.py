"""Three hospitals for the demo of a network: each with its own people and its third of one health survey.

All three publish the same columns under the same names, so that a study over all of them can be set up.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from django.conf import settings

from datasets import services
from datasets.models import Dataset
from network.models import Identity, Listing
from network.services import listings, own
from portal.demo import answers, data, people
from portal.demo.people import Person

DATASET = "smokers"
PUBLIC_SIZE = 520
"""About how many people each hospital says that it has."""
RECOVERY_KEY = "recovery-key.txt"
WISH = {
    "purpose": "What giving up smoking does to weight, over three hospitals.",
    "outputs": "Group differences with their standard errors.",
}
"""What scientists ask for access for."""
TABLE = "health"
STUDY_NAME = "smokers"
"""Of the study over all three."""
JOINT_COLUMNS = (
    "sex",
    "race",
    "age",
    "school",
    "smokeintensity",
    "smokeyrs",
    "qsmk",
    "exercise",
    "wt71",
    "wt82",
    "death",
)


@dataclass(frozen=True, slots=True)
class Hospital:
    """One portal of the network demo. `part`: which third of the people it has."""

    name: str
    part: int
    admin: Person
    owner: Person
    scientist: Person
    others: tuple[Person, ...] = ()

    @property
    def people(self) -> tuple[Person, ...]:
        return (self.scientist, self.owner, self.admin, *self.others)


NADIA = Person("nadia", "Nadia Benali", ("admin",), "Admin", "West Hospital", "Africa/Tunis")
MAREK = Person("marek", "Marek Kowalski", ("admin",), "Admin", "South Hospital", "Europe/Warsaw")
OWNER = "Data owner"
HOSPITALS = {
    "north": Hospital(
        "North Hospital",
        0,
        admin=replace(people.AMARA, affiliation="North Hospital"),
        owner=replace(people.INGRID, role=OWNER, affiliation="North Hospital"),
        scientist=replace(people.MEI, affiliation="North Hospital"),
        others=(replace(people.JONAS, affiliation="North Hospital"),),
    ),
    "west": Hospital(
        "West Hospital",
        1,
        admin=NADIA,
        owner=replace(people.TOMAS, role=OWNER, affiliation="West Hospital"),
        scientist=replace(people.YUSUF, role="Data scientist", affiliation="West Hospital"),
    ),
    "south": Hospital(
        "South Hospital",
        2,
        admin=MAREK,
        owner=replace(people.PRIYA, roles=("owner",), role=OWNER, affiliation="South Hospital"),
        scientist=replace(
            people.LEILA, roles=("scientist",), role="Data scientist", affiliation="South Hospital"
        ),
    ),
}
"""By the name of its folder."""


def play(hospital: Hospital) -> None:
    """Create everything of one hospital that is still missing; it knows no other yet."""
    people.admit(hospital.admin, (one for one in hospital.people if one != hospital.admin))
    set_up_identity(hospital)
    dataset = publish(hospital)
    owner, scientist = people.find(hospital.owner), people.find(hospital.scientist)
    promise = answers.promised(
        dataset, epsilon=6.0, public_size=PUBLIC_SIZE, constants=["sex", "race"], scientists=3
    )
    data.give_access(dataset, hospital.scientist, **WISH)
    answers.budgeted(promise, scientist)
    listings.change(dataset, by=owner, audience=Listing.Audience.EVERY)


def set_up_identity(hospital: Hospital) -> None:
    """Make the portal's keys. The recovery key is kept in a file of the state folder, which a real admin prints."""
    if Identity.objects.filter(kept_at__isnull=False).exists():
        return
    admin = people.find(hospital.admin)
    path = Path(settings.STATE) / RECOVERY_KEY
    path.touch(mode=0o600)
    path.write_text(own.set_up(hospital.name, by=admin) + "\n")
    own.keep_recovery_key(by=admin)


def publish(hospital: Hospital) -> Dataset:
    """Return the hospital's dataset; publish its part of the survey if that has not been done."""
    owner = people.find(hospital.owner)
    dataset = data.begun(
        owner,
        DATASET,
        f"Smokers of {hospital.name}, 1971–1982",
        summary="Smokers examined in 1971 and again in 1982: smoking, weight, exercise, survival.",
        description="A third of the people of the *NHANES I Epidemiologic Follow-up Study*, which this demo divides "
        "between three hospitals. One row a person.",
        source=hospital.name,
    )
    if dataset.current is None:
        rows = third(hospital.part)
        data.publish(dataset, "health.csv", rows, data.HEALTH, by=owner, text="One row a person.")
        services.set_policy(dataset, by=owner, max_runs=3, wall_seconds=600)
    return dataset


def third(part: int) -> pd.DataFrame:
    """Return one of three parts (0, 1, 2) of the health survey: each person is in exactly one."""
    rows = data.health_rows()
    return rows[rows["person"].rank(method="dense").astype(int) % 3 == part]
