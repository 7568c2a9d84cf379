"""The matrix of who may do what with a dataset: every rule for everybody, each answering with a reason or with None."""

import pytest

from datasets import rules
from datasets.models import AccessRequest, Dataset
from tests import make

pytestmark = pytest.mark.django_db
WHO = [
    "owner",
    "other owner",
    "reviewer",
    "trusted reviewer",
    "scientist",
    "granted",
    "admin",
    "auditor",
    "inactive",
]


@pytest.fixture
def dataset():
    return make.dataset()


def person(name: str, dataset: Dataset):
    return {
        "owner": lambda: dataset.owner,
        "other owner": make.owner,
        "reviewer": lambda: make.reviewer(dataset).user,
        "trusted reviewer": lambda: make.reviewer(dataset, decides_access=True).user,
        "scientist": make.scientist,
        "granted": lambda: make.grant(dataset).user,
        "admin": make.admin,
        "auditor": make.auditor,
        "inactive": lambda: make.user("scientist", state="suspended"),
    }[name]()


MATRIX = {
    "may_create": {"owner", "other owner"},
    "may_edit": {"owner"},
    "may_begin_revision": {"owner"},
    "may_retire": {"owner"},
    "may_freeze": {"owner", "admin"},
    "may_revoke_access": {"owner", "admin"},
    "is_reviewer": {"owner", "reviewer", "trusted reviewer"},
    "may_ask_access": {"scientist"},
    "may_use": {"granted"},
    "has_access": {"granted"},
}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("rule", MATRIX)
def test_who_may(dataset, rule, who):
    why = getattr(rules, rule)(person(who, dataset), dataset)
    assert (why is None) == (who in MATRIX[rule])
    assert why is None or why.endswith(".")


@pytest.mark.parametrize("who", WHO)
def test_who_decides_on_access(dataset, who):
    item = AccessRequest(dataset=dataset, scientist=make.scientist())
    why = rules.may_decide_access(person(who, dataset), item)
    assert (why is None) == (who in {"owner", "trusted reviewer"})


@pytest.mark.parametrize("state", Dataset.State)
def test_work_begins_on_published_datasets_alone(state):
    why = rules.is_in_use(make.scientist(), Dataset(state=state))
    assert (why is None) == (state == Dataset.State.PUBLISHED)


SEEN = {
    "draft": {"owner", "reviewer", "trusted reviewer"},
    "listed": set(WHO),
    "not listed": {"owner", "reviewer", "trusted reviewer", "granted", "admin", "auditor"},
    "frozen": {"owner", "reviewer", "trusted reviewer", "granted", "admin", "auditor"},
    "retired": {"owner", "reviewer", "trusted reviewer", "granted", "admin", "auditor"},
}
FIELDS = {
    "draft": {"state": "draft"},
    "listed": {},
    "not listed": {"discoverable": False},
    "frozen": {"state": "frozen"},
    "retired": {"state": "retired"},
}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("how", SEEN)
def test_who_knows_of_a_dataset(dataset, how, who):
    user = person(who, dataset)
    Dataset.objects.filter(pk=dataset.pk).update(**FIELDS[how])
    known = Dataset.objects.visible_to(user).filter(pk=dataset.pk).exists()
    assert known == (who in SEEN[how])
