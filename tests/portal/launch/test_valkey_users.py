"""The users of Valkey that deploy/ ships: with them everything works, and no process may do more than its own work."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings
from django.test import Client

from portal.launch.processes import Child, wait_until
from portal.launch.valkey import binary
from requests_app.models import Run
from tests.crowd import Call, Socket, answers
from tests.makers import requests as lane
from tests.serving import database_url, free_port, listens, web_command

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120
CELERY = [sys.executable, "-m", "celery", "-A", "portal.celery"]


@dataclass(frozen=True)
class Guarded:
    """A Valkey that knows its users, and the address of each."""

    folder: Path
    server: str

    def url(self, user: str) -> str:
        return (self.folder / f"redis_url_{user}").read_text().strip()

    def client(self, user: str) -> "redis.Redis":
        return redis.Redis.from_url(self.url(user))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("valkey")
    server = f"127.0.0.1:{free_port()}"
    command = [sys.executable, ROOT / "deploy" / "valkey" / "make-users", folder, "--server", server]
    subprocess.run(command, check=True)
    with (folder / "users.acl").open(
        "a"
    ) as users:  # for the test alone: somebody who may look at the log of refusals
        users.write("user admin on >admin ~* &* +@all\n")
    (folder / "redis_url_admin").write_text(f"redis://admin:admin@{server}/0")
    options = ["--port", server.rpartition(":")[2], "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    files = ["--aclfile", str(folder / "users.acl"), "--dir", str(folder)]
    child = Child("Valkey", [str(binary()), *options, *files], folder / "valkey.log")
    child.start()
    made = Guarded(folder, server)
    wait_until(lambda: _answers(made), child, seconds=30)
    yield made
    child.stop()


def _answers(made: Guarded) -> bool:
    with made.client("admin") as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


@pytest.fixture
def site(guarded, transactional_db, state):
    """Web server and workers, each as its own user."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    worker = [*CELERY, "worker", "-l", "info", "-c", "1"]
    clock = ["--beat", "--schedule", str(guarded.folder / "beat")]
    commands = {
        "web": web_command(port),
        "worker": [*worker, "-n", "worker@acl", "-Q", "default", "-P", "threads", *clock],
        "sandbox": [*worker, "-n", "sandbox@acl", "-Q", "sandbox"],
    }
    children = {}
    for user, command in commands.items():
        env = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "WEIR_BASE_URL": url,
            "REDIS_URL": guarded.url(user),
        }
        children[user] = Child(user, command, guarded.folder / f"{user}.log", env=env)
        children[user].start()
    try:
        for user in ("worker", "sandbox"):
            wait_until(
                lambda user=user: " ready." in children[user].log.read_text(),
                children[user],
                seconds=PATIENCE,
            )
        wait_until(lambda: listens(port), children["web"], seconds=PATIENCE)
        yield url
    finally:
        for child in children.values():
            child.signal_stop()
        for child in children.values():
            child.finish()


@pytest.mark.sandbox
@pytest.mark.slow
def test_everything_works_and_nobody_is_refused_anything(site, guarded):
    item = lane.code_request(at="approved")
    client = Client()
    client.force_login(item.author, backend="django.contrib.auth.backends.ModelBackend")
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    page = Socket(site, Cookie=cookie)
    assert page.status == 101
    run = lane.start(item)  # its bell rings in another Valkey: the clock rings this one's
    page.say(json.dumps({"watch": [f"run:{run.pk}"]}))
    assert json.loads(page.hear()) == {"changed": f"run:{run.pk}"}  # at once
    assert json.loads(page.hear()) == {"changed": f"run:{run.pk}"}  # said by a worker
    end = time.monotonic() + PATIENCE
    while lane.fresh_run(run).state in Run.LIVE and time.monotonic() < end:
        time.sleep(0.1)
    done = lane.fresh_run(run)
    assert (done.state, done.worker) == ("succeeded", "sandbox@acl")
    page.close()
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"csrftoken={'a' * 32}"}
    body = f"csrfmiddlewaretoken={'a' * 32}&login=nobody@weir.example&password=wrong".encode()
    sign_in = Call("/account/login/", method="POST", headers=form, body=body)
    assert [each.status for each in answers(site, [Call("/readyz"), sign_in])] == [200, 200]
    with guarded.client("admin") as admin:
        assert admin.acl_log() == []


CACHE, PRIVATE = ":1:readyz", "unacked:worker"
FORBIDDEN = [
    ("GET", CACHE),
    ("SET", CACHE, "x"),
    ("DEL", CACHE),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("CONFIG", "GET", "*"),
    ("EVAL", "return 1", "0"),
    ("SCRIPT", "LOAD", "return 1"),
    ("FUNCTION", "LIST"),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("RANDOMKEY",),
    ("DBSIZE",),
    ("INFO",),
    ("MONITOR",),
    ("CLIENT", "LIST"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("ACL", "LIST"),
    ("SHUTDOWN", "NOSAVE"),
    ("REPLICAOF", "127.0.0.1", "1"),
    ("SUBSCRIBE", "asgi__group__user.1"),
    ("PUBLISH", "somewhere", "x"),
    ("RPOP", "default"),
    ("LRANGE", "default", "0", "-1"),
    ("HGET", PRIVATE, "1"),
    ("HSET", PRIVATE, "1", "x"),
    ("MIGRATE", "127.0.0.1", "1", "sandbox", "0", "1"),
    ("DUMP", "sandbox"),
]


@pytest.mark.parametrize("command", FORBIDDEN, ids=" ".join)
def test_the_worker_beside_submitted_code_may_do_its_work_alone(guarded, command):
    with guarded.client("sandbox") as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)


@pytest.mark.parametrize(
    "command", [("PING",), ("LPUSH", "default", "{}"), ("LLEN", "sandbox")], ids=" ".join
)
def test_its_own_work_it_may_do(guarded, command):
    with guarded.client("sandbox") as client:
        client.execute_command(*command)
    with guarded.client("admin") as admin:
        admin.delete("default")


@pytest.mark.parametrize("user", ["web", "worker", "sandbox"])
@pytest.mark.parametrize(
    "command", [("FLUSHALL",), ("CONFIG", "GET", "*"), ("EVAL", "return 1", "0"), ("KEYS", "*")]
)
def test_nobody_administers_the_server(guarded, user, command):
    with guarded.client(user) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)


def test_nobody_comes_in_without_a_password(guarded):
    stranger = redis.Redis.from_url(f"redis://{guarded.server}/0")
    with stranger as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.get("default")


def test_passwords_are_not_overwritten_and_lie_in_no_readable_file(guarded):
    command = [sys.executable, ROOT / "deploy" / "valkey" / "make-users", guarded.folder]
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, "would be overwritten" in again.stderr) == (1, True)
    made = [guarded.folder / name for name in ("users.acl", "redis_url_web", "redis_url_sandbox")]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    password = urlsplit(guarded.url("sandbox")).password or ""
    assert len(password) == 64
    assert password not in (guarded.folder / "users.acl").read_text()


def test_whether_it_is_well_may_be_asked_and_nothing_else(guarded):
    with redis.Redis.from_url(f"redis://health:none@{guarded.server}/0") as client:
        assert client.execute_command("PING")
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.get("default")


@pytest.mark.parametrize(
    "path", sorted(path for path in (ROOT / "deploy").rglob("*") if path.is_file()), ids=str
)
def test_no_example_reaches_valkey_without_a_user_of_its_own(path):
    text = path.read_text()
    assert re.findall(r"rediss?://(?!\{?user)\S*", text) == []
    runs = re.findall(r"-Q[ \",]+(\w+)|(portal\.server)|(celery.*\bbeat\b)", text)
    users = set(re.findall(r"(?:redis_url_|secretName: weir-)(\w+)", text))
    if path.suffix in {".service", ".yaml"} and runs and path.name != "compose.yaml":
        [(queue, web, _beat)] = runs[:1]
        assert users == {"web" if web else "sandbox" if queue == "sandbox" else "worker"}
