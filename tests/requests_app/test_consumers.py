"""The live socket: groups only for what its person may see, asked again each time; it ends with the session."""

import asyncio
from importlib import import_module
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser

from accounts import services as accounts
from common import live
from requests_app import consumers, services
from requests_app.consumers import LiveConsumer
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING_COMES = 0.3


def session_of(user):
    store = import_module(django_settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return store


async def socket_of(user, *watch, refused=()):
    """A socket of a signed-in person that watches these keys and has been refused the `refused` ones."""
    session = await sync_to_async(session_of)(user)
    socket = WebsocketCommunicator(LiveConsumer.as_asgi(), "/ws/live/")
    socket.scope |= {"user": user, "session": session}
    accepted, _ = await socket.connect()
    assert accepted
    await socket.send_json_to({"watch": [*refused, *watch]})
    for key in watch:
        assert await socket.receive_json_from() == {"changed": key}
    return socket


async def said(socket, *, after):
    """The distinct keys that the socket reports after `after` has been called."""
    await sync_to_async(after)()
    keys = set()
    while not await socket.receive_nothing(timeout=NOTHING_COMES):
        message = await socket.receive_json_from()
        assert set(message) == {"changed"}
        keys.add(message["changed"])
    return keys


async def test_nobody_who_has_not_signed_in_gets_a_socket():
    socket = WebsocketCommunicator(LiveConsumer.as_asgi(), "/ws/live/")
    socket.scope |= {"user": AnonymousUser(), "session": None}
    assert await socket.connect() == (False, consumers.NOT_SIGNED_IN)


async def test_a_change_of_what_one_watches_is_told_by_its_key():
    item = await sync_to_async(make.code_request)(at="submitted")
    socket = await socket_of(item.author, f"request:{item.pk}")
    version = made.version(item)
    keys = await said(socket, after=lambda: services.begin_review(version, by=item.dataset.owner))
    assert keys == {f"request:{item.pk}", f"user:{item.author.pk}"}
    await socket.disconnect()


async def test_watching_twice_is_watching_once():
    person = await sync_to_async(make.scientist)()
    socket = await socket_of(person, f"user:{person.pk}")
    await socket.send_json_to({"watch": [f"user:{person.pk}"]})
    assert await socket.receive_nothing(timeout=NOTHING_COMES)
    await socket.disconnect()


async def test_ones_own_bell_is_watched_from_the_start():
    item = await sync_to_async(make.code_request)(at="submitted")
    socket = await socket_of(item.author)
    keys = await said(socket, after=lambda: made.approve(made.version(item)))
    assert keys == {f"user:{item.author.pk}"}
    await socket.disconnect()


async def test_a_stranger_watches_nothing_whatever_keys_are_sent():
    item = await sync_to_async(make.code_request)(at="approved")
    run = await sync_to_async(made.start)(item)
    stranger = await sync_to_async(make.scientist)()
    keys = [f"request:{item.pk}", f"run:{run.pk}", f"user:{item.author.pk}", "workers", "run:x", "odd", 7]
    socket = await socket_of(stranger, f"user:{stranger.pk}", refused=keys)

    def everything():
        services.cancel_run(run, by=item.author)
        live.changed("workers", "all")

    assert await said(socket, after=everything) == set()
    await socket.disconnect()


async def test_who_may_not_see_it_any_more_is_told_nothing():
    item = await sync_to_async(make.code_request)(at="submitted")
    seat = await sync_to_async(make.reviewer)(item.dataset)
    socket = await socket_of(seat.user, f"request:{item.pk}")

    def lose_the_seat_then_something_happens():
        seat.delete()
        services.begin_review(made.version(item), by=item.dataset.owner)

    assert await said(socket, after=lose_the_seat_then_something_happens) == set()
    await socket.disconnect()


async def test_a_suspension_ends_the_socket():
    person, admin = await sync_to_async(make.scientist)(), await sync_to_async(make.admin)()
    socket = await socket_of(person)
    await sync_to_async(accounts.suspend)(person, by=admin, reason="An incident.")
    assert await socket.receive_json_from() == {"ended": True}
    assert (await socket.receive_output())["code"] == consumers.NOT_SIGNED_IN


async def test_a_session_that_ended_elsewhere_ends_the_socket_at_the_next_news():
    item = await sync_to_async(make.code_request)(at="submitted")
    socket = await socket_of(item.author, f"request:{item.pk}")
    await sync_to_async(socket.scope["session"].flush)()
    await get_channel_layer().group_send(
        f"request.{item.pk}", {"type": "object.changed", "key": f"request:{item.pk}"}
    )
    assert await socket.receive_json_from() == {"ended": True}


@pytest.mark.parametrize("text", ["[1]", "{", '{"watch": 3}', '"x"', "x" * 20_000])
async def test_odd_messages_are_ignored(text):
    socket = await socket_of(await sync_to_async(make.scientist)())
    await socket.send_to(text_data=text)
    await socket.send_to(bytes_data=b"\x00")
    assert await socket.receive_nothing(timeout=NOTHING_COMES)
    await socket.disconnect()


@pytest.mark.parametrize(
    ("who", "sees"),
    [("author", True), ("owner", True), ("admin", True), ("auditor", True), ("stranger", False)],
)
def test_who_may_watch_a_run_on_private_data(who, sees):
    item = make.code_request(at="approved")
    run = made.start(item)
    people = {
        "author": lambda: item.author,
        "owner": lambda: item.dataset.owner,
        "admin": make.admin,
        "auditor": make.auditor,
        "stranger": make.scientist,
    }
    person = people[who]()
    assert consumers.may_watch(person.pk, f"run:{run.pk}") is sees
    assert consumers.may_watch(person.pk, f"request:{item.pk}") is sees
    assert consumers.may_watch(person.pk, "workers") is (who in ("admin", "auditor"))


def test_nobody_watches_for_somebody_who_is_gone():
    assert consumers.may_watch(uuid4(), "workers") is False
    assert consumers.is_signed_in(None) is False


async def test_a_socket_watches_a_bounded_number_of_keys(monkeypatch):
    monkeypatch.setattr(consumers, "WATCHED", 2)
    item = await sync_to_async(make.code_request)(at="submitted")
    socket = await socket_of(item.author, f"dataset:{item.dataset.pk}", f"user:{item.author.pk}")
    await socket.send_json_to({"watch": [f"request:{item.pk}"]})
    assert await socket.receive_nothing(timeout=NOTHING_COMES)
    await socket.disconnect()


async def told(socket, *, age, key):
    """What a socket that begins to watch is told, for a page of that age."""
    await socket.send_json_to({"watch": [key], "age": age})
    heard = [] if await socket.receive_nothing(timeout=NOTHING_COMES) else [await socket.receive_json_from()]
    await socket.disconnect()
    return heard


async def test_a_page_younger_than_the_last_change_is_told_nothing():
    item = await sync_to_async(make.code_request)(at="submitted")
    key = f"request:{item.pk}"
    await asyncio.sleep(consumers.SLACK + 0.5)
    assert await told(await socket_of(item.author), age=0.1, key=key) == []
    await sync_to_async(live.changed)("request", item.pk)
    assert await told(await socket_of(item.author), age=0.1, key=key) == [{"changed": key}]
    await asyncio.sleep(consumers.SLACK + 0.5)
    assert await told(await socket_of(item.author), age=3, key=key) == [{"changed": key}]
    assert await told(await socket_of(item.author), age=0.1, key=key) == []


@pytest.mark.parametrize("age", [None, "0", -1, live.LATELY, 1e300, [0.1]], ids=str)
async def test_a_page_that_does_not_know_its_age_is_told_of_all(age):
    person = await sync_to_async(make.scientist)()
    dataset = await sync_to_async(make.dataset)()
    await sync_to_async(make.grant)(dataset, person)
    assert await told(await socket_of(person), age=age, key=f"dataset:{dataset.pk}") != []
