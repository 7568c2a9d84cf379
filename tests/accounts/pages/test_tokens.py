"""The page of access tokens: made, listed, revoked; the secret is seen once."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from accounts import secrets
from accounts.models import AccessToken, User
from accounts.services import tokens
from datasets.models import Dataset
from tests import make
from tests.guards.test_reauthentication import age

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]
PAGE, MAKE = "/people/tokens/", "/people/tokens/make/"
GIVEN = {"name": "notebook", "scopes": ["read", "ask"], "reach": "all", "days": "30"}


def html(client: Client, path: str = PAGE) -> str:
    return client.get(path).content.decode()


def secret_on(page: str) -> str:
    found = re.findall(r"weir_[A-Za-z0-9_-]{49}", page)
    assert len(found) == 1
    return found[0]


def test_before_the_first_token_the_page_says_what_one_is_for(as_: As):
    page = html(as_(make.user()))
    assert "You have no token yet" in page
    assert "Which datasets" not in page, "there is no dataset to choose"


def test_the_profile_and_the_menu_lead_there(as_: As):
    assert html(as_(make.user()), "/people/me/").count(f'href="{PAGE}"') == 2


def test_a_secret_is_seen_once_and_works(as_: As):
    client = as_(make.scientist())
    answer = client.post(MAKE, GIVEN)
    page = answer.content.decode()
    secret = secret_on(page)
    assert answer["Cache-Control"] == "no-store, private"
    called = Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {secret}"})
    assert called.json()["scopes"] == ["ask", "read"]
    assert "weir_" not in html(client)
    assert 'curl --header "Authorization: Bearer $WEIR_TOKEN" http://127.0.0.1' in page
    assert 'portal = weir.login("http://127.0.0.1' in page


def test_a_token_can_be_for_some_datasets(as_: As):
    owner = make.owner()
    one, two = (make.dataset(owner=owner, title=title) for title in ("Wages", "Prices"))
    client = as_(owner)
    client.post(MAKE, {**GIVEN, "reach": "chosen", "datasets": [str(one.pk)]})
    assert AccessToken.objects.get().dataset_ids == [str(one.pk)]
    assert "on Wages<" in html(client)
    client.post(MAKE, {**GIVEN, "reach": "all", "datasets": [str(two.pk)]})
    assert AccessToken.objects.latest("created_at").dataset_ids is None


def test_a_dataset_that_is_no_longer_seen_is_not_named(as_: As):
    owner, person = make.owner(), make.scientist()
    hidden = make.dataset(owner=owner, title="Quetzal", discoverable=False)
    make.grant(hidden, person)
    client = as_(person)
    client.post(MAKE, {**GIVEN, "reach": "chosen", "datasets": [str(hidden.pk)]})
    assert "on Quetzal<" in html(client)
    person.grants.all().delete()
    person.access_requests.all().delete()
    page = html(client)
    assert "Quetzal" not in page
    assert "on 1 that you no longer see" in page


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "a\u202eb"}, "Give a name of at most 100 plain characters"),
        ({"scopes": []}, "Choose at least one scope."),
        ({"scopes": ["root"]}, "Select a valid choice."),
        ({"days": "366"}, "less than or equal to 365"),
        ({"days": "31", "scopes": ["review"]}, "lasts from 1 to 30 days"),
        ({"reach": "chosen", "datasets": []}, "Choose at least one dataset"),
        ({"reach": "chosen", "datasets": ["7"]}, "Select a valid choice."),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_beside_the_form(as_: As, changed: dict[str, object], said: str):
    make.dataset(discoverable=True)
    answer = as_(make.scientist()).post(MAKE, {**GIVEN, **changed})
    assert answer.status_code in {400, 422}
    assert said in answer.content.decode()
    assert not AccessToken.objects.exists()


def test_a_choice_among_datasets_that_are_gone_is_no_token_for_all(as_: As):
    client = as_(make.scientist())
    answer = client.post(
        MAKE, {**GIVEN, "reach": "chosen", "datasets": ["00000000-0000-4000-8000-000000000000"]}
    )
    assert answer.status_code == 422
    assert "no longer see any dataset" in answer.content.decode()
    assert not AccessToken.objects.exists()
    client.post(MAKE, GIVEN)
    assert AccessToken.objects.get().dataset_ids is None


def test_a_foreign_dataset_cannot_be_chosen(as_: As):
    make.dataset(discoverable=True)
    foreign = make.dataset(discoverable=False)
    answer = as_(make.scientist()).post(MAKE, {**GIVEN, "reach": "chosen", "datasets": [str(foreign.pk)]})
    assert answer.status_code == 422
    assert Dataset.objects.count() == 2


def test_an_old_sign_in_is_confirmed_and_the_token_is_made_then(sign_in: Callable[..., Client]):
    person = make.scientist(password=make.PASSWORD)
    client = sign_in(person)
    age(client, 15 * 60 + 1)
    asked = client.post(MAKE, GIVEN)
    assert (asked.status_code, AccessToken.objects.count()) == (302, 0)
    done = client.post(asked["Location"], {"password": make.PASSWORD})
    assert AccessToken.objects.get().name == "notebook"
    assert AccessToken.objects.get().secret_hash == secrets.digest(secret_on(done.content.decode()))


def test_a_token_is_revoked_after_a_question(as_: As):
    person = make.scientist()
    token, _ = tokens.make(by=person, name="notebook", scopes=["read"])
    client = as_(person)
    assert "stop working at once" in html(client)
    assert client.post(f"{PAGE}{token.pk}/revoke/")["Location"] == PAGE
    token.refresh_from_db()
    assert token.state == "revoked"
    assert "Token “notebook” revoked." in html(client)


def test_a_foreign_token_does_not_exist(as_: As):
    token, _ = tokens.make(by=make.admin(), name="theirs", scopes=["read"])
    client = as_(make.scientist())
    assert client.post(f"{PAGE}{token.pk}/revoke/").status_code == 404
    assert "theirs" not in html(client)
    token.refresh_from_db()
    assert token.revoked_at is None


def test_a_long_list_has_pages(as_: As, django_assert_max_num_queries: Callable[..., object]):
    person = make.scientist()
    for number in range(30):
        tokens.make(by=person, name=f"token {number}", scopes=["read"])
    client = as_(person)
    with django_assert_max_num_queries(12):  # type: ignore[attr-defined]
        page = html(client)
    assert "token 29" in page
    assert "token 4<" not in page
    assert "token 4<" in html(client, f"{PAGE}?page=2")
