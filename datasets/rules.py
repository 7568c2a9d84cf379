"""Who may do what with a dataset. A rule returns why not, or None."""

from accounts.models import User
from common.access import all_of
from datasets.models import AccessRequest, Dataset


def is_active(user: User, item: object) -> str | None:
    return None if user.is_active else "This account is not active."


def may_create(user: User, item: object = None) -> str | None:
    return None if user.is_owner else "Only data owners publish datasets. Ask an admin for the role."


def is_dataset_owner(user: User, dataset: Dataset) -> str | None:
    return None if user == dataset.owner else "Only the owner of this dataset can do this."


def is_reviewer(user: User, dataset: Dataset) -> str | None:
    """The owner, or somebody the owner has given a reviewer's seat."""
    if user == dataset.owner or dataset.reviewers.filter(user=user).exists():
        return None
    return "Only the owner and the reviewers of this dataset can do this."


def is_not_retired(user: User, dataset: Dataset) -> str | None:
    retired = dataset.state == Dataset.State.RETIRED
    return "This dataset is retired: nothing new can begin on it." if retired else None


def is_in_use(user: User, dataset: Dataset) -> str | None:
    """Published: neither a draft, frozen nor retired."""
    match dataset.state:
        case Dataset.State.PUBLISHED:
            return None
        case Dataset.State.FROZEN:
            return "This dataset is frozen. Work goes on when its owner lifts the freeze."
        case Dataset.State.RETIRED:
            return "This dataset is retired: nothing new can begin on it."
    return "This dataset is not published yet."


def may_freeze(user: User, dataset: Dataset) -> str | None:
    if user == dataset.owner or user.is_admin:
        return None
    return "Only the owner or an admin can freeze a dataset."


def may_decide_access(user: User, item: AccessRequest) -> str | None:
    if user == item.scientist:
        return "Somebody else has to decide on your request for access."
    if user == item.dataset.owner or item.dataset.reviewers.filter(user=user, decides_access=True).exists():
        return None
    return "Only the owner, or a reviewer trusted with it, decides on access."


def may_revoke_access(user: User, dataset: Dataset) -> str | None:
    return None if user == dataset.owner or user.is_admin else "Only the owner or an admin takes access away."


def is_scientist(user: User, item: object) -> str | None:
    return None if user.is_scientist else "Only data scientists can do this. Ask an admin for the role."


def has_access(user: User, dataset: Dataset) -> str | None:
    if dataset.grants.live().filter(user=user).exists():  # type: ignore[attr-defined]
        return None
    return "You have no access to this dataset yet. Ask its owner for it on the dataset's page."


def may_ask_for_access(user: User, dataset: Dataset) -> str | None:
    if user == dataset.owner:
        return "This is your own dataset."
    if has_access(user, dataset) is None:
        return "You have access already."
    if dataset.access_requests.filter(scientist=user, state=AccessRequest.State.PENDING).exists():
        return "Your request is waiting for a decision."
    return None


ask_for_access = all_of(is_active, is_scientist, is_in_use, may_ask_for_access)
may_use = all_of(is_active, is_scientist, is_in_use, has_access)
may_edit = all_of(is_active, is_dataset_owner)
may_prepare_revision = all_of(is_active, is_dataset_owner, is_not_retired)


def audited_dataset_ids(user: User) -> list[str]:
    """The datasets whose part of the audit log this person may read."""
    return [str(pk) for pk in Dataset.objects.filter(owner=user).values_list("pk", flat=True)]
