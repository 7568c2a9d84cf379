"""Somebody can write to Valkey. No byte of theirs becomes code, nothing fails, and no task does what a message says."""

import json
import os
import pickle
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgpack
import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from redis import Redis

from accounts.models import Mail
from portal.celery import app
from tests import make
from tests.crowd import Call, Socket, answers

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 60
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"csrftoken={'a' * 32}"}
FORGED = ['{"a":1}', "[1,2", '"text"', "1", "null", "[" * 100, b"\xff\xfe", "1:forged", "[1]:AAAA"]


class Bomb:
    """What makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def valkey():
    with closing(Redis.from_url(settings.REDIS_URL)) as client:
        yield client
        client.flushdb()


def sign_in(name: str) -> Call:
    body = f"csrfmiddlewaretoken={'a' * 32}&login={name}@weir.example&password=wrong".encode()
    return Call("/account/login/", method="POST", headers=FORM, body=body)


RESET = Call(
    "/account/password/reset/",
    method="POST",
    headers=FORM,
    body=f"csrfmiddlewaretoken={'a' * 32}&email=nobody@weir.example".encode(),
)
CALLS = [Call("/readyz"), Call("/account/login/"), RESET]


def until(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_bomb_of_these_tests_goes_off(tmp_path):
    """Otherwise they would show nothing."""
    pickle.loads(pickle.dumps(Bomb(tmp_path / "ran")))  # noqa: S301 -- that is the point
    assert (tmp_path / "ran").exists()


def test_what_lies_in_the_cache_is_not_believed(live, valkey, tmp_path):
    for value in [pickle.dumps(Bomb(tmp_path / "ran")), *FORGED]:
        answers(live.url, [sign_in("nobody"), *CALLS])
        keys = {key for key in valkey.keys(":1:*") if not key.endswith(b":lock")}
        assert keys != set()  # the rate limits of the sign-in
        time.sleep(1.1)  # or the last look at the servers would still be believed
        for key in {*keys, b":1:readyz"}:
            valkey.set(key, value)
        given = answers(live.url, [*CALLS, sign_in("nobody")])
        assert [each.status for each in given[:2]] == [200, 200]
        assert {each.status for each in given} <= {200, 302, 429}
        assert not (tmp_path / "ran").exists()


def test_a_foreign_value_counts_as_absent(valkey):
    for forged in FORGED:
        valkey.set(":1:a", forged)
        assert (cache.get("a", "absent"), cache.get_many(["a"])) == ("absent", {})
    valkey.delete(":1:a")
    valkey.rpush(":1:a", "a list")
    assert cache.get("a", "absent") == "absent"


@pytest.mark.usefixtures("valkey")
def test_what_the_portal_writes_comes_back():
    for value in [True, 7, 1.5, "text", None, [1, "two", [3.5]], {"a": {"b": []}}]:
        cache.set("b", value, 60)
        assert cache.get("b", "absent") == value
        assert cache.add("b", "another", 60) is False


@pytest.mark.usefixtures("valkey")
def test_what_json_would_change_is_not_written():
    for value in [(1, 2), {1, 2}, {1: 2}, b"bytes", float("nan"), Path("/")]:
        with pytest.raises((TypeError, ValueError)):
            cache.set("c", value, 60)
    assert cache.get("c", "absent") == "absent"


def test_foreign_messages_do_not_end_the_socket_that_hears_them(live, valkey, tmp_path):
    already_said = len(live.web.log.read_bytes())
    person = make.scientist()
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    page = Socket(live.url, Cookie=f"{settings.SESSION_COOKIE_NAME}={client.cookies['sessionid'].value}")
    assert page.status == 101
    page.say(json.dumps({"watch": [f"user:{person.pk}"]}))
    assert json.loads(page.hear()) == {"changed": f"user:{person.pk}"}
    channel = f"asgi__group__user.{person.pk}"
    hostile = [
        pickle.dumps(Bomb(tmp_path / "ran")),
        b"",
        b"\xc1",
        b"\x81" * 2000,
        *map(
            msgpack.packb,
            [
                1,
                [],
                {"type": "websocket.disconnect", "key": ""},
                {"type": "send.json", "key": "", "text": "forged"},
                {"type": "close", "key": ""},
                {"type": "object.changed"},
                {"type": "object.changed", "key": 7},
                {"type": "__class__", "key": ""},
            ],
        ),
    ]
    assert [valkey.publish(channel, message) for message in hostile] == [1] * len(hostile)
    valkey.publish(channel, msgpack.packb({"type": "object.changed", "key": f"user:{person.pk}"}))
    assert json.loads(page.hear()) == {"changed": f"user:{person.pk}"}
    page.close()
    assert not (tmp_path / "ran").exists()
    assert b"Traceback" not in live.web.log.read_bytes()[already_said:]


def message(body: bytes, content_type: str, task: str = "accounts.tasks.send_mail", **headers: Any) -> str:
    """As Celery would send it."""
    pk = str(uuid4())
    properties = {
        "correlation_id": pk,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "default"},
        "priority": 0,
        "body_encoding": None,
        "delivery_tag": pk,
    }
    return json.dumps(
        {
            "body": body.decode("latin1"),
            "content-encoding": "binary" if "python" in content_type else "utf-8",
            "content-type": content_type,
            "headers": {"lang": "py", "task": task, "id": pk, **headers},
            "properties": properties,
        }
    )


@pytest.mark.slow
def test_the_worker_takes_no_pickle_and_no_orders(live, valkey, tmp_path):
    bomb = pickle.dumps(Bomb(tmp_path / "ran"), protocol=0)
    for kind in ("application/x-python-serialize", "application/x-yaml", "application/x-msgpack", "x/y"):
        valkey.lpush("default", message(bomb, kind))
    valkey.lpush("default", message(b"[[], {}, {}]", "application/json", task="os.system"))
    assert app.control.ping(timeout=2) == []
    app.control.shutdown()
    Mail.objects.create(address="noor@weir.example", text="It still works.")
    app.send_task("accounts.tasks.send_mail", queue="default")
    until(lambda: not Mail.objects.exists())
    until(lambda: valkey.llen("default") == 0)
    assert live.worker.is_alive()
    assert not (tmp_path / "ran").exists()
    sent = [path.read_text() for path in Path(settings.STATE, "mail").iterdir()]
    assert [text for text in sent if "It still works." in text and "To: noor@weir.example" in text] != []
