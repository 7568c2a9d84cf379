"""What others want done when data is taken out of use, or considered before it is published. Apps above register
here; datasets calls."""

from collections.abc import Callable
from dataclasses import dataclass

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
    """Called once per app that has something live on datasets, from its AppConfig.ready()."""
    on_revision_retired.append(revision_retired)
    on_frozen.append(frozen)
    on_access_ended.append(access_ended)


def object_to_publishing(objections: Objections) -> None:
    """Called once per app that has a say in it, from its AppConfig.ready(): what keeps a revision from being
    published."""
    to_publishing.append(objections)


def objections_to_publishing(revision: Revision) -> list[str]:
    """Everything that keeps a revision in preparation from being published, as apps above see it."""
    return [why for objections in to_publishing for why in objections(revision)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What an owner is told before a revision is published; what they have to agree to, where `asks`."""

    words: str
    asks: bool


Remarks = Callable[[Revision], list[Remark]]
OnPublishing = Callable[[Revision, User, bool], None]

remarks: list[Remarks] = []
on_publishing: list[OnPublishing] = []


def look_at_publishing(*, remark: Remarks, publishing: OnPublishing) -> None:
    """Called once per app that looks at the rows of a revision before they are published. `publishing(revision, by,
    agreed)` does what has to be done with it, in the transaction that publishes, and raises Refused where the owner has
    to agree first."""
    remarks.append(remark)
    on_publishing.append(publishing)


def remarks_on_publishing(revision: Revision) -> list[Remark]:
    """What the owner of a revision in preparation should know, as apps above see it."""
    return [each for look in remarks for each in look(revision)]


def publishing(revision: Revision, *, by: User, agreed: bool) -> None:
    """A revision is about to be published: call in the transaction that does it."""
    for act in on_publishing:
        act(revision, by, agreed)


def revision_retired(revision: Revision, *, by: User) -> None:
    """A revision was retired or replaced: call in the transaction that does it."""
    for act in on_revision_retired:
        act(revision, by)


def frozen(dataset: Dataset, *, by: User) -> None:
    """A dataset was frozen or retired: call in the transaction that does it."""
    for act in on_frozen:
        act(dataset, by)


def access_ended(dataset: Dataset, person: User, *, by: User) -> None:
    """Somebody's access was taken away: call in the transaction that does it."""
    for act in on_access_ended:
        act(dataset, person, by)
