"""One person with every duty on data, for tests of what is left of duties when they come to oversee."""

from dataclasses import dataclass

import pytest
from pytest_django import DjangoDbBlocker

from accounts.models import RoleGrant, User
from datasets import services as datasets
from datasets.models import Dataset, Upload
from privacy.execution import lifecycle
from privacy.models import Budget, TopUp
from requests_app import services as lane
from requests_app.models import CodeRequest, Comment, Release
from tests import make
from tests.makers import privacy as shares
from tests.makers import requests as requests_


@dataclass(frozen=True, kw_only=True)
class Cast:
    """One person with every duty, and what they have to do with."""

    person: User
    own: Dataset
    draft: Dataset
    upload: Upload
    seat: Dataset
    used: Dataset
    to_review: CodeRequest
    comment: Comment
    to_check: Release
    drafted: CodeRequest
    submitted: CodeRequest
    approved: CodeRequest
    received: Release
    budget: Budget
    given: Budget
    top_up: TopUp


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    return Cast(
        **{name: type(item)._default_manager.get(pk=item.pk) for name, item in vars(built_cast).items()}
    )


@pytest.fixture(scope="module")
def built_cast(built_once: DjangoDbBlocker) -> Cast:
    with built_once.unblock():
        return build()


def build() -> Cast:
    person = make.user("owner", "scientist", name="Evi Everything")
    own, seat, used = make.dataset(owner=person), make.dataset(), make.dataset()
    for dataset in (own, seat):
        datasets.set_policy(dataset, by=dataset.owner, held_downloads=True)
    make.reviewer(own)
    make.reviewer(seat, person, decides_access=True)
    for dataset in (own, seat):
        make.access_request(dataset)
    draft = make.dataset(owner=person, published=False)
    upload = Upload.objects.create(
        revision=make.draft(draft), user=person, file_name="odd.csv", size=10, state="receiving"
    )
    to_review = make.code_request(at="in_review", dataset=seat)
    comment = lane.comment(requests_.version(to_review), by=person, text="Odd.")
    ran = make.code_request(at="ran", dataset=own)
    drafted = make.code_request(author=person, dataset=used)
    budget = shares.budget(shares.promise(used), person)
    answer = shares.answer(budget, epsilon=0.5)
    lifecycle.compute(str(answer.pk))
    given = shares.budget(shares.promise(own))
    make.access_request(make.dataset(), person)
    return Cast(
        person=fresh(person),
        own=own,
        draft=draft,
        upload=upload,
        seat=seat,
        used=used,
        to_review=to_review,
        comment=comment,
        to_check=Release.objects.get(run__request=ran),
        drafted=drafted,
        submitted=make.code_request(at="submitted", author=person, dataset=used, title="Submitted"),
        approved=make.code_request(at="approved", author=person, dataset=used, title="Approved"),
        received=Release.objects.get(
            run__request=make.code_request(at="released", author=person, dataset=used, title="Received")
        ),
        budget=budget,
        given=given,
        top_up=TopUp.objects.create(budget=given, epsilon=1.5, reason="More."),
    )


def fresh(person: User) -> User:
    return User.objects.get(pk=person.pk)


def comes_to_oversee(person: User, role: str) -> User:
    person.role_grants.all().delete()
    RoleGrant.objects.create(user=person, role=role, granted_by=User.objects.system())
    return fresh(person)
