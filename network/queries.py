"""Page queries about other portals, each in a bounded number of SQL queries."""

from datasets.models import Dataset
from network.models import Listing


def listing_of(dataset: Dataset) -> Listing:
    """Return who of the other portals sees a dataset; a listing that is not stored, if its owner never said."""
    return Listing.objects.filter(dataset=dataset).first() or Listing(dataset=dataset)
