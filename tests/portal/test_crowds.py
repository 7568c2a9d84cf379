"""Many requests at once, by one person or by strangers: nobody uses up what others need, and nothing fails."""

import os
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from requests_app.models import Output
from tests import make
from tests.crowd import Call, answers
from tests.makers import requests as lane

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

REFUSED = {429, 503}
ROWS = b"name\n" + b"".join(b"row%d\n" % number for number in range(650))


@pytest.fixture(autouse=True)
def _postgres_never_ran_out():
    log = Path(os.environ["WEIR_TEST_SERVICES"], "postgres.log")
    before = log.read_text().count("too many clients")
    yield
    assert log.read_text().count("too many clients") == before


def cookie_of(user) -> dict[str, str]:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"}


def statuses(given) -> Counter[int]:
    return Counter(each.status for each in given)


def test_strangers_who_ask_whether_it_is_ready_do_not_make_it_unready(live):
    given = answers(live.url, [Call("/readyz")] * 800)
    assert statuses(given) == {200: 800}


def test_strangers_who_sign_in_at_once_are_all_answered(live):
    make.scientist()
    fields = {"csrfmiddlewaretoken": "a" * 32, "password": "not the password"}
    calls = [
        Call(
            "/account/login/",
            method="POST",
            headers={"Cookie": f"csrftoken={'a' * 32}", "Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode({**fields, "login": f"nobody{number}@weir.example"}).encode(),
        )
        for number in range(300)
    ]
    given = answers(live.url, calls)
    assert set(statuses(given)) <= {200} | REFUSED
    assert statuses(given)[200] > 0
    assert [each for each in given if each.status == 503 and "retry-after" not in each.headers] == []


@pytest.mark.sandbox
@pytest.mark.parametrize("how_many", [60, 205])
def test_one_person_who_looks_at_everything_shuts_nobody_out(live, how_many):
    item = lane.code_request(at="submitted")
    lane.execute(lane.trial(item), lane.WritesOutputs({"t.csv": ROWS}))
    mine = Output.objects.get(run__request=item)
    other = lane.code_request(at="ran", executor=lane.WritesOutputs({"t.csv": ROWS}))
    theirs = Output.objects.get(run__request=other)
    looks = [Call(reverse("requests:output", args=[mine.pk]), headers=cookie_of(item.author))] * how_many
    reviewer = cookie_of(other.dataset.owner)
    page = Call(reverse("requests:output", args=[theirs.pk]), headers=reviewer)
    inbox = Call(reverse("inbox"), headers=reviewer)
    answers(live.url, [inbox, *looks[:1]])  # the portal knows both sessions
    *given, seen, box = answers(live.url, [*looks, page, inbox])
    assert (seen.status, b"<td>row0</td>" in seen.body, box.status) == (200, True, 200)
    assert set(statuses(given)) <= {200} | REFUSED
    assert statuses(given)[200] > 0
    refused = [each for each in given if each.status in REFUSED]
    assert [each for each in refused if "retry-after" not in each.headers] == []


def test_who_hangs_up_leaves_no_more_at_work_than_there_are_places(live):
    """A thread that works for somebody who has gone counts as long as it works."""
    item = lane.code_request(at="submitted")
    me = cookie_of(item.author)
    page = reverse("requests:edit", args=[item.pk])
    assert statuses(answers(live.url, [Call(page, headers=me)])) == {200: 1}
