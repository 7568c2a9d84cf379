"""Page queries of the audit log. Pages are cut by entry, not by offset, so the last one is as fast as the first."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from audit.actions import RECEIVED, Receiver
from audit.models import Checkpoint, Entry, Leaf

if TYPE_CHECKING:
    from accounts.models import User

PER_PAGE = 50
WORDS = 5


@dataclass(frozen=True, slots=True)
class Search:
    """The filters of a search; empty ones do not filter."""

    text: str = ""
    dataset: str = ""
    person: str = ""
    action: str = ""
    object: str = ""
    since: date | None = None
    until: date | None = None
    received: bool = False

    def shown(self) -> dict[str, str]:
        """Return the filters that are set, as text: for the address of the next page and the entry of an export."""
        parts = {
            "text": self.text,
            "dataset": self.dataset,
            "person": self.person,
            "action": self.action,
            "object": self.object,
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
            "received": "1" if self.received else "",
        }
        return {name: value for name, value in parts.items() if value}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the log, newest first, with the keys at which the older and the newer page begin."""

    entries: list[Entry]
    older: UUID | None = None
    newer: UUID | None = None
    people: dict[str, str] = field(default_factory=dict)

    def lines(self, reader: "User") -> list["Line"]:
        """The entries with what their rows in the list lead to and whom they name."""
        return [
            Line(each, page_of(each, reader), self._concerned(each), receiver_of(each, self.people))
            for each in self.entries
        ]

    def _concerned(self, entry: Entry) -> str:
        """Return the address of the person whom an entry concerns; "" if that is who acted."""
        return "" if entry.person_id == entry.actor_id else self.people.get(entry.person_id, "")


@dataclass(frozen=True, slots=True)
class Line:
    """An entry in a list."""

    entry: Entry
    url: str
    """The page of its object, or ""."""
    concerned: str
    """The address of the person whom it concerns, unless they did it themselves."""
    receiver: str
    """The address of the person who received something derived from the dataset."""


def readable(user: "User") -> QuerySet[Entry]:
    """Return the part of the log that this person may read: the scope of the queries below, found out once a page."""
    return Entry.objects.visible_to(user)


def provable(user: "User") -> QuerySet[Entry]:
    """Return the entries whose receipts this person may have: those of the whole log, or none."""
    return Entry.objects.all() if user.oversees else Entry.objects.none()


def place_of(entry: Entry) -> tuple[Leaf, Checkpoint] | None:
    """Return the leaf of an entry and the first checkpoint over it; None before it is signed."""
    leaf = Leaf.objects.filter(link__entry=entry).first()
    first = Checkpoint.objects.filter(size__gt=leaf.index).last() if leaf else None
    return (leaf, first) if leaf and first else None


def search(scope: QuerySet[Entry], wanted: Search) -> QuerySet[Entry]:
    """Return the matching entries of a part of the log, newest first."""
    return matching(scope, wanted).order_by("-id")


def matching(found: QuerySet[Entry], wanted: Search) -> QuerySet[Entry]:
    """Return the entries among `found` that match a search."""
    for word in wanted.text.split()[:WORDS]:
        found = found.filter(
            Q(object_label__icontains=word) | Q(action__icontains=word) | Q(actor__icontains=word)
        )
    if wanted.dataset:
        found = found.filter(dataset_id=wanted.dataset)
    if wanted.person:
        found = found.filter(_about(wanted.person))
    if wanted.action:
        found = found.filter(action__startswith=wanted.action)
    if wanted.object:
        found = found.filter(object_id=wanted.object)
    if wanted.received:
        found = found.filter(action__in=RECEIVED)
    return _between(found, wanted.since, wanted.until)


def page(scope: QuerySet[Entry], wanted: Search, *, before: UUID | None, after: UUID | None) -> Page:
    """Return one page of a search: the entries older than the key `before`, or newer than the key `after`."""
    found = search(scope, wanted)
    if after is not None:
        near = list(found.filter(id__gt=_id(scope, after)).order_by("id")[: PER_PAGE + 1])
        rows, more_newer, more_older = near[:PER_PAGE][::-1], len(near) > PER_PAGE, True
    else:
        near = list(
            (found.filter(id__lt=_id(scope, before)) if before is not None else found)[: PER_PAGE + 1]
        )
        rows, more_newer, more_older = near[:PER_PAGE], before is not None, len(near) > PER_PAGE
    return Page(
        entries=rows,
        older=rows[-1].key if rows and more_older else None,
        newer=rows[0].key if rows and more_newer else None,
        people=addresses({entry.person_id for entry in rows}),
    )


def _id(scope: QuerySet[Entry], key: UUID) -> QuerySet[Entry, int]:
    """Return a subquery for the id; it is empty for an entry outside the scope, so nothing matches."""
    return scope.filter(key=key).order_by().values_list("id", flat=True)


def about_person(user: "User", pk: UUID) -> QuerySet[Entry]:
    """Return what a person did and what concerned them."""
    return search(readable(user), Search(person=str(pk)))


def dataset_names(scope: QuerySet[Entry]) -> dict[str, str]:
    """Return {id: newest title} of the datasets in a part of the log."""
    found = scope.filter(object_type="dataset")
    newest = found.order_by("object_id", "-id").distinct("object_id").values_list("object_id", "object_label")
    return dict(sorted(newest, key=lambda pair: pair[1].lower()))


def addresses(ids: Iterable[str]) -> dict[str, str]:
    """Return {person's id: address}, taken from what each did last; people who never acted are missing."""
    acted = Entry.objects.filter(actor_id__in=[pk for pk in ids if pk]).order_by("actor_id", "-id")
    return dict(acted.distinct("actor_id").values_list("actor_id", "actor"))


def page_of(entry: Entry, reader: "User") -> str:
    """Return the address of the page that shows the object of an entry, or ""."""
    address: Callable[[Entry, User], str] = import_string(settings.AUDIT_LINKS)
    return address(entry, reader)


def receiver_of(entry: Entry, people: Mapping[str, str]) -> str:
    """Return the address of who received something by this entry; `people` are the addresses of those concerned."""
    match entry.receiver:
        case Receiver.ACTOR:
            return entry.who
        case Receiver.PERSON:
            return people.get(entry.person_id, "")
        case Receiver.NOBODY:
            return ""


def action_kinds(scope: QuerySet[Entry]) -> list[str]:
    """Return the kinds of action in a part of the log: request, run, release, user and so on."""
    found = scope.order_by("action")
    return sorted({action.split(".")[0] for action in found.values_list("action", flat=True).distinct()})


def _about(person: str) -> Q:
    """Match an id exactly, and anything else as a part of an address."""
    try:
        pk = str(UUID(person))
    except ValueError:
        return Q(actor__icontains=person)
    return Q(actor_id=pk) | Q(person_id=pk)


def _between(found: QuerySet[Entry], since: date | None, until: date | None) -> QuerySet[Entry]:
    """Filter by whole days in the reader's time zone, both included."""
    if since is not None:
        found = found.filter(at__gte=_midnight(since))
    if until is not None and until < date.max:
        found = found.filter(at__lt=_midnight(until + timedelta(days=1)))
    return found


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
