"""Who may do what with other portals. A rule returns the reason against it, or None."""

from accounts.models import User
from common.access import all_of
from datasets.models import Dataset
from datasets.rules import is_in_use, is_not_retired, may_edit

may_change_listing = all_of(may_edit, is_not_retired)
"""Who says which other portals see a dataset: its owner alone."""


def is_shown(user: User, dataset: Dataset) -> str | None:
    """Why other portals do not see a dataset, whatever its owner has chosen: what `Listing.shown_to` leaves out."""
    if why := is_in_use(user, dataset):
        return why
    if dataset.current is None:
        return "It has no published revision at present."
    if not dataset.discoverable:
        return "Its description says that it is not listed for every data scientist."
    return None
