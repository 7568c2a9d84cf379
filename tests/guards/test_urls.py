"""Every URL, as somebody who has not signed in and as strangers: new pages are covered at birth."""

from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.conf import settings
from django.db.models import UUIDField
from django.test import Client
from django.urls import reverse

from accounts import services as people
from accounts.models import User
from datasets.models import Upload
from requests_app import services as lane
from tests import make
from tests.guards.pages import Page, every_page

APPS = {"accounts", "audit", "datasets", "privacy", "requests_app"}

OPEN = {
    "livez": "the supervisor asks whether the process lives",
    "readyz": "the supervisor asks whether it can serve",
    "sign_up": "leads to the registration",
    "": "allauth's pages that are closed, and answer 404",
    "components": "developers' page, 404 outside the demo",
    "account_login": "signing in",
    "account_logout": "says that nobody is signed in",
    "account_reset_password": "a forgotten password",
    "account_reset_password_done": "a forgotten password",
    "account_reset_password_from_key_done": "a forgotten password",
    "account_inactive": "why one cannot sign in",
    "account_signup": "answered by sign_up, which stands before it",
    "account_confirm_email": "allauth's, without effect: addresses are confirmed on our own page",
    "account_email_verification_sent": "allauth's, without effect",
    "mfa_authenticate": "the second step of signing in",
    "accounts:register": "asking for an account",
    "accounts:registered": "asking for an account",
    "accounts:confirm_address": "asking for an account",
    "accounts:welcome": "accepting an invitation",
}
"""Pages for those who have not signed in, each with its reason."""

PAGES = every_page()
MARK = "Quetzalcoatlus"
"""In the name of everything foreign: a page that shows it to a stranger shows what they may not know."""


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


@pytest.fixture
def world(settings) -> dict[str, UUID]:
    """One foreign object of every model, by the model's name."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    owner = make.owner(name=f"{MARK} Owner")
    dataset = make.dataset(owner=owner, title=f"{MARK} wages", discoverable=False)
    item = make.code_request(dataset=dataset, title=f"{MARK} mean", at="in_review")
    lane.comment(item.latest, by=owner, text=f"{MARK} is odd.")
    make.code_request(dataset=dataset, title=f"{MARK} mean", at="released")
    make.access_request(dataset=make.dataset(owner=owner, discoverable=True, title=f"{MARK} open"))
    make.reviewer(dataset)
    draft = make.dataset(owner=owner, published=False, title=f"{MARK} draft")
    Upload.objects.create(revision=draft.draft, user=owner, name="odd.csv", size=10, table_name="odd")
    people.invite("odd@weir.example", by=make.admin(), roles=["scientist"])
    people.register(
        "new@weir.example",
        name=f"{MARK} New",
        password=make.PASSWORD,
        affiliation="",
        note="",
        time_zone="UTC",
    )
    found = {}
    for model in apps.get_models():
        has_uuid = isinstance(model._meta.pk, UUIDField)
        if model._meta.app_label in APPS and has_uuid and (last := model._default_manager.last()):
            found[model.__name__] = last.pk
    return found


@pytest.fixture(params=["without a role", "scientist without a grant"])
def stranger(request: pytest.FixtureRequest, world: dict[str, UUID]) -> User:
    return make.user() if request.param == "without a role" else make.scientist(name="Stranger")


@pytest.mark.django_db
def test_what_is_foreign_does_not_exist(client: Client, stranger: User, world: dict[str, UUID]):
    """Every page about an object, with every foreign object, by GET and by POST."""
    client.force_login(stranger)
    holes = [
        f"{method.upper()} {page.route} with a {model}: {status}"
        for page in PAGES
        if page.takes_an_object
        for model, pk in world.items()
        for method in ("get", "post")
        if (status := getattr(client, method)(page.path(uuid=pk)).status_code) not in {404, 405}
    ]
    assert holes == []


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
    assert shown == ["datasets/"], "Only the catalogue may name what is open to be found."


@pytest.mark.django_db
def test_those_pages_do_show_it_to_those_whom_it_concerns(client: Client, world: dict[str, UUID]):
    """The sweep above proves nothing unless each page exists for somebody."""
    cast = User.objects.filter(is_active=True)
    unseen = {page.route for page in PAGES if page.takes_an_object and not page.route.startswith("account/")}
    for user in cast:
        client.force_login(user)
        for page in PAGES:
            if page.route in unseen:
                answers = {client.get(page.path(uuid=pk)).status_code for pk in world.values()}
                if answers & {200, 302, 403, 405, 409}:
                    unseen.discard(page.route)
    assert unseen == set()
