"""What others want done when data is taken out of use. Apps above register here; datasets calls."""

from collections.abc import Callable

from accounts.models import User
from datasets.models import Dataset, Revision

OnRevisionRetired = Callable[[Revision, User], None]
OnFrozen = Callable[[Dataset, User], None]
OnAccessEnded = Callable[[Dataset, User, User], None]

on_revision_retired: list[OnRevisionRetired] = []
on_frozen: list[OnFrozen] = []
on_access_ended: list[OnAccessEnded] = []


def register(*, revision_retired: OnRevisionRetired, frozen: OnFrozen, access_ended: OnAccessEnded) -> None:
    """Called once per app that has something live on datasets, from its AppConfig.ready()."""
    on_revision_retired.append(revision_retired)
    on_frozen.append(frozen)
    on_access_ended.append(access_ended)


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
