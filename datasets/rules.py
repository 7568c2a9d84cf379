"""Who may do what with a dataset. A rule returns the reason against it, or None."""

from accounts.models import EXCLUSIVE_ROLES, User
from accounts.rules import is_active, is_free_for_duties
from common.access import all_of
from datasets import hooks
from datasets.declarations import schema
from datasets.models import AccessRequest, Dataset, Upload

RETIRED = "This dataset is retired. No new work can begin on it."
NO_DRAFT = "There is no draft revision. Begin one first."


def may_create(user: User, item: object = None) -> str | None:
    return None if user.is_owner else "Only data owners can publish datasets. Ask an admin for the role."


def is_dataset_owner(user: User, dataset: Dataset) -> str | None:
    """The owner, while they hold the role. An owner who has lost it, or now oversees, cannot act on the dataset."""
    if user != dataset.owner:
        return "Only the owner of this dataset can do this."
    if why := is_free_for_duties(user):
        return why
    return None if user.is_owner else "You are no longer a data owner. Ask an admin for the role."


def is_reviewer(user: User, dataset: Dataset) -> str | None:
    """The owner, or a reviewer whom the owner has added."""
    if user == dataset.owner:
        return is_dataset_owner(user, dataset)
    if dataset.reviewers.filter(user=user).exists():
        return is_free_for_duties(user)
    return "Only the owner and the reviewers of this dataset can do this."


def is_not_retired(user: User, dataset: Dataset) -> str | None:
    retired = dataset.state == Dataset.State.RETIRED
    return RETIRED if retired else None


def frozen_words(dataset: Dataset) -> str:
    who = "an admin" if dataset.frozen_by_admin else "its owner"
    return f"This dataset is frozen. Work can continue once {who} lifts the freeze."


def is_in_use(user: User, dataset: Dataset) -> str | None:
    """Whether the dataset is published: neither a draft, nor frozen, nor retired."""
    return {
        Dataset.State.PUBLISHED: None,
        Dataset.State.FROZEN: frozen_words(dataset),
        Dataset.State.RETIRED: RETIRED,
        Dataset.State.DRAFT: "This dataset is not published yet.",
    }[Dataset.State(dataset.state)]


def may_freeze(user: User, dataset: Dataset) -> str | None:
    if user.is_admin or is_dataset_owner(user, dataset) is None:
        return None
    return "Only the owner or an admin can freeze a dataset."


def may_lift_freeze(user: User, dataset: Dataset) -> str | None:
    """A freeze is lifted by the side that set it: an admin cannot reopen what the owner has closed."""
    if dataset.state != Dataset.State.FROZEN:
        return "This dataset is not frozen."
    if dataset.frozen_by_admin:
        return None if user.is_admin else "An admin froze this dataset. Only an admin can lift the freeze."
    return is_dataset_owner(user, dataset)


def has_no_draft(user: User, dataset: Dataset) -> str | None:
    if dataset.draft is None:
        return None
    return "There is a draft revision already. Publish or discard it first."


def gaps(dataset: Dataset) -> list[str]:
    """List what is still missing before the draft revision can be published."""
    revision = dataset.draft
    if revision is None:
        return [NO_DRAFT]
    tables = list(revision.tables.prefetch_related("columns"))
    missing = [] if tables else ["Add at least one table."]
    if revision.uploads.filter(state__in=[Upload.State.RECEIVING, Upload.State.READING]).exists():
        missing.append("A file is still being uploaded or read. Wait for it, or cancel it.")
    for table in tables:
        confirmed = [column.name for column in table.columns.all() if column.confirmed]
        missing += schema.gaps(table.declared, confirmed)
    if needed := too_few_reviewers(dataset, dataset.reviewers_needed):
        missing.append(needed)
    return missing + hooks.objections_to_publishing(revision)


def is_complete(user: User, dataset: Dataset) -> str | None:
    missing = gaps(dataset)
    if not missing:
        return None
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return f"Not ready yet: {missing[0]}{more}"


def too_few_reviewers(dataset: Dataset, needed: int) -> str | None:
    """Why there are fewer than `needed` reviewers, counting the owner."""
    have = len({dataset.owner_id, *dataset.reviewing_people().values_list("pk", flat=True)})
    if needed <= have:
        return None
    there = "is only 1" if have == 1 else f"are only {have}"
    return f"{needed} reviewers are needed, but there {there}, counting you. Add reviewers first."


def may_be_reviewer(user: User, dataset: Dataset) -> str | None:
    """Why this person cannot be added as a reviewer. (Reviewers see what runs on private data have written.)"""
    if user == dataset.owner:
        return "The owner is a reviewer already."
    if why := is_active(user):
        return why
    if user.oversees:
        return "Admins and auditors must not read data or results. Choose somebody else."
    if user.is_guest:
        return "A guest of another portal cannot review code or outputs. Choose somebody else."
    if dataset.reviewers.filter(user=user).exists():
        return "This person is a reviewer already."
    return None


def may_become_owner(user: User, dataset: Dataset) -> str | None:
    if user == dataset.owner:
        return "This person owns the dataset already."
    if why := is_active(user):
        return why
    if why := is_free_for_duties(user):
        return f"{why} Choose somebody else."
    return None if user.is_owner else "Only a data owner can take over a dataset."


def may_decide_access(user: User, item: AccessRequest) -> str | None:
    if user == item.scientist:
        return "Somebody else has to decide on your request for access."
    if user == item.dataset.owner:
        return is_dataset_owner(user, item.dataset)
    if item.dataset.reviewers.filter(user=user, decides_access=True).exists():
        return is_free_for_duties(user)
    return "Only the owner, and reviewers whom the owner trusts with it, can decide on access."


def may_get_access(user: User, dataset: Dataset) -> str | None:
    """Why this person cannot be given access any more; things may have changed since they asked."""
    if not user.takes_part:
        return "The account of the person who asked is no longer active. Decline the request."
    if not user.is_scientist:
        return "The person who asked is no longer a data scientist. Decline the request."
    return is_in_use(user, dataset)


def may_revoke_access(user: User, dataset: Dataset) -> str | None:
    if user.is_admin or is_dataset_owner(user, dataset) is None:
        return None
    return "Only the owner or an admin can revoke access."


def is_scientist(user: User, item: object) -> str | None:
    if why := is_free_for_duties(user):
        return why
    return None if user.is_scientist else "Only data scientists can do this. Ask an admin for the role."


def has_access(user: User, dataset: Dataset) -> str | None:
    if dataset.grants.live().filter(user=user).exists():
        return None
    return "You do not have access to this dataset. Ask for it on the dataset's page."


def has_not_asked(user: User, dataset: Dataset) -> str | None:
    if user == dataset.owner:
        return "This is your own dataset."
    if has_access(user, dataset) is None:
        return "You have access already."
    if dataset.access_requests.filter(scientist=user, state=AccessRequest.State.PENDING).exists():
        return "Your request is waiting for a decision."
    return None


may_ask_access = all_of(is_active, is_scientist, is_in_use, has_not_asked)
may_use = all_of(is_active, is_scientist, is_in_use, has_access)
may_edit = all_of(is_active, is_dataset_owner)
may_publish = all_of(is_active, is_dataset_owner, is_not_retired, is_complete)
may_begin_revision = all_of(is_active, is_dataset_owner, is_not_retired, has_no_draft)
may_sample_mock = all_of(is_active, is_dataset_owner, is_in_use)
may_retire = all_of(is_active, is_dataset_owner, is_not_retired)
may_prepare_revision = all_of(is_active, is_dataset_owner, is_not_retired)


def audited_dataset_ids(user: User) -> list[str]:
    """Return the ids of the datasets whose part of the audit log this person may read."""
    return [str(pk) for pk in Dataset.objects.owned_by(user).values_list("pk", flat=True)]


def keeps_duties_apart(person: User, role: str) -> str | None:
    """Why this person cannot be given a role that oversees others, while they decide on data or use it."""
    if role not in EXCLUSIVE_ROLES:
        return None
    if person.datasets.exclude(state=Dataset.State.RETIRED).exists():
        return f"{person} owns a dataset, which has to be transferred first."
    if person.reviewing.exists():
        return f"{person} reviews a dataset. Its owner has to remove them as a reviewer first."
    if person.grants.live().exists():
        return f"{person} has access to a dataset. Its owner or an admin has to revoke it first."
    if person.access_requests.pending().exists():
        return (
            f"{person} is asking for access to a dataset. The request has to be decided or withdrawn first."
        )
    return None
