"""What there is to call about: one portal with objects of every kind, in as many states as they have."""

from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
from django.apps import apps
from django.utils import timezone

from accounts import services as people
from accounts.models import User
from accounts.services import tokens
from datasets import services as datasets
from datasets.models import Dataset, Upload
from datasets.services import inspection
from network.models import Peer
from privacy import services as privacy
from privacy.engine.language.schema import ColumnSpec, Kind
from privacy.execution import lifecycle
from privacy.models import Answer
from requests_app import services as lane
from requests_app.models import Version
from tests import make
from tests.client import bridge
from tests.guards.pages import KINDS, NAMED_BY
from tests.makers import catalogues, studies
from tests.makers import code as coded
from tests.makers import mocks as drawn
from tests.makers import network as connected
from tests.makers import privacy as shares
from tests.makers import requests as requests_

PEOPLE = 40
QUESTIONS = (
    "SELECT COUNT(DISTINCT person) FROM wages",
    "SELECT region, AVG(wage) FROM wages GROUP BY region",
    "SELECT MEDIAN(wage) FROM wages",
)

AGE = {"Entry": "at"}
"""What objects are ordered by, unless it is `created_at`."""


@dataclass(frozen=True)
class Scene:
    """The people by role, and the ids of all objects by the word before an id in an address; `hashes` of versions."""

    people: dict[str, User]
    ids: dict[str, list[str]]


def build(rows: pa.Table | None = None, *, answered: bool = True) -> Scene:
    """Build it through the services. No worker may be running: it would take the runs."""
    owner, scientist = make.owner(), make.scientist()
    cast = {"owner": owner, "scientist": scientist, "admin": make.admin(), "auditor": make.auditor()}
    data = _dataset(owner, bridge.arrow(seed=1, people=PEOPLE) if rows is None else rows)
    cast["reviewer"] = make.reviewer(data, decides_access=True).user
    make.grant(data, scientist)
    _lane(data, scientist)
    _budgets(data, scientist, answered=answered)
    _drafts(owner)
    catalogues.listing(data)
    catalogues.remote_dataset()
    make.access_request(make.dataset(owner=owner, discoverable=True), scientist)
    _people(cast)
    _study(data, scientist)
    return Scene(cast, ids_by_word())


def _dataset(owner: User, rows: pa.Table) -> Dataset:
    """A published dataset, of which the owner has seen what the file holds and how well the declarations fit."""
    data = make.dataset(
        owner=owner,
        name="wages",
        published=False,
        rows=rows,
        declared={each.name: _declared(each) for each in bridge.COLUMNS},
        policy={"held_downloads": True},
        terms="Be kind.",
        discoverable=True,
    )
    table = make.draft(data).tables.get()
    ends = pc.min_max(rows["wage"]).as_py()
    held = {
        "lowest": ends["min"],
        "highest": ends["max"],
        "distinct": pc.count_distinct(rows["wage"]).as_py(),
    }
    type(table).objects.filter(pk=table.pk).update(profile={"wage": {**held, "values": []}})
    inspection.check_fit(table, by=owner)
    datasets.publish(data, by=owner)
    data.refresh_from_db()
    return data


def _declared(column: ColumnSpec) -> dict[str, object]:
    """The declarations of a column of the client's random questions."""
    if column.kind == Kind.CATEGORY:
        return {"type": "category", "categories": list(column.labels), "confirmed": True}
    if column.kind == Kind.BOOLEAN:
        return {"confirmed": True}
    bounds = {"lower": column.lower, "upper": column.upper}
    return {**bounds, "decimals": column.decimals, "confirmed": True, "nullable": column.nullable}


def _lane(data, scientist) -> None:
    for stage in requests_.STAGES:
        make.code_request(at=stage, dataset=data, author=scientist, title=f"Mean wage, {stage}")
    approved = make.code_request(at="approved", dataset=data, author=scientist)
    requests_.start(approved)
    requests_.trial(make.code_request(dataset=data, author=scientist, title="On mock data"))
    reviewed = make.code_request(at="in_review", dataset=data, author=scientist)
    lane.comment(requests_.version(reviewed), by=data.owner, text="Why the mean?", line=1)
    lane.comment(requests_.version(reviewed), by=scientist, text="To compare it with last year's.")


def _budgets(data, scientist, *, answered: bool) -> None:
    made = privacy.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=3
    )
    budget = privacy.give_budget(made, scientist, by=data.owner, epsilon=30)
    if answered:
        _answers(budget)
        drawn.shown(made)
    coded.found(budget)
    privacy.ask_top_up(budget, by=scientist, epsilon=35, reason="For a second report.")
    other = make.scientist()
    make.grant(data, other)
    privacy.give_budget(made, other, by=data.owner, epsilon=5)


def _answers(budget) -> None:
    for text in QUESTIONS:
        answer = shares.answer(budget, text, epsilon=0.5)
        lifecycle.compute(str(answer.pk))
    Answer.objects.update(visible_at=timezone.now() - timedelta(minutes=1))
    shares.answer(budget, "SELECT COUNT(*) FROM wages", epsilon=0.5)


def _drafts(owner) -> None:
    draft = make.dataset(owner=owner, published=False)
    for number, state in enumerate(Upload.State.values):
        Upload.objects.create(
            revision=make.draft(draft), user=owner, file_name=f"odd{number}.csv", size=10, state=state
        )
    make.next_revision(make.dataset(owner=owner, discoverable=True))


def _people(cast) -> None:
    lane.add_environment(by=cast["admin"], name="odd", requirements="odd==1.0")
    people.invite("odd@weir.example", by=cast["admin"], roles=["scientist"])
    for person in cast.values():
        tokens.make(by=person, name="another token", scopes=["read"])
    make.worker()
    connected.set_up(by=cast["admin"])
    connected.peer("active", by=cast["admin"])
    connected.peer("waiting", url="https://c.example.org")


def _study(data, scientist) -> None:
    """A study with a portal that does not answer, in which a joint answer waits for it."""
    study = studies.study(
        Peer.objects.active().earliest("created_at"), dataset=data, columns=("region", "wage")
    )
    studies.joint_answer(study, scientist)


def ids_by_word() -> dict[str, list[str]]:
    models = {model.__name__: model for model in apps.get_models()}
    rows = {
        word: models[kind]._default_manager.order_by(AGE.get(kind, "created_at"))
        for word, kind in KINDS.items()
    }
    found = {
        word: [str(pk) for pk in each.values_list(NAMED_BY.get(KINDS[word], "pk"), flat=True)]
        for word, each in rows.items()
    }
    return {**found, "hashes": list(Version.objects.values_list("sha256", flat=True))}
