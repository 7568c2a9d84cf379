"""Every URL, as somebody who has not signed in and as strangers: new pages are covered at birth."""

from collections.abc import Iterator
from functools import partial
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

import portal.urls
from accounts.models import User
from tests import make
from tests.guards.pages import Page, every_page
from tests.guards.world import MARK, built_world, world

__all__ = ["built_world", "world"]

OPEN = {
    "components": "developers' page, 404 outside the demo",
    "account_login": "signing in",
    "account_logout": "says that nobody is signed in",
    "account_reset_password": "a forgotten password",
    "account_reset_password_done": "a forgotten password",
    "account_reset_password_from_key_done": "a forgotten password",
    "account_inactive": "why one cannot sign in",
    "account_set_password": "closed, and answers 404",
    "account_signup": "leads to the registration",
    "mfa_authenticate": "the second step of signing in",
    "mfa_login_webauthn": "signing in with a passkey",
    "api:docs": "documentation, the same for everybody",
    "api:errors": "documentation, the same for everybody",
    "accounts:register": "asking for an account",
    "accounts:registered": "asking for an account",
    "accounts:confirm_address": "asking for an account",
    "accounts:welcome": "accepting an invitation",
    "log:page": "what anybody checks the log by",
    "log:checkpoint": "a root and a number, signed",
    "log:key": "a public key",
    "log:tile": "hashes of salted leaves",
    "log:consistency": "hashes of salted leaves",
    "calls:add_checkpoint": "calls of other portals, 404 without their signature",
    "calls:seen": "the same",
    "calls:witness_key": "a public key",
    "calls:catalogue": "calls of other portals, 404 without their signature",
    "calls:catalogue_mock": "the same",
    "calls:peers": "other portals ask to be known; the answer tells nothing",
    "calls:api": "the same",
    "calls:guest_dataset": "the same",
    "calls:guest_state": "the same",
    "calls:guests": "the same",
    "calls:state": "calls of other portals, 404 without their signature",
    "weir_card": "what other portals know this one by",
    "no_call": "404 for all other calls of portals",
}
"""Pages for those who have not signed in, each with its reason."""

PAGES = every_page()


def by_route(page: Page) -> str:
    return page.route


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in OPEN], ids=by_route)
def test_nobody_sees_anything_before_signing_in(client: Client, page: Page, method: str):
    answer = getattr(client, method)(page.path(uuid=uuid4()))
    signs_in = answer.status_code == 302 and answer["Location"].startswith(reverse(settings.LOGIN_URL))
    assert signs_in or answer.status_code in {404, 405}, f"{answer.status_code} {answer.get('Location', '')}"


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(OPEN))
def test_the_open_pages_exist_and_are_open(client: Client, name: str):
    found = [page for page in PAGES if page.name == name]
    assert found != [], f"There is no page {name}: take it off the list."
    for page in found:
        answer = client.get(page.path(uuid=uuid4()))
        asked = reverse(settings.LOGIN_URL) + "?"
        assert not answer.get("Location", "").startswith(asked), f"{name} is not open: take it off the list."


@pytest.fixture(params=["without a role", "scientist without a grant"])
def stranger(request: pytest.FixtureRequest, world: dict[str, UUID]) -> User:
    return make.user() if request.param == "without a role" else make.scientist(name="Stranger")


def holes(client: Client, page: Page, method: str, world: dict[str, UUID]) -> Iterator[str]:
    """Where a foreign object is answered otherwise than one that does not exist."""

    def answered(pk: UUID) -> str:
        answer = getattr(client, method)(page.path(uuid=pk))
        return f"{answer.status_code} {answer.get('Location', '')}".strip()

    unknown = answered(uuid4())
    if unknown == "405":
        return
    if unknown not in {
        "400",
        "403",
        "404",
        "302 /",
    }:  # a page that leads home whatever it is asked tells nothing
        yield f"{method.upper()} {page.route} with an unknown id: {unknown}"
    if (known := answered(world[page.kind])) != unknown:
        yield f"{method.upper()} {page.route} with a {page.kind}: {known}, and {unknown} with an unknown id"


@pytest.fixture
def plain_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals without their page around them: the sweep asks for thousands and looks at their status."""
    for status in (403, 404):
        answer = partial(HttpResponse, status=status)
        monkeypatch.setattr(
            portal.urls, f"handler{status}", lambda request, exception, answer=answer: answer()
        )


@pytest.mark.django_db
@pytest.mark.slow
@pytest.mark.usefixtures("plain_refusals")
def test_what_is_foreign_does_not_exist(client: Client, stranger: User, world: dict[str, UUID]):
    """Every page about an object, with a foreign object of its kind, by GET and by POST."""
    client.force_login(stranger)
    asked = [(page, method) for page in PAGES if page.takes_an_object for method in ("get", "post")]
    assert [hole for page, method in asked for hole in holes(client, page, method, world)] == []


@pytest.mark.django_db
def test_pages_that_list_show_nothing_foreign(client: Client, stranger: User, world: dict[str, UUID]):
    client.force_login(stranger)
    shown = []
    for page in PAGES:
        if page.takes_an_object or page.name == "account_logout":
            continue
        answer = client.get(page.path(uuid=uuid4()))
        assert answer.status_code < 500, page.route
        if MARK in answer.content.decode(errors="replace"):
            shown.append(page.route)
    assert shown == ["people/tokens/", "datasets/", "network/find/"], (
        "Only what offers all datasets may name those open to be found."
    )


@pytest.mark.django_db
@pytest.mark.slow
@pytest.mark.usefixtures("plain_refusals")
def test_those_pages_do_show_it_to_those_whom_it_concerns(client: Client, world: dict[str, UUID]):
    """The sweep above proves nothing unless each page exists for somebody."""
    unseen = {page for page in PAGES if page.takes_an_object and page.app != "net"}  # there, portals call
    for user in User.objects.filter(is_active=True):
        client.force_login(user)
        for page in sorted(unseen, key=by_route):
            objects = [world[page.kind], *page.objects()]
            if {client.get(page.path(uuid=each)).status_code for each in objects} & {200, 302, 400, 405, 409}:
                unseen.discard(page)  # 400: it is there, and says which parameter is missing
    assert sorted(map(by_route, unseen)) == []
