"""The inbox: what is waiting for a person across all apps, each kind in one bounded query."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, TextField, Window
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce
from django.urls import reverse

from accounts.models import Role, RoleGrant, User
from audit.models import Entry
from datasets.models import AccessRequest, Dataset
from network import queries as network
from network.models import Admission, Peer
from privacy import queries as answers
from requests_app.models import CodeRequest, Release, Run
from requests_app.workflow import Side
from studies import queries as studies
from studies.notifications import page

SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """One item that is waiting for this person."""

    kind: str
    title: str
    dataset: str
    who: str
    url: str
    since: datetime
    turn: str
    ids: dict[str, UUID]
    """The ids of what it is about: its dataset, and what there is to decide on or to read."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """What is waiting for one person: the oldest items of each source, oldest first, and the total of each kind."""

    items: list[InboxItem]
    totals: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.totals.values())

    def __iter__(self) -> Iterator[InboxItem]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def inbox(user: User) -> Inbox:
    """Return everything that is waiting for this person, over all datasets."""
    items: list[InboxItem] = []
    totals: Counter[str] = Counter()
    for source in _sources(user):
        for item, total in source(user):
            items.append(item)
            totals[item.kind] = max(totals[item.kind], total)
    return Inbox(sorted(items, key=lambda item: item.since), dict(totals))


Found = Iterator[tuple[InboxItem, int]]


def _sources(user: User) -> list[Callable[[User], Found]]:
    """Return the sources that may hold something for this person: one query saves running the others."""
    concerns = User.objects.filter(pk=user.pk).annotate(
        decides=Exists(_my_datasets(user)),
        writes=Exists(CodeRequest.objects.written_by(user).order_by()),
        admits=Exists(RoleGrant.objects.filter(user=user, role=Role.ADMIN)),
        owns=Exists(RoleGrant.objects.filter(user=user, role=Role.OWNER)),
        asks=Exists(studies.unseen(user)),
    )
    sources = ("decides", "writes", "admits", "owns", "asks")
    decides, writes, admits, owns, asks = concerns.values_list(*sources).get()
    return [
        *([_to_review, _to_check, _to_grant] if decides else []),
        _answers,
        *([_own_requests, _own_releases] if writes else []),
        *([_registrations, _portals, _guests] if admits else []),
        *([_studies] if owns else []),
        *([_joint_answers] if asks else []),
    ]


def _first(rows: "QuerySet[Any]", *by: str) -> Iterator[Any]:
    """Yield the first SHOWN rows, each with the total number of its kind."""
    parts = [F(name) for name in by] or None
    yield from rows.annotate(total=Window(Count("pk"), partition_by=parts))[:SHOWN]


def _my_datasets(user: User) -> "QuerySet[Dataset]":
    return Dataset.objects.reviewed_by(user).order_by()


def _to_review(user: User) -> Found:
    rows = CodeRequest.objects.to_review_by(user).select_related("dataset", "author")
    for item in _first(rows.order_by("state_changed_at")):
        url = reverse("requests:review", args=[item.latest_id])
        ids = {"version": item.latest_id}
        yield _item("review", item, url, item.state_changed_at, Side.REVIEWER, **ids), item.total


def _to_check(user: User) -> Found:
    rows = (
        Release.objects.filter(
            state__in=Release.OPEN,
            run__request__dataset__in=_my_datasets(user).values("pk"),
        )
        .exclude(author=user)
        .select_related("run__request__dataset", "run__request__author")
        .order_by("state_changed_at")
    )
    for release in _first(rows):
        url = reverse("requests:check", args=[release.pk])
        ids = {"run": release.run_id, "release": release.pk}
        item = _item("check", release.run.request, url, release.state_changed_at, Side.REVIEWER, **ids)
        yield item, release.total


def _to_grant(user: User) -> Found:
    decides = Dataset.objects.reviewed_by(user, decides_access=True).order_by().values("pk")
    rows = (
        AccessRequest.objects.filter(dataset__in=decides, state=AccessRequest.State.PENDING)
        .exclude(scientist=user)
        .select_related("dataset", "scientist")
        .order_by("created_at")
    )
    for wish in _first(rows):
        yield (
            InboxItem(
                kind="access",
                title=f"{wish.scientist} asks for access",
                dataset=wish.dataset.title,
                who=str(wish.scientist),
                url=reverse("datasets:access", args=[wish.pk]),
                since=wish.created_at,
                turn=Side.REVIEWER,
                ids={"dataset": wish.dataset_id, "access_request": wish.pk},
            ),
            wish.total,
        )


OWN = {
    CodeRequest.State.DRAFT: "draft",
    CodeRequest.State.CHANGES_REQUESTED: "changes",
    CodeRequest.State.APPROVED: "run",
    CodeRequest.State.EXPIRED: "expired",
}


def _own_requests(user: User) -> Found:
    """Yield drafts, requests that need changes, approvals without a successful or live run, and expired approvals."""
    used = (
        Run.objects.filter(Run.COUNTED, approval__version=OuterRef("latest"))
        .order_by()
        .values("approval")
        .annotate(n=Count("pk"))
        .values("n")
    )
    done = Run.objects.filter(approval__version=OuterRef("latest"), state__in=Run.LIVE_OR_SUCCEEDED)
    rows = (
        CodeRequest.objects.filter(author=user, state__in=OWN)
        .annotate(used=Coalesce(Subquery(used), 0))
        .exclude(state=CodeRequest.State.APPROVED, used__gte=F("latest__approval__runs_allowed"))
        .exclude(Exists(done), state=CodeRequest.State.APPROVED)
        .select_related("dataset", "author")
        .order_by("state_changed_at")
    )
    for item in _first(rows, "state"):
        page = "edit" if item.state == CodeRequest.State.DRAFT else "detail"
        url = reverse(f"requests:{page}", args=[item.pk])
        kind = OWN[CodeRequest.State(item.state)]
        yield _item(kind, item, url, item.state_changed_at, Side.AUTHOR), item.total


def _own_releases(user: User) -> Found:
    """Yield outputs of the latest version that need changes, and releases that the author has not downloaded yet."""
    sent_back = Q(state=Release.State.CHANGES_REQUESTED, run__version=F("run__request__latest"))
    opened = (
        Entry.objects.filter(action="output.download", actor_id=str(user.pk))
        .annotate(release=KT("detail__release"))
        .filter(release=Cast(OuterRef("pk"), TextField()))
    )
    rows = (
        Release.objects.filter(sent_back | (Q(state=Release.State.RELEASED) & ~Exists(opened)), author=user)
        .select_related("run__request__dataset", "run__request__author")
        .order_by("state_changed_at")
    )
    for release in _first(rows, "state"):
        url = reverse("requests:run", args=[release.run_id])
        kind = "released" if release.state == Release.State.RELEASED else "output_changes"
        ids = {"run": release.run_id, "release": release.pk}
        item = _item(kind, release.run.request, url, release.state_changed_at, Side.AUTHOR, **ids)
        yield item, release.total


def _answers(user: User) -> Found:
    """Yield, from the automatic lane, budgets to decide on and answers that have not been opened yet."""
    waiting = answers.waiting_for(user)
    totals = Counter(each.kind for each in waiting)
    for each in waiting:
        turn = Side.REVIEWER if each.kind == "top_up" else Side.AUTHOR
        item = InboxItem(
            kind=each.kind,
            title=each.title,
            dataset=each.dataset,
            who=each.who,
            url=each.url,
            since=each.since,
            turn=turn,
            ids={"dataset": each.dataset_id, each.kind: each.pk},
        )
        yield item, totals[each.kind]


def _registrations(user: User) -> Found:
    """Yield, for admins, people who ask for an account."""
    rows = User.objects.filter(state=User.State.PENDING).order_by("created_at")
    for person in _first(rows):
        yield (
            InboxItem(
                kind="registration",
                title=f"{person} asks for an account",
                dataset="",
                who=person.email,
                url=reverse("accounts:registrations"),
                since=person.created_at,
                turn="an admin",
                ids={"person": person.pk},
            ),
            person.total,
        )


def _portals(user: User) -> Found:
    """Yield, for admins, the other portals that wait for a decision."""
    for peer in _first(network.waiting_for_an_admin()):
        yield (
            InboxItem(
                kind="portal",
                title=_wish_of(peer),
                dataset="",
                who=str(peer),
                url=reverse("network:peer", args=[peer.pk]),
                since=peer.recovered_at or peer.created_at,
                turn="an admin",
                ids={"portal": peer.pk},
            ),
            peer.total,
        )


def _guests(user: User) -> Found:
    """Yield, for admins, the people of other portals who ask for access."""
    for item in _first(Admission.objects.waiting().select_related("peer", "dataset").order_by("created_at")):
        yield (
            InboxItem(
                kind="guest",
                title=f"{item.name}, of {item.peer}, asks for access",
                dataset=str(item.dataset),
                who=str(item.peer),
                url=reverse("network:guests"),
                since=item.created_at,
                turn="an admin",
                ids={"portal": item.peer_id},
            ),
            item.total,
        )


def _studies(user: User) -> Found:
    """Yield, for owners, the studies to which other portals invite this one."""
    for study in _first(studies.invitations()):
        yield (
            InboxItem(
                kind="study",
                title=f"{study.founder} invites this portal to “{study.title}”",
                dataset="",
                who=str(study.founder),
                url=page(study),
                since=study.created_at,
                turn="an owner",
                ids={"study": study.pk},
            ),
            study.total,
        )


def _joint_answers(user: User) -> Found:
    """Yield a scientist's joint answers that they have not opened yet."""
    for answer in _first(studies.unseen(user)):
        yield (
            InboxItem(
                kind="joint_answer",
                title=studies.question_of(answer),
                dataset="",
                who="",
                url=reverse("studies:answer", args=[answer.pk]),
                since=answer.ended_at or answer.created_at,
                turn=Side.AUTHOR,
                ids={"joint_answer": answer.pk},
            ),
            answer.total,
        )


def _wish_of(peer: Peer) -> str:
    if peer.state == Peer.State.WAITING:
        return f"{peer} introduces itself"
    if peer.recovered_at:
        return f"{peer} replaced its keys: compare the fingerprint again"
    return f"{peer} asks for another name or address"


def _item(kind: str, item: CodeRequest, url: str, since: datetime, turn: str, **ids: UUID) -> InboxItem:
    return InboxItem(
        kind=kind,
        title=item.title or "Untitled",
        dataset=item.dataset.title,
        who=str(item.author),
        url=url,
        since=since,
        turn=turn,
        ids={"dataset": item.dataset_id, "request": item.pk, **ids},
    )
