"""Oneself, tokens and notifications in the API."""

from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import AccessToken, Notification, User
from accounts.notifications import notify
from accounts.topics import Topic
from tests import make
from tests.rest import bearer, problem

pytestmark = pytest.mark.django_db
LIST = "/api/v1/me/notifications/"


@pytest.fixture
def person() -> User:
    return make.scientist(time_zone="Asia/Kolkata")


def test_notifications_are_listed_newest_first(client: Client, person: User):
    notify([person, make.admin()], "First.", about=Topic.WORK, url="/datasets/")
    notify([person], "Second.", about=Topic.WORK, url="/requests/")
    items = client.get(LIST, headers=bearer(person)).json()["items"]
    assert [(item["text"], item["url"], item["read_at"]) for item in items] == [
        ("Second.", "/requests/", None), ("First.", "/datasets/", None),
    ]  # fmt: skip
    assert set(items[0]) == {"id", "text", "url", "created_at", "read_at"}


def test_one_is_marked_as_read(client: Client, person: User):
    notify([person], "First.", about=Topic.WORK, url="/")
    notify([person], "Second.", about=Topic.WORK, url="/")
    headers = bearer(person)
    pk = Notification.objects.get(text="First.").pk
    read = client.post(f"{LIST}{pk}/read/", headers=headers)
    assert (read.status_code, read.json()["text"]) == (200, "First.")
    assert read.json()["read_at"].endswith("Z")
    texts = {
        state: [
            item["text"] for item in client.get(f"{LIST}?unread={state}", headers=headers).json()["items"]
        ]
        for state in ("true", "false")
    }
    assert texts == {"true": ["Second."], "false": ["First."]}
    again = client.post(f"{LIST}{pk}/read/", headers=headers).json()
    assert again == read.json()


def test_all_are_marked_as_read(client: Client, person: User):
    other = make.admin()
    notify([person, other], "First.", about=Topic.WORK, url="/")
    assert client.post(f"{LIST}read-all/", headers=bearer(person)).status_code == 204
    assert [item.user for item in Notification.objects.unread()] == [other]


def test_foreign_notifications_do_not_exist(client: Client, person: User):
    notify([make.admin()], "Theirs.", about=Topic.WORK, url="/")
    headers = bearer(person)
    for pk in (Notification.objects.get().pk, uuid4()):
        problem(client.post(f"{LIST}{pk}/read/", headers=headers), 404, "not_found")
    assert client.get(LIST, headers=headers).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", LIST),
        ("post", f"{LIST}read-all/"),
        ("post", f"{LIST}00000000-0000-4000-8000-000000000000/read/"),
    ],
)
def test_a_token_for_other_things_or_for_some_datasets(client: Client, person: User, method: str, path: str):
    """Notifications do not say which dataset they are about."""
    for headers in (bearer(person, "work"), bearer(person, dataset_ids=[uuid4()])):
        problem(getattr(client, method)(path, headers=headers), 403, "token_scope")


@pytest.mark.parametrize("query", ["unread=maybe", "unread=1", "unread=null", "text=x"])
def test_a_filter_that_is_not_right(client: Client, person: User, query: str):
    problem(client.get(f"{LIST}?{query}", headers=bearer(person)), 400, "invalid")


def test_a_token_reads_tokens_and_revokes_itself_alone(client: Client, person: User):
    headers, _ = bearer(person), bearer(person, "work")
    items = client.get("/api/v1/me/tokens/", headers=headers).json()["items"]
    assert [(item["scopes"], item["state"], item["origin"]) for item in items] == [
        (["work"], "live", "page"), (["read"], "live", "page"),
    ]  # fmt: skip
    assert all("secret" not in name for item in items for name in item)
    foreign, own = (f"/api/v1/me/tokens/{item['id']}/" for item in items)
    problem(client.delete(foreign, headers=headers), 403, "token_scope")
    assert client.get(foreign, headers=headers).json()["state"] == "live"
    assert client.delete(own, headers=headers).status_code == 204
    problem(client.get(own, headers=headers), 401, "token_revoked")


def test_a_session_revokes_tokens(client: Client, person: User):
    bearer(person)
    path = f"/api/v1/me/tokens/{AccessToken.objects.get().pk}/"
    client.force_login(person)
    assert client.delete(path).status_code == 204
    assert client.get(path).json()["state"] == "revoked"
    problem(client.delete(path), 409, "conflict")


def test_a_token_for_some_datasets_sees_only_itself(client: Client, person: User):
    bearer(person)
    other = AccessToken.objects.get()
    headers = bearer(person, dataset_ids=[uuid4()])
    (itself,) = client.get("/api/v1/me/tokens/", headers=headers).json()["items"]
    assert client.get(f"/api/v1/me/tokens/{itself['id']}/", headers=headers).json() == itself
    for method in (client.get, client.delete):
        problem(method(f"/api/v1/me/tokens/{other.pk}/", headers=headers), 404, "not_found")
    assert client.delete(f"/api/v1/me/tokens/{itself['id']}/", headers=headers).status_code == 204


def test_foreign_tokens_do_not_exist(client: Client, person: User):
    bearer(make.admin())
    foreign = AccessToken.objects.get().pk
    for pk in (foreign, uuid4()):
        for method in (client.get, client.delete):
            problem(method(f"/api/v1/me/tokens/{pk}/", headers=bearer(person)), 404, "not_found")


def test_times_are_in_utc_whoever_asks(client: Client, person: User):
    client.force_login(person)
    notify([person], "Now.", about=Topic.WORK, url="/")
    assert client.get(LIST).json()["items"][0]["created_at"].endswith("Z")


def test_topics_of_mail_are_read_and_chosen(client: Client, person: User):
    client.force_login(person)
    path = "/api/v1/me/"
    patch = lambda topics: client.patch(  # noqa: E731
        path, {"mail_topics": topics}, "application/json", headers={"If-Match": "*"}
    )
    assert client.get(path).json()["mail_topics"] == Topic.values
    assert patch(["comments", "work"]).json()["mail_topics"] == ["work", "comments"]
    for wrong in (["gossip"], "work", ["work"] * 5):
        problem(patch(wrong), 400, "invalid")
    assert patch([]).json()["mail_topics"] == []
