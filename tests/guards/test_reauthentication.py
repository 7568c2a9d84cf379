"""Every address that changes something either asks again who it is, after a while, or says why it need not."""

import time
from typing import Any
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.test import Client
from django.urls import resolve

from audit.models import Entry
from tests import make
from tests.guards.pages import Page, every_page

pytestmark = pytest.mark.django_db

ASKS = {
    "accounts:allow_device",
    "accounts:approve_registration",
    "accounts:grant_role",
    "accounts:invite",
    "accounts:make_token",
    "accounts:refuse_registration",
    "accounts:reinstate",
    "accounts:reset_second_step",
    "accounts:sign_out_person",
    "accounts:suspend",
    "accounts:take_role",
    "datasets:add_reviewer",
    "datasets:decide",
    "datasets:freeze",
    "datasets:policy",
    "datasets:publish",
    "datasets:remove_reviewer",
    "datasets:retire",
    "datasets:retire_revision",
    "datasets:revoke",
    "datasets:transfer",
    "datasets:unfreeze",
    "network:change",
    "network:compare",
    "network:confirm",
    "network:recover",
    "network:remove",
    "network:rename",
    "network:be_directory",
    "network:resume",
    "network:rotate",
    "network:set_up",
    "network:suspend",
    "network:listing",
    "network:admit_guest",
    "network:refuse_guest",
    "privacy:change",
    "privacy:close",
    "privacy:decide",
    "privacy:give",
    "privacy:mock",
    "privacy:protect",
    "privacy:replace_mock",
    "privacy:restore_mock",
    "privacy:rows",
    "requests:build_environment",
    "requests:decide",
    "requests:drain",
    "requests:environments",
    "requests:pause",
    "requests:recall",
    "requests:remove_environment",
    "requests:resume",
    "requests:retire_environment",
    "requests:revoke",
    "requests:undrain",
    "requests:verdict",
    "studies:found",
    "studies:join",
    "studies:rely",
}
"""Steps that let something out, give or take power, or take something out of use."""

DRAFT = "prepares something that is published, submitted or decided on in a step of its own"
READS = "reads, or works out, and changes nothing for others"
NOTES = "a remark or a note, which lets nothing out"
GIVES_UP = "takes back what is one's own"
ASKING = "asks somebody else, who decides"
WITHIN = "stays within what was approved or promised, which asked"
OWN = "one's own account, nothing of data"
ALLAUTH = "allauth's: asks for the password in its own form, or is a way to sign in"
SIGNED = "another portal calls it, and signs each call"
FACTORS = "allauth's: asks again by itself, whatever the portal's settings"

CALLED = "answers other portals, and nobody who has signed in"

ORDINARY = {
    "account_change_password": ALLAUTH,
    "account_login": ALLAUTH,
    "account_logout": OWN,
    "account_reauthenticate": "this is the page that asks",
    "account_reset_password": ALLAUTH,
    "mfa_activate_totp": FACTORS,
    "mfa_add_webauthn": FACTORS,
    "mfa_authenticate": ALLAUTH,
    "mfa_deactivate_totp": FACTORS,
    "mfa_download_recovery_codes": FACTORS,
    "mfa_edit_webauthn": OWN,
    "mfa_generate_recovery_codes": FACTORS,
    "mfa_login_webauthn": ALLAUTH,
    "mfa_reauthenticate": "this is the page that asks",
    "mfa_reauthenticate_webauthn": "this is the page that asks",
    "mfa_remove_webauthn": FACTORS,
    "accounts:confirm_address": "before there is an account",
    "accounts:device": READS,
    "accounts:end_sessions": "ends what a thief of the session would have",
    "accounts:profile": OWN,
    "accounts:read_all": OWN,
    "accounts:read_notification": OWN,
    "accounts:refuse_device": GIVES_UP,
    "accounts:register": "before there is an account",
    "accounts:revoke_invitation": "takes away what nobody has used yet",
    "accounts:revoke_token": GIVES_UP,
    "accounts:welcome": "before there is an account",
    "audit:export": READS,
    "datasets:ask": ASKING,
    "datasets:begin_revision": DRAFT,
    "datasets:begin_upload": DRAFT,
    "datasets:cancel_upload": DRAFT,
    "datasets:create": DRAFT,
    "datasets:codebook": DRAFT,
    "datasets:declare": DRAFT,
    "datasets:describe": "words about a dataset, for those who may know of it",
    "datasets:discard": DRAFT,
    "datasets:keep_table": DRAFT,
    "datasets:plain_upload": DRAFT,
    "datasets:remove_table": DRAFT,
    "datasets:reading": DRAFT,
    "datasets:retry_upload": DRAFT,
    "datasets:upload": DRAFT,
    "datasets:withdraw": GIVES_UP,
    "calls:add_checkpoint": SIGNED,
    "calls:api": SIGNED,
    "calls:catalogue": SIGNED,
    "calls:catalogue_mock": SIGNED,
    "calls:seen": SIGNED,
    "calls:directory": SIGNED,
    "calls:guest_dataset": SIGNED,
    "calls:guest_state": SIGNED,
    "calls:guests": SIGNED,
    "network:ask_elsewhere": ASKING,
    "network:refresh_elsewhere": READS,
    "log:ask": "signs sooner what is signed every hour",
    "study_calls:joints": SIGNED,
    "study_calls:study": SIGNED,
    "study_calls:study_end": SIGNED,
    "study_calls:study_participation": SIGNED,
    "study_calls:study_standing": SIGNED,
    "calls:peers": "another portal introduces itself, and waits for an admin",
    "calls:state": CALLED,
    "no_call": CALLED,
    "weir_card": CALLED,
    "network:ask_again": ASKING,
    "network:call_now": READS,
    "network:dismiss": "drops what nobody has confirmed",
    "network:introduce": READS,
    "network:mark_alarm": "changes nothing but a note that an admin has dealt with it",
    "network:keep": "finishes set-up, which asked",
    "privacy:ask": WITHIN,
    "privacy:ask_code": WITHIN,
    "privacy:ask_top_up": ASKING,
    "privacy:code": READS,
    "privacy:export": READS,
    "privacy:price": READS,
    "privacy:promise": READS,
    "privacy:stop_trial": GIVES_UP,
    "privacy:withdraw": GIVES_UP,
    "requests:autosave": DRAFT,
    "requests:begin_check": NOTES,
    "requests:begin_review": NOTES,
    "requests:cancel_run": "stops what runs: it must not wait for a password",
    "requests:comment": NOTES,
    "requests:copy": DRAFT,
    "requests:drop_comment": NOTES,
    "requests:edit": DRAFT,
    "requests:log_excerpt": DRAFT,
    "requests:new": DRAFT,
    "requests:output_verdict": DRAFT,
    "requests:resolve": NOTES,
    "requests:start_run": WITHIN,
    "requests:submit": ASKING,
    "requests:run_on_mock": DRAFT,
    "requests:try_on_mock": READS,
    "requests:unresolve": NOTES,
    "requests:withdraw": GIVES_UP,
    "studies:ask": WITHIN,
    "studies:decline": "takes part in nothing, and can be changed",
    "studies:end": "ends what only takes: it must not wait for a password",
    "studies:leave": GIVES_UP,
    "studies:price": READS,
    "studies:stop": GIVES_UP,
}
"""Addresses that change something and ask nothing, each with the reason."""

CLOSED = {"", "account_set_password", "account_signup", "components", "mfa_list_webauthn"}
"""Pages that answer 404, or lead elsewhere, whatever they are sent."""


@pytest.fixture
def admin() -> Any:
    return make.admin(password=make.PASSWORD)


def takes_changes(client: Client, page: Page, user: Any) -> bool:
    """Whether the address takes anything but looking."""
    client.force_login(user)
    client.raise_request_exception = False
    path = page.path(uuid=uuid4())
    return any(getattr(client, name)(path).status_code != 405 for name in ("post", "patch", "put", "delete"))


def age(client: Client, seconds: float) -> None:
    """Make the client's sign-in, and every proof since, so many seconds older."""
    session = client.session
    records = session["account_authentication_methods"]
    session["account_authentication_methods"] = [{**each, "at": time.time() - seconds} for each in records]
    session.save()


def test_every_address_that_changes_something_is_known(client: Client, admin: Any):
    assert set(ORDINARY) & ASKS == set()
    found = {
        page.name for page in every_page() if page.name not in CLOSED and takes_changes(client, page, admin)
    }
    assert sorted(found) == sorted({*ASKS, *ORDINARY})


@pytest.mark.parametrize(
    "page", [page for page in every_page() if page.name in ASKS], ids=lambda page: page.name
)
def test_with_an_old_sign_in_the_step_is_not_taken(client: Client, admin: Any, page: Page):
    """By nothing but who signed in when: the question comes before anything else is looked at."""
    path = page.path(uuid=uuid4())
    step = resolve(path).func.confirms  # type: ignore[attr-defined]
    client.force_login(admin)
    age(client, 15 * 60 + 1)
    before = Entry.objects.count()
    answer = client.post(path, {"reason": "Because."})
    assert (answer.status_code, answer["Location"]) == (
        302, f"/account/reauthenticate/?next={path.replace('/', '%2F')}",
    )  # fmt: skip
    assert (
        f"<strong>{step.replace(chr(39), '&#x27;')}</strong>"
        in client.get(answer["Location"]).content.decode()
    )
    assert Entry.objects.count() == before
    age(client, 15 * 60 - 5)
    assert "/account/reauthenticate/" not in client.post(path, {}).get("Location", "")


@pytest.mark.parametrize(
    "page", [page for page in every_page() if page.name in ASKS], ids=lambda page: page.name
)
def test_a_program_is_told_to_confirm(client: Client, admin: Any, page: Page):
    client.force_login(admin)
    age(client, 15 * 60 + 1)
    path = page.path(uuid=uuid4())
    asked = client.post(path, {}, headers={"Accept": "application/json"})
    assert (asked.status_code, asked.json()["code"]) == (403, "confirm_again")
    assert client.post(path, "{}", content_type="application/json").status_code == 403


@pytest.mark.parametrize("name", sorted(name for name, why in ORDINARY.items() if why == FACTORS))
def test_factors_are_not_changed_with_an_old_sign_in(client: Client, admin: Any, settings: Any, name: str):
    """Not even where the portal's own steps never ask."""
    settings.CONFIRM_MINUTES = 0
    page = next(page for page in every_page() if page.name == name)
    if name != "mfa_activate_totp":
        TOTP.activate(admin, "JBSWY3DPEHPK3PXP")
        RecoveryCodes.activate(admin)
    key = Authenticator.objects.create(user=admin, type="webauthn", data={"name": "Phone", "credential": {}})
    client.force_login(admin)
    age(client, 15 * 60 + 1)
    path = page.path(uuid=uuid4())
    path = path.replace("/keys/1/", f"/keys/{key.pk}/")
    for method in (client.get, client.post):
        answer = method(path)
        assert answer.get("Location", "").startswith("/account/reauthenticate/"), answer
