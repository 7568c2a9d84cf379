"""Studies: founded by an owner of this portal or of another one, and ended by whoever founded them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.http import Http404
from django.utils import timezone

from accounts.models import User
from audit import log
from common import live, rows
from common.access import require
from common.errors import Conflict, Refused
from common.reasons import reason as written_reason
from datasets.models import Dataset
from network.models import Peer
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from studies import documents, mapping, notifications, queries, rules
from studies.documents import StudyDocument
from studies.models import Member, Participation, Study
from studies.services import consents, members

MOST_OPEN = 50
"""Open invitations of one portal."""


def drafted(  # noqa: PLR0913 -- the parts of a study
    dataset: Dataset,
    table: str,
    columns: Collection[str],
    *,
    name: str,
    title: str,
    purpose: str,
    portals: Sequence[Peer],
    id: UUID | None = None,  # noqa: A002 -- its name in the document
) -> StudyDocument:
    """Return the document of a study that would be founded so, out of columns of a dataset's table.

    Raises Refused, in words, for columns that studies do not have, and for portals that are not active.
    """
    if any(peer.state != Peer.State.ACTIVE for peer in portals):
        raise Refused("One of these portals is not connected at present. Choose others.")
    own = queries.table_of(dataset, table)
    try:
        text = documents.write_study(
            id=id or uuid4(),
            name=name.strip(),
            title=" ".join(title.split()),
            purpose=purpose.replace("\r\n", "\n").strip(),
            founder=settings.BASE_URL,
            portals={settings.BASE_URL, *(peer.url for peer in portals)},
            table=_public_table(own, columns),
        )
    except ValueError as bad:
        raise Refused(str(bad)) from bad
    return documents.read_study(text)


@transaction.atomic
def found(  # noqa: PLR0913 -- the parts of a study
    dataset: Dataset,
    table: str,
    columns: Collection[str],
    *,
    by: User,
    name: str,
    title: str,
    purpose: str,
    portals: Sequence[Peer],
    relies_on: Collection[str],
    agreed_text: str,
) -> Study:
    """Found a study with a dataset of one's own, which takes part from the beginning, and invite other portals.

    Raises Denied, Refused as `drafted` does, and Conflict if another study here has the name, or if the text agreed to
    is not that of `consents.text_for`.
    """
    dataset = rows.locked(dataset)
    require(rules.may_found, by, dataset)
    document = drafted(dataset, table, columns, name=name, title=title, purpose=purpose, portals=portals)
    counted = consents.checked(document, relies_on)
    text = consents.text_for(document, dataset, counted)
    consents.must_be_agreed(agreed_text, text)
    study = _stored(document, founded_by=by)
    made = Participation.objects.create(
        study=study,
        dataset=dataset,
        table=table,
        mapping=mapping.identity(document.table),
        relies_on=counted,
        consent=text,
        agreed_by=by,
    )
    members.say(study, Member.State.JOINED, made)
    log.record(
        "study.found", by=by, on=study, dataset_id=dataset.pk, sha256=study.sha256, relies_on=counted,
        portals=list(document.portals),
    )  # fmt: skip
    return study


@transaction.atomic
def end(study: Study, *, by: User, reason: str) -> Study:
    """End a study that was founded here. Nothing is asked in it any more, and the other portals are told."""
    study = rows.locked(study)
    require(rules.may_end, by, study)
    _end(study, by=by, reason=written_reason(reason))
    members.say(study, queries.own_member(study).state, queries.participation_of(study))
    return study


@transaction.atomic
def take_invitation(peer: Peer, pk: UUID, text: str) -> Study:
    """Store a study that another portal has founded and invites this one to. The same text again changes nothing.

    Raises Refused for a document that cannot be read or is not for this portal, and Conflict if the id or the name
    already belongs to another study.
    """
    peer = rows.locked(peer)
    document = _invitation(peer, pk, text)
    known = Study.objects.select_related("founder").filter(pk=document.id).first()
    if known is not None:
        if known.sha256 != document.sha256 or known.founder is None or known.founder.url != peer.url:
            raise Conflict(
                "This id already belongs to another study. What a study has agreed on does not change."
            )
        return known
    if queries.invitations().filter(founder=peer).count() >= MOST_OPEN:
        raise Refused(
            f"{MOST_OPEN} invitations of your portal wait for an owner of this one. Try again later."
        )
    study = _stored(document, founder=peer)
    system = User.objects.system_actor()
    log.record("study.arrive", by=system, on=study, portal=peer.url, sha256=study.sha256)
    notifications.invited(study)
    live.changed("study", study.pk)
    return study


@transaction.atomic
def end_told(peer: Peer, pk: UUID, reason: str) -> None:
    """Note that the portal that founded a study has ended it. Raises Http404 for a study that is not its own."""
    study = Study.objects.filter(pk=pk, founder__url=peer.url).first()
    if study is None:
        raise Http404
    study = rows.locked(study)
    if study.ended_at is None:
        _end(study, by=User.objects.system_actor(), reason=reason)


def _end(study: Study, *, by: User, reason: str) -> None:
    study.ended_at, study.end_reason = timezone.now(), reason
    study.save(update_fields=["ended_at", "end_reason"])
    taking_part = queries.participation_of(study)
    log.record(
        "study.end", by=by, on=study, reason=reason,
        dataset_id="" if taking_part is None else taking_part.dataset_id,
        portal=queries.founder_url(study),
    )  # fmt: skip
    notifications.ended(study, by=by)
    live.changed("study", study.pk)


def _invitation(peer: Peer, pk: UUID, text: str) -> StudyDocument:
    try:
        document = documents.read_study(text)
    except ValueError as bad:
        raise Refused(str(bad)) from bad
    if document.id != pk or document.founder != peer.url:
        raise Refused("A portal can invite to studies that it has founded itself, each under its own id.")
    if settings.BASE_URL not in document.portals:
        raise Refused("This portal is not one of the study's portals.")
    return document


def _stored(document: StudyDocument, *, founder: Peer | None = None, founded_by: User | None = None) -> Study:
    if Study.objects.filter(name=document.name).exists():
        raise Conflict(f"There is already a study with the name “{document.name}”. Choose another name.")
    study = Study.objects.create(
        pk=document.id,
        founder=founder,
        founded_by=founded_by,
        name=document.name,
        title=document.title,
        document=document.text,
        sha256=document.sha256,
    )
    peers = {peer.url: peer for peer in Peer.objects.known().filter(url__in=document.portals)}
    Member.objects.bulk_create(
        [Member(study=study, url=url, peer=peers.get(url)) for url in document.portals]
    )
    return study


def _public_table(own: TableSpec, columns: Collection[str]) -> TableSpec:
    """Return a study's table out of own columns: in their order, with their bounds, and none of them constant."""
    if unknown := sorted(set(columns) - set(own.columns)):
        raise Refused(f"The table has no column “{unknown[0][:100]}” that questions can read.")
    chosen = {name: _public_column(column) for name, column in own.columns.items() if name in set(columns)}
    return TableSpec(name=own.name, subject=documents.SUBJECT, columns=chosen, max_rows=own.max_rows)


def _public_column(column: ColumnSpec) -> ColumnSpec:
    decimals = column.lattice if column.kind == Kind.NUMBER else None
    return replace(column, constant=False, rows_per_value=None, decimals=decimals)
