"""Studies for tests: founded here, with other portals that take part, each with a dataset of its own."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import uuid4

from django.conf import settings

from accounts.models import User
from datasets.models import Dataset
from network.models import Identity, Peer
from network.services import own
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from studies import documents, words
from studies.documents import StudyDocument
from studies.models import JointAnswer, Participation, Study
from studies.services import consents, members, participations, studies
from tests.makers import accounts, datasets, network, privacy

COLUMNS = ("year", "region", "wage")
WORDS = {
    "name": "wages-north",
    "title": "Wages in the north",
    "purpose": "How wages grow in three countries.",
}


def offered(**fields: Any) -> Dataset:
    """A published dataset with a promise, on a portal that is set up."""
    if Identity.objects.filter(kept_at=None).exists():
        own.keep_recovery_key(by=accounts.admin())
    elif not Identity.objects.exists():
        network.set_up()
    made = datasets.dataset(**fields)
    privacy.promise(made)
    made.refresh_from_db()
    return made


def study(
    *peers: Peer,
    dataset: Dataset | None = None,
    columns: Sequence[str] = COLUMNS,
    relies_on: Collection[str] = (),
    joined: bool = True,
    **changes: Any,
) -> Study:
    """A study founded here by the owner of `dataset`, to which these peers are invited, and which they have joined.

    `changes`: name, title, purpose.
    """
    dataset = dataset or offered()
    parts: dict[str, Any] = {**WORDS, **changes, "portals": peers}
    document = studies.drafted(dataset, "wages", columns, **parts)
    text = consents.text_for(document, dataset, relies_on)
    made = studies.found(
        dataset, "wages", columns, by=dataset.owner, relies_on=relies_on, agreed_text=text, **parts
    )
    for peer in peers if joined else ():
        join(made, peer)
    return made


def join(study: Study, peer: Peer, *, number: int = 1, **changes: Any) -> None:
    """Have another portal tell that it takes part."""
    fields: dict[str, Any] = {
        "number": number,
        "state": words.JOINED,
        "dataset": uuid4(),
        "dataset_title": f"Wages of {peer}",
        "public_size": datasets.PEOPLE,
        **changes,
    }
    members.member_told(peer, study.pk, words.Word(**fields))


TABLE = TableSpec(
    name="pay",
    subject=documents.SUBJECT,
    max_rows=10,
    columns={
        "when": ColumnSpec(name="when", kind=Kind.INTEGER, lower=1990, upper=1995, nullable=False),
        "where": ColumnSpec(name="where", kind=Kind.CATEGORY, labels=("n", "s")),
        "pay": ColumnSpec(name="pay", kind=Kind.NUMBER, lower=0, upper=60, decimals=1, unit="kEUR"),
    },
)
"""The table of a study that another portal has founded."""
MAPPING: dict[str, dict[str, Any]] = {
    "when": {"column": "year", "scale": "1.0", "offset": "0.0"},
    "where": {"column": "region", "labels": {"north": "n", "east": "s"}},
    "pay": {"column": "wage", "scale": "0.001", "offset": "0.0"},
}
"""How the table of `offered` becomes that table."""


def document(founder: Peer, *portals: str, **changes: Any) -> StudyDocument:
    """The document of a study that another portal has founded with these portals and this one."""
    parts: dict[str, Any] = {"id": uuid4(), "table": TABLE, **WORDS, **changes}
    urls = {founder.url, settings.BASE_URL, *portals}
    return documents.read_study(documents.write_study(founder=founder.url, portals=urls, **parts))


def invited(founder: Peer, *portals: str, **changes: Any) -> Study:
    """A study to which another portal invites this one."""
    given = document(founder, *portals, **changes)
    return studies.take_invitation(founder, given.id, given.text)


def take_part(
    study: Study, dataset: Dataset | None = None, *, relies_on: Collection[str] = ()
) -> Participation:
    """Join a study of another portal with a dataset of this one."""
    dataset = dataset or offered()
    text = consents.consent_text(study, dataset, relies_on)
    return participations.join(
        study, dataset, "wages", MAPPING, relies_on, by=dataset.owner, agreed_text=text
    )


RELEASED: dict[str, Any] = {
    "state": JointAnswer.State.RELEASED,
    "document_salt": "0" * 64,
    "result": {
        "by": [],
        "lines": [{"key": [], "figures": [{"name": "count", "value": 9.0, "half_width": 3.0}]}],
    },
}


def joint_answer(study: Study, by: User, **fields: Any) -> JointAnswer:
    """An answer that portals still work on, unless `fields` say otherwise."""
    return JointAnswer.objects.create(
        study=study,
        scientist=by,
        key=uuid4(),
        query={"table": "wages", "measure": {"kind": "count"}},
        query_sha256="0" * 64,
        share=2**30,
        plan="{}",
        plan_sha256=uuid4().hex * 2,
        expires_at=study.created_at,
        **fields,
    )
