"""Every way in which a person can stand in the database: what is a duty on data, and what is only on record."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import ForeignKey

from accounts.models import User
from datasets import services as datasets
from datasets.models import AccessRequest, Dataset, DatasetReviewer, Grant, Upload
from privacy import services as budgets
from privacy.models import Budget
from requests_app import services as lane
from requests_app.models import CodeRequest, Comment, Review, Run
from tests import make
from tests.makers import privacy as shares
from tests.makers import requests as requests_

OWN = "accounts', not on data"
DID = "names who did something, and gives nothing"
COPY = "a copy of what stands elsewhere, kept for a constraint"

RECORDS = {
    "account.EmailAddress.user": OWN,
    "mfa.Authenticator.user": OWN,
    "accounts.RoleGrant.user": "the roles themselves: those that exclude others are tested with them",
    "accounts.RoleGrant.granted_by": DID,
    "accounts.Invitation.invited_by": "an invitation lapses when its admin is one no more",
    "accounts.Invitation.accepted_by": DID,
    "accounts.Session.user": OWN,
    "accounts.AccessToken.owner": "allows a program what its owner may do at that moment, and nothing else",
    "accounts.DeviceSignIn.person": DID,
    "accounts.Notification.user": OWN,
    "network.Admission.decided_by": DID,
    "network.LogAlarm.seen_by": DID,
    "network.AskedElsewhere.user": "remembers what somebody asked for at another portal",
    "datasets.DatasetReviewer.granted_by": DID,
    "datasets.Terms.written_by": DID,
    "datasets.AccessRequest.decided_by": DID,
    "datasets.Grant.granted_by": DID,
    "datasets.Grant.revoked_by": DID,
    "datasets.Revision.made_by": DID,
    "datasets.SampledMock.by": DID,
    "requests_app.Review.author": COPY,
    "requests_app.Comment.resolved_by": DID,
    "requests_app.Approval.ended_by": DID,
    "requests_app.Run.cancelled_by": DID,
    "requests_app.Output.added_by": DID,
    "requests_app.Look.person": "remembers who looked at which part of a file",
    "requests_app.Release.author": COPY,
    "requests_app.Release.decided_by": DID,
    "requests_app.Release.recalled_by": DID,
    "requests_app.Pause.by": "admins hold up runs, and read nothing by it",
    "requests_app.Pause.ended_by": DID,
    "requests_app.CodeEnvironment.by": DID,
    "privacy.TopUp.decided_by": DID,
    "network.Peer.confirmed_by": DID,
    "network.Peer.suspended_by": DID,
    "studies.Study.founded_by": DID,
    "studies.Participation.agreed_by": DID,
    "studies.JointAnswer.scientist": "asks with budgets at each portal, and has no data without them",
}
"""Foreign keys to a person that give them nothing, each with the reason."""


@dataclass(frozen=True)
class Duty:
    """Something that a person has on data."""

    give: Callable[[User], object]
    """Try to give it to somebody, through the verb that gives it."""
    held: Callable[[], User]
    """Somebody who has it, as they came by it."""
    write: Callable[[User], object]
    """Write it into the database past every verb."""
    end: Callable[[User], object]
    """What lets its holder take up a role that oversees."""


def _dataset() -> Dataset:
    return make.dataset()


def _seat(person: User) -> DatasetReviewer:
    dataset = _dataset()
    return datasets.add_reviewer(dataset, by=dataset.owner, user=person)


def _transfer(person: User) -> Dataset:
    dataset = _dataset()
    return datasets.transfer(dataset, by=dataset.owner, to=person, reason="They know it better.")


def _grant_to(person: User) -> AccessRequest:
    """They had asked in time; the role came in between."""
    dataset = _dataset()
    wish = AccessRequest(dataset=dataset, scientist=person, purpose="To know.", outputs="Means.")
    past_triggers(wish)
    return datasets.decide_access(wish, by=dataset.owner, grant=True)


def past_triggers(item: Any) -> None:
    """A row as it would stand there had it been written before the person came to oversee."""
    field = next(name for name in ("scientist", "user", "author") if hasattr(item, f"{name}_id"))
    person = getattr(item, field)
    grants = list(person.role_grants.all())
    person.role_grants.all().delete()
    item.save()
    type(grants[0]).objects.bulk_create(grants)


def _budget_for(person: User) -> Budget:
    promise = shares.promise()
    return budgets.give_budget(promise, person, by=promise.dataset.owner, epsilon=0.5)


def _reviewer() -> User:
    dataset = _dataset()
    person = make.reviewer(dataset).user
    make.code_request(at="approved", dataset=dataset, reviewer=person)
    return person


def _commentator() -> User:
    dataset = _dataset()
    person = make.reviewer(dataset).user
    lane.comment(
        requests_.version(make.code_request(at="in_review", dataset=dataset)), by=person, text="Odd."
    )
    return person


def _hand_over(person: User) -> None:
    for dataset in Dataset.objects.filter(owner=person):
        datasets.transfer(dataset, by=fresh(person), to=make.owner(), reason="They leave.")


def _give_up_reviews(person: User) -> None:
    for seat in person.reviewing.all():
        datasets.remove_reviewer(seat, by=seat.dataset.owner)


def _revoke_all(person: User) -> None:
    for grant in Grant.objects.live().filter(user=person):
        datasets.revoke_access(grant, by=grant.dataset.owner, reason="They leave.")


def _finish_all(person: User) -> None:
    for item in CodeRequest.objects.filter(author=person):
        if item.state == CodeRequest.State.APPROVED:
            lane.revoke(item, by=item.dataset.owner, reason="They leave.")
        else:
            lane.withdraw(item, by=fresh(person))
    _revoke_all(person)


def fresh(person: User) -> User:
    """The person with the roles they hold now."""
    return User.objects.get(pk=person.pk)


def _uploader() -> User:
    draft = make.draft(make.dataset(published=False))
    return Upload.objects.create(revision=draft, user=draft.made_by, file_name="odd.csv", size=10).user


DUTIES = {
    "datasets.Dataset.owner": Duty(
        _transfer,
        lambda: _dataset().owner,
        lambda who: Dataset.objects.create(name="odd", title="Odd", owner=who),
        _hand_over,
    ),
    "datasets.DatasetReviewer.user": Duty(
        _seat,
        lambda: make.reviewer(_dataset(), decides_access=True).user,
        lambda who: DatasetReviewer.objects.create(dataset=_dataset(), user=who, granted_by=who),
        _give_up_reviews,
    ),
    "datasets.AccessRequest.scientist": Duty(
        lambda who: make.access_request(_dataset(), who),
        lambda: make.access_request(_dataset()).scientist,
        lambda who: AccessRequest.objects.create(dataset=_dataset(), scientist=who, purpose="x", outputs="x"),
        lambda who: [datasets.withdraw_access(wish, by=who) for wish in who.access_requests.all()],
    ),
    "datasets.Grant.user": Duty(
        _grant_to,
        lambda: make.grant(_dataset()).user,
        lambda who: Grant.objects.create(dataset=_dataset(), user=who, granted_by=who),
        _revoke_all,
    ),
    "datasets.Upload.user": Duty(
        lambda who: datasets.create(by=who, name="odd", title="Odd"),
        _uploader,
        lambda who: Upload.objects.create(
            revision=make.draft(make.dataset(published=False)), user=who, file_name="odd.csv", size=1
        ),
        _hand_over,
    ),
    "requests_app.CodeRequest.author": Duty(
        lambda who: lane.new_request(_dataset(), by=who, title="Odd"),
        lambda: make.code_request(at="in_review").author,
        lambda who: CodeRequest.objects.create(dataset=_dataset(), author=who, title="Odd"),
        _finish_all,
    ),
    "requests_app.Run.asked_by": Duty(
        lambda who: requests_.trial(_authored_by(who)),
        lambda: requests_.start(make.code_request(at="approved")).asked_by,
        lambda who: _run_of(who).save(force_insert=True),
        _finish_all,
    ),
    "requests_app.Review.reviewer": Duty(
        lambda who: requests_.approve(requests_.version(make.code_request(at="in_review")), by=who),
        _reviewer,
        lambda who: Review.objects.create(
            version=requests_.version(item := make.code_request(at="in_review")),
            reviewer=who,
            author=item.author,
            verdict="approve",
        ),
        _give_up_reviews,
    ),
    "requests_app.Comment.author": Duty(
        lambda who: lane.comment(requests_.version(make.code_request(at="in_review")), by=who, text="Odd."),
        _commentator,
        lambda who: Comment.objects.create(
            version=requests_.version(make.code_request(at="in_review")), author=who, text="Odd."
        ),
        _give_up_reviews,
    ),
    "privacy.Budget.scientist": Duty(
        _budget_for,
        lambda: shares.budget().scientist,
        lambda who: shares.budget(scientist=who),
        lambda who: [
            budgets.close_budget(each, by=each.promise.dataset.owner, reason="Done.")
            for each in who.budgets.all()
        ],
    ),
}
"""Foreign keys to a person that are a duty on data."""


def _authored_by(person: User) -> CodeRequest:
    """A draft from before."""
    item = CodeRequest(dataset=_dataset(), author=person, title="Odd", code="def main(wages): return 1")
    past_triggers(item)
    return item


def _run_of(person: User) -> Run:
    run = requests_.start(make.code_request(at="approved"))
    Run.objects.filter(pk=run.pk).delete()
    run.asked_by = person
    return run


def keys_to_people() -> set[str]:
    """Every foreign key to a person, of every model."""
    return {
        f"{model._meta.app_label}.{model.__name__}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, ForeignKey) and field.related_model is User
    }
