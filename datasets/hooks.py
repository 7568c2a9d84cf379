"""Hooks for the apps above: datasets calls what they register when data is taken out of use or published."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import User
from datasets.models import Dataset, Revision

OnRevisionRetired = Callable[[Revision, User], None]
OnFrozen = Callable[[Dataset, User], None]
OnAccessEnded = Callable[[Dataset, User, User], None]
Objections = Callable[[Revision], list[str]]

on_revision_retired: list[OnRevisionRetired] = []
on_frozen: list[OnFrozen] = []
on_access_ended: list[OnAccessEnded] = []
to_publishing: list[Objections] = []


def register(*, revision_retired: OnRevisionRetired, frozen: OnFrozen, access_ended: OnAccessEnded) -> None:
    """Register what ends an app's work on data that is taken out of use. Call once, from AppConfig.ready()."""
    on_revision_retired.append(revision_retired)
    on_frozen.append(frozen)
    on_access_ended.append(access_ended)


def register_objections(objections: Objections) -> None:
    """Register what can keep a revision from being published. Call once per app, from AppConfig.ready()."""
    to_publishing.append(objections)


def objections_to_publishing(revision: Revision) -> list[str]:
    """Return the reasons of all apps against publishing a draft revision."""
    return [why for objections in to_publishing for why in objections(revision)]


AnsweringAutomatically = Callable[[], QuerySet[Any, Any]]

automatic: list[AnsweringAutomatically] = []


def register_automatic(ids: AnsweringAutomatically) -> None:
    """Register which datasets an app answers questions about by itself. Call once, from AppConfig.ready()."""
    automatic.append(ids)


def answering_automatically() -> list[UUID]:
    """Return the ids of the datasets about which questions are answered automatically."""
    return [pk for ids in automatic for pk in ids()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What an owner is shown before a revision is published, and has to agree to if `asks`."""

    words: str
    asks: bool


Remarks = Callable[[Revision], list[Remark]]
OnPublishing = Callable[[Revision, User, bool], None]

remarks: list[Remarks] = []
on_publishing: list[OnPublishing] = []


def register_publishing(*, remark: Remarks, publishing: OnPublishing) -> None:
    """Register an app that reads the rows of a revision before it is published. Call once, from AppConfig.ready().

    `publishing(revision, by, agreed)` is called in the transaction that publishes. It raises Refused if the owner has
    to agree first.
    """
    remarks.append(remark)
    on_publishing.append(publishing)


def remarks_on_publishing(revision: Revision) -> list[Remark]:
    """Return the remarks of all apps for the owner of a draft revision."""
    return [each for remark in remarks for each in remark(revision)]


def publishing(revision: Revision, *, by: User, agreed: bool) -> None:
    """Call every app's `publishing`; has to be called in the transaction that publishes the revision."""
    for act in on_publishing:
        act(revision, by, agreed)


def revision_retired(revision: Revision, *, by: User) -> None:
    """Call every app's `revision_retired`; has to be called in the transaction that retires the revision."""
    for act in on_revision_retired:
        act(revision, by)


def frozen(dataset: Dataset, *, by: User) -> None:
    """Call every app's `frozen`; has to be called in the transaction that freezes or retires the dataset."""
    for act in on_frozen:
        act(dataset, by)


def access_ended(dataset: Dataset, person: User, *, by: User) -> None:
    """Call every app's `access_ended`; has to be called in the transaction that revokes the access."""
    for act in on_access_ended:
        act(dataset, person, by)
