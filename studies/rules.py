"""Who may do what with studies. A rule returns the reason for a refusal, or None."""

from accounts.models import User
from accounts.rules import is_active, is_free_for_duties, may_sign_in
from common.access import all_of
from common.errors import Refused
from datasets import rules as dataset_rules
from datasets.models import Dataset
from network.rules import identity_is_kept
from privacy import rules as privacy_rules
from studies import documents, mapping, queries
from studies.models import JointAnswer, Member, Participation, Study

CHANGED = (
    "The dataset has changed and no longer fits the study. Its owner has to publish a revision that fits."
)


def is_owner(user: User, item: object = None) -> str | None:
    return None if user.is_owner else "Only data owners decide about studies. Ask an admin for the role."


def has_promise(user: User, dataset: Dataset) -> str | None:
    if hasattr(dataset, "promise"):
        return None
    return "This dataset does not answer automatically. Make its promise first."


may_offer = all_of(
    is_active, dataset_rules.is_dataset_owner, dataset_rules.is_in_use, has_promise, identity_is_kept
)
"""Who may take part in a study with a dataset."""
may_found = may_offer


def is_open(user: User, study: Study) -> str | None:
    return None if study.ended_at is None else f"This study has ended. {study.end_reason}".strip()


def is_undecided(user: User, study: Study) -> str | None:
    match queries.own_state(study):
        case Member.State.INVITED:
            return None
        case None:
            return queries.MOVED
        case _:
            return "This invitation has already been decided."


def has_not_joined(user: User, study: Study) -> str | None:
    """An invitation that was declined can still be accepted; whoever has left would have other conditions."""
    match queries.own_state(study):
        case None:
            return queries.MOVED
        case Member.State.JOINED:
            return "This portal already takes part in this study."
        case Member.State.LEFT:
            return "This portal has left this study. To take part again, a new study has to be founded."
        case _:
            return None


def is_own_participation(user: User, study: Study) -> str | None:
    """The owner of the dataset with which this portal takes part."""
    found = queries.participation_of(study)
    if found is None:
        return "This portal does not take part in this study."
    return dataset_rules.may_edit(user, found.dataset)


def is_founder(user: User, study: Study) -> str | None:
    """The owner of the dataset with which a study was founded here, even if it takes part no more."""
    if study.founder_id is not None:
        return "Only the portal that founded this study can end it."
    return dataset_rules.may_edit(user, study.participation.dataset)


def has_enough_portals(user: User, study: Study) -> str | None:
    if queries.joined(study).count() >= documents.FEWEST_PORTALS:
        return None
    return "Nothing can be asked yet: at least two portals have to take part."


def may_join(user: User, study: Study, dataset: Dataset) -> str | None:
    """Who may take part in an open study with this dataset."""
    return is_open(user, study) or has_not_joined(user, study) or may_offer(user, dataset)


may_decide = all_of(is_active, is_free_for_duties, is_owner, is_open, has_not_joined)
"""Who may read an invitation's conditions and choose one of their datasets."""
may_decline = all_of(is_active, is_free_for_duties, is_owner, is_open, is_undecided)
may_leave = all_of(is_active, is_own_participation)
may_change_reliance = all_of(is_active, is_open, is_own_participation)
may_end = all_of(is_active, is_open, is_founder)
may_ask_in = all_of(may_sign_in, dataset_rules.is_scientist, is_open, has_enough_portals)
"""Who may ask joint questions from this portal. Whether each portal answers them is asked there (may_be_answered)."""


def may_be_answered(person: User | None, study: Study) -> str | None:
    """Why this portal does not answer a person's joint questions; they read it, at their own portal.

    `person`: None for somebody who is not a guest here.
    """
    found = queries.participation_of(study)
    if (why := _is_open(study)) or found is None:
        return why or "It does not take part in this study."
    if person is None:
        return f"You are not known there. Ask for access to “{found.dataset}” at that portal."
    if why := dataset_rules.may_use(person, found.dataset):
        return why
    budget = queries.budget_at(person, found)
    if budget is None:
        return "The owner has not given you a budget for this dataset yet."
    return privacy_rules.may_ask_jointly(person, budget) or still_fits(found)


def may_stop(user: User, answer: JointAnswer) -> str | None:
    """The scientist who asked, while it is open."""
    if user != answer.scientist:
        return "Only the scientist who asked can stop this."
    if answer.state not in JointAnswer.OPEN:
        return "This answer has already ended."
    return is_active(user)


def may_have_receipt(user: User, answer: JointAnswer) -> str | None:
    """Whoever may read a joint answer may have its receipt, which holds nothing else."""
    seen = JointAnswer.objects.visible_to(user).filter(pk=answer.pk).exists()
    return None if seen else "Only those who may read an answer can have its receipt."


def still_fits(participation: Participation) -> str | None:
    """Why a dataset's published revision no longer fits the study that it takes part in."""
    study = documents.read_study(participation.study.document).table
    try:
        mapping.check(participation.mapping, queries.own_table(participation), study)
    except Refused:
        return CHANGED
    return None


def _is_open(study: Study) -> str | None:
    return None if study.ended_at is None else "The study has ended there."
