"""Page queries about datasets, each in a bounded number of SQL queries."""

from collections.abc import Collection
from uuid import UUID

from accounts.models import User
from common.errors import Conflict
from datasets.models import AccessRequest, Dataset, Revision, SampledMock

MOST_TITLES = 300


def titles(user: User, ids: Collection[UUID] | None = None) -> dict[str, str]:
    """Return {id: title} of the first datasets that this person may see, or of those among `ids`."""
    found = Dataset.objects.visible_to(user)
    if ids is not None:
        found = found.filter(pk__in=ids)
    rows = found.order_by("title", "pk").values_list("pk", "title")
    return {str(pk): title for pk, title in rows[:MOST_TITLES]}


def waiting_access(dataset: Dataset) -> int:
    """Return how many requests for access are waiting for a decision."""
    return dataset.access_requests.filter(state=AccessRequest.State.PENDING).count()


def current_revision(dataset: Dataset) -> Revision:
    """Return the published revision, which new work is bound to. Raises Conflict if there is none."""
    revision = dataset.current
    if revision is None:
        raise Conflict("This dataset has no published revision. Its owner has to publish one first.")
    return revision


def sampled_mocks(revision: Revision) -> dict[str, SampledMock]:
    """Return the sampled mocks that stand in place of declared ones now, by table."""
    rows = SampledMock.objects.filter(table__revision=revision, ended_at=None)
    return {mock.table.name: mock for mock in rows.select_related("table")}
