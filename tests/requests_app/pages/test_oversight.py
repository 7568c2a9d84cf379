"""Auditors follow a release to everything behind it; admins find the runs, approvals and releases they may act on."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from audit.models import Entry
from requests_app.models import Release
from tests import make
from tests.makers import requests as lane

pytestmark = pytest.mark.django_db


def as_(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def links(page: str) -> set[str]:
    return set(re.findall(r'href="([^"#?]+)"', page))


def test_an_auditor_follows_a_release_to_what_it_rests_on() -> None:
    item = make.code_request(at="released")
    release = Release.objects.select_related("run__version").get()
    auditor = as_(make.auditor())
    entry = Entry.objects.get(action="release.release")
    listed = auditor.get("/audit/?action=release.release").content.decode()
    assert reverse("requests:check", args=[release.pk]) in links(listed)
    shown = auditor.get(reverse("audit:entry", args=[entry.key])).content.decode()
    assert reverse("requests:check", args=[release.pk]) in links(shown)
    run = auditor.get(reverse("requests:check", args=[release.pk]), follow=True)
    page = run.content.decode()
    assert run.redirect_chain[-1][0] == reverse("requests:run", args=[release.run_id])
    outputs = release.record["outputs"]
    assert [output["name"] for output in outputs if output["name"] in page] == ["result.json"]
    assert outputs[0]["sha256"] not in page  # auditors read no results, and a small one could be guessed
    assert "Download" not in page
    for name, pk in (
        ("review", release.run.version.pk),
        ("record", release.pk),
        ("detail", item.pk),
    ):
        address = reverse(f"requests:{name}", args=[pk])
        assert address in links(page)
        assert auditor.get(address).status_code == 200


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_every_link_of_the_log_opens(role: str) -> None:
    """For the whole life of a request, and of the people and the dataset in it."""
    make.code_request(at="released")
    reader = as_(getattr(make, role)())
    page = reader.get("/audit/").content.decode()
    found = {each for each in links(page) if not each.startswith(("/static/", "/account/"))}
    assert len(found) > 20
    statuses: dict[str, Any] = {each: reader.get(each, follow=True).status_code for each in found}
    assert {each: status for each, status in statuses.items() if status != 200} == {}


def test_an_admin_finds_the_approval_and_the_run_and_reads_no_code() -> None:
    item = make.code_request(at="approved", code=lane.CODE + "# remarkable\n", title="Mean wage by region")
    run = lane.start(item)
    admin = as_(make.admin())
    requests = admin.get(reverse("requests:list"), {"state": "approved"}).content.decode()
    workers = admin.get(reverse("requests:workers")).content.decode()
    assert reverse("requests:detail", args=[item.pk]) in links(requests)
    assert reverse("requests:run", args=[run.pk]) in links(workers)
    assert "remarkable" not in requests + workers


def test_drafts_and_mock_runs_are_their_authors_own() -> None:
    item = make.code_request(title="A private plan")
    trial = lane.trial(item)
    for overseer in (make.admin(), make.auditor()):
        seen = as_(overseer).get(reverse("requests:list")).content.decode()
        seen += as_(overseer).get(reverse("requests:workers")).content.decode()
        assert "A private plan" not in seen
        assert str(trial.pk) not in seen


def test_the_end_of_code_does_not_show_on_the_workers_page() -> None:
    """Only its announcement does: when code ends may depend on the rows."""
    run = lane.claimed(lane.start(make.code_request(at="approved")))
    admin = as_(make.admin())

    def states() -> str:
        page = admin.get(reverse("requests:workers")).content.decode()
        return re.sub(
            r"\s+", " ", page[page.index("live-runs-title") :].split("</tbody>")[0].split("<tbody>")[1]
        )

    lane.fresh_run(run, state="running")
    running = states()
    lane.fresh_run(run, state="ending")
    assert re.sub(r"<time.*?</time>", "", states()) == re.sub(r"<time.*?</time>", "", running)
