"""Every page of the review lane opens for those who have a part in it, in every state, within ten queries."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from requests_app import services
from requests_app.models import CodeRequest, Release, Run, Version
from tests import make
from tests.makers import datasets as data
from tests.makers import requests as lane

pytestmark = pytest.mark.django_db

SUBMITTED = [stage for stage in lane.STAGES if stage != "draft"]


def pages_of(item: CodeRequest) -> list[str]:
    found = [reverse("requests:detail", args=[item.pk]), reverse("requests:list"), reverse("inbox")]
    found += [reverse("requests:review", args=[version.pk]) for version in item.versions.all()]
    return found + [reverse("requests:run", args=[run.pk]) for run in item.runs.all()]


@pytest.mark.parametrize("at", SUBMITTED)
def test_pages_open_in_every_state(as_: Callable[[User], Client], at: str) -> None:
    item = make.code_request(at=at)
    for person in (item.author, item.dataset.owner, make.auditor()):
        assert {as_(person).get(path).status_code for path in pages_of(item)} == {200}


@pytest.mark.parametrize("at", ["draft", "changes_requested", "approved"])
def test_the_author_writes_and_sees_what_would_be_frozen(as_: Callable[[User], Client], at: str) -> None:
    item = make.code_request(at=at)
    client = as_(item.author)
    assert client.get(reverse("requests:edit", args=[item.pk])).status_code == 200
    page = client.get(reverse("requests:submit", args=[item.pk]))
    assert page.context["frozen"].code_sha256 in page.content.decode()


@pytest.mark.parametrize("count", [1, 3])
def test_lists_need_as_many_queries_for_three_as_for_one(
    as_: Callable[[User], Client], counted: Callable[..., None], count: int
) -> None:
    owner, author = make.owner(), make.scientist()
    dataset = data.dataset(owner=owner)
    for _ in range(count):
        make.code_request(at="submitted", dataset=dataset, author=author)
        make.code_request(at="changes_requested", dataset=dataset, author=author)
        make.code_request(at="ran", dataset=dataset, author=author)
    for person in (owner, author):
        counted(as_(person), reverse("inbox"))
        counted(as_(person), reverse("requests:list"))


@pytest.mark.parametrize("count", [1, 3])
def test_one_request_needs_eleven_queries_however_much_hangs_on_it(
    as_: Callable[[User], Client], counted: Callable[..., None], count: int
) -> None:
    item = make.code_request(at="submitted", dataset=data.dataset(policy={"max_runs": 20}))
    versions = [_another_version(item, number) for number in range(count)]
    lane.approve(versions[-1])
    runs = [lane.execute(lane.start(lane.fresh(item))) for _ in range(count)]
    for person in (item.author, item.dataset.owner):
        for name, pk in (("detail", item.pk), ("review", versions[-1].pk), ("run", runs[-1].pk)):
            counted(as_(person), reverse(f"requests:{name}", args=[pk]))
    release = Release.objects.get(run=runs[-1])
    counted(as_(item.dataset.owner), reverse("requests:check", args=[release.pk]))


def _another_version(item: CodeRequest, number: int) -> Version:
    """A further version with comments on it."""
    item = lane.fresh(item)
    code = f"{lane.CODE}\n# {number}\n"
    services.save_draft(item, by=item.author, number=item.draft_number, code=code)
    version = lane.submission(lane.fresh(item))
    for line in (1, 2):
        services.comment(version, by=item.dataset.owner, text="Why?", line=line)
    return version


def test_workers_are_for_admins_and_auditors(as_: Callable[[User], Client]) -> None:
    lane.worker("here@test", refusal="bubblewrap is missing")
    path = reverse("requests:workers")
    assert "bubblewrap is missing" in as_(make.admin()).get(path).content.decode()
    assert "Pause all runs" not in as_(make.auditor()).get(path).content.decode()
    assert as_(make.scientist()).get(path).status_code == 403


def test_an_admin_empties_a_worker_and_pauses_everything(as_: Callable[[User], Client]) -> None:
    client, worker = as_(make.admin()), lane.worker()
    client.post(reverse("requests:drain", args=[worker.pk]))
    client.post(reverse("requests:pause"), {"reason": "The disk is changed."})
    page = client.get(reverse("requests:workers")).content.decode()
    assert "Draining" in page
    assert "The disk is changed." in page
    client.post(reverse("requests:undrain", args=[worker.pk]))
    client.post(reverse("requests:resume"))
    page = client.get(reverse("requests:workers")).content.decode()
    assert "Idle" in page
    assert "The disk is changed." not in page


def test_a_queued_run_says_why_it_waits_and_in_which_place(as_: Callable[[User], Client]) -> None:
    item = make.code_request(at="approved")
    run = lane.start(item)
    page = as_(item.author).get(reverse("requests:run", args=[run.pk])).content.decode()
    assert "No worker is running. Tell an admin." in page
    assert "Place in the queue" in page
    assert Run.objects.get(pk=run.pk).state == "queued"
