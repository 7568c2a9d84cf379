"""What an author learns of a run's time: one end, in steps, and nothing of how long its outputs took to collect."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from requests_app import visibility
from requests_app.models import Run
from tests import make
from tests.makers import requests as made

START = datetime(2026, 11, 25, 12, 0, 3, tzinfo=UTC)


def ended(seconds: float) -> Run:
    return Run(
        kind="private", state="succeeded", started_at=START, finished_at=START + timedelta(seconds=seconds)
    )


@pytest.mark.parametrize(
    ("seconds", "told", "end"), [(1, 10, 3), (9.9, 10, 10), (10, 10, 10), (10.1, 20, 10), (38, 40, 40)]
)
def test_an_end_is_told_in_steps(seconds, told, end):
    run = ended(seconds)
    assert visibility.took(run, until=run.finished_at, reads_log=False) == timedelta(seconds=told)
    assert visibility.veil(run, reads_log=False).finished_at == START.replace(second=end)


def test_who_reads_the_log_learns_it_exactly():
    run = ended(9.5)
    assert visibility.took(run, until=run.finished_at, reads_log=True) == timedelta(seconds=9.5)
    assert visibility.veil(run, reads_log=True).finished_at == START + timedelta(seconds=9.5)


@pytest.fixture
def run():
    item = make.code_request(at="approved")
    made.start(item)
    found = Run.objects.get(request=item, kind="private")
    Run.objects.filter(pk=found.pk).update(state="collecting", started_at=START)
    return found


def page(run: Run, user, name: str = "requests:run") -> str:
    client = Client()
    client.force_login(user)
    pk = run.pk if name == "requests:run" else run.request_id
    text = client.get(reverse(name, args=[pk])).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["requests:run", "requests:detail"])
def test_collecting_is_running_for_the_author(run, name):
    text = page(run, run.request.author, name)
    assert ("Running" in text, "ollecting" in text) == (True, False)
    assert "Collecting outputs" in page(run, run.request.dataset.owner, name)


@pytest.mark.django_db
def test_the_pages_of_a_run_end_in_steps_for_the_author(run):
    done = START + timedelta(seconds=14)
    Run.objects.filter(pk=run.pk).update(state="succeeded", finished_at=done)
    assert "Took about 20 s" in page(run, run.request.author)
    assert "Took 14 s" in page(run, run.request.dataset.owner)
    for name in ("requests:run", "requests:detail"):
        client = Client()
        client.force_login(run.request.author)
        pk = run.pk if name == "requests:run" else run.request_id
        text = client.get(reverse(name, args=[pk])).content.decode()
        assert ("12:00:10+00:00" in text, "12:00:17+00:00" in text) == (True, False)
