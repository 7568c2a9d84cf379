"""A step with an old sign-in: asked for the password or a code, then taken, with everything that was typed."""

import re
import time
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.cache import cache
from django.test import Client

from audit.models import Entry
from datasets.models import Dataset
from requests_app.models import CodeRequest, Version
from tests import make
from tests.makers import requests as requests_

pytestmark = pytest.mark.django_db
LONG = "Look at line 3 & “say” why <b>. " * 280
SECRET = "JBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    cache.clear()  # rate limits of earlier tests
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def version() -> Version:
    owner = make.owner(password=make.PASSWORD)
    return requests_.version(make.code_request(at="in_review", dataset=make.dataset(owner=owner)))


@pytest.fixture
def old(client: Client, version: Version) -> Client:
    """The owner, who signed in sixteen minutes ago."""
    client.force_login(version.request.dataset.owner)
    return aged(client)


def aged(client: Client) -> Client:
    session = client.session
    records = session["account_authentication_methods"]
    session["account_authentication_methods"] = [{**each, "at": time.time() - 960} for each in records]
    session.save()
    return client


def verdict(version: Version, **fields: str) -> tuple[str, dict[str, str]]:
    path = f"/requests/versions/{version.pk}/verdict/?base=none&view=split"
    given = {"seen": version.sha256, "verdict": "approve", "comment": LONG.strip(), "runs": "2", "days": "3"}
    return path, {**given, **fields}


def state(version: Version) -> str:
    return str(CodeRequest.objects.get(pk=version.request_id).state)


def test_an_approval_waits_for_the_password_and_keeps_its_comment(old: Client, version: Version):
    asked = old.post(*verdict(version))
    assert (asked.status_code, state(version)) == (302, "in_review")
    page = old.get(asked["Location"]).content.decode()
    assert page.count("<strong>Give your verdict on code</strong>") == 1
    wrong = old.post(asked["Location"], {"password": "not this one at all"})
    assert (wrong.status_code, state(version)) == (200, "in_review")
    done = old.post(asked["Location"], {"password": make.PASSWORD})
    assert done["Location"] == f"/requests/{version.request_id}/"
    given = version.reviews.get()
    assert (state(version), given.comment, given.runs, given.days) == ("approved", LONG.strip(), 2, 3)
    # Asked once, not carried out twice.
    assert (
        old.post(asked["Location"], {"password": make.PASSWORD})["Location"]
        == verdict(version)[0].partition("?")[0]
    )
    assert version.reviews.count() == 1


def test_a_code_of_the_authenticator_does_as_well(old: Client, version: Version):
    TOTP.activate(version.request.dataset.owner, SECRET)
    asked = old.post(*verdict(version))
    page = old.get(asked["Location"]).content.decode()
    found = re.search(r'href="(/account/mfa/reauthenticate/[^"]+)"', page)
    assert found is not None
    other = found.group(1)
    assert old.get(other).content.decode().count("<strong>Give your verdict on code</strong>") == 1
    counter = next(iter(yield_hotp_counters_from_time()))
    done = old.post(other, {"code": format_hotp_value(hotp_value(SECRET, counter))})
    assert (done.status_code, state(version)) == (302, "approved")


def test_what_is_wrong_with_the_form_is_shown_afterwards_with_what_was_typed(old: Client, version: Version):
    asked = old.post(*verdict(version, runs="many"))
    page = old.post(asked["Location"], {"password": make.PASSWORD})
    text = page.content.decode()
    assert (page.status_code, state(version)) == (400, "in_review")
    assert "Look at line 3 &amp; “say” why &lt;b&gt;." in text
    assert f'action="/requests/versions/{version.pk}/verdict/' in text


@pytest.mark.parametrize("name", ["policy", "freeze"])
def test_a_form_that_comes_back_is_sent_to_its_own_address(old: Client, version: Version, name: str):
    path = f"/datasets/{version.request.dataset_id}/{name}/"
    asked = old.post(path, {"reason": "", "reviewers_needed": "many"})
    page = old.post(asked["Location"], {"password": make.PASSWORD})
    assert (page.status_code, page.content.decode().count(f'<form method="post" action="{path}"') > 0) == (
        400,
        True,
    )


def test_htmx_is_led_to_the_page_that_asks(old: Client, version: Version):
    asked = old.post(*verdict(version), headers={"HX-Request": "true"})
    assert (asked.status_code, asked["HX-Redirect"][:31]) == (200, "/account/reauthenticate/?next=%")
    old.post(asked["HX-Redirect"], {"password": make.PASSWORD})
    assert state(version) == "approved"


def test_a_step_that_was_not_confirmed_is_not_taken_with_another(old: Client, version: Version):
    """A confirmation that was abandoned is not carried out by a later one for another action."""
    old.post(*verdict(version))
    other = old.get("/account/mfa/totp/activate/")
    assert "<strong>" not in old.get(other["Location"]).content.decode().partition("</main>")[0]
    old.post(other["Location"], {"password": make.PASSWORD})
    assert state(version) == "in_review"
    aged(old)
    old.post(*verdict(version))
    freeze = old.post(f"/datasets/{version.request.dataset_id}/freeze/", {"reason": "A doubt."})
    old.post(freeze["Location"], {"password": make.PASSWORD})
    assert (state(version), Dataset.objects.get(pk=version.request.dataset_id).state) == (
        "in_review",
        "frozen",
    )


def test_a_thief_of_a_session_cannot_try_out_passwords(old: Client, version: Version):
    asked = old.post(*verdict(version))
    for _ in range(5):
        old.post(asked["Location"], {"password": "guessed and guessed"})
    old.post(asked["Location"], {"password": make.PASSWORD})
    assert state(version) == "in_review"
    assert Entry.objects.filter(action="session.lock_out").exists()


def test_it_can_be_switched_off(old: Client, version: Version, settings: Any):
    settings.CONFIRM_MINUTES = 0
    assert old.post(*verdict(version))["Location"] == f"/requests/{version.request_id}/"
    assert state(version) == "approved"
