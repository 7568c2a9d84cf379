"""The REST API: lists and details against bare Django views with the same queries, waiting, and streams of events."""

import json
import socket
import statistics
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, include, path, reverse

from accounts import secrets
from accounts.models import AccessToken, User
from benchmarks.browser import Program
from benchmarks.measuring import Goal, Measure, Of, Took, peak_memory_mb, percentile, took
from benchmarks.parts.pages import fill
from benchmarks.parts.privacy import QUESTION, WAIT, budget_over
from benchmarks.surroundings import web_server, worker
from common.rest import rates
from common.rest.lists import LIMIT
from datasets import queries
from datasets import rules as dataset_rules
from datasets.models import Dataset
from portal.api.live import EVENTS, STREAMS_EACH
from privacy.models import Answer, Budget
from requests_app import rules, workflow
from requests_app.models import CodeRequest
from tests import make
from tests.makers import datasets as made_datasets
from tests.makers import requests as made
from tests.rest import bearer

Json = dict[str, Any]
OF_DATASET = (
    "id", "name", "title", "summary", "state", "discoverable", "created_at", "is_reviewer", "is_granted", "is_asked",
)  # fmt: skip
POLICY = (
    "reviewers_needed", "blinded", "max_runs", "approval_days", "wall_seconds", "memory_mb", "threshold",
    "run_isolation", "end_step_seconds",
)  # fmt: skip
OF_REQUEST = ("id", "title", "state", "created_at", "state_changed_at")
MORE_OF_REQUEST = ("dataset__owner", "author", "latest__approval", "latest__revision")
ASKED_AGAIN = 0.01
"""Seconds between the looks of a program that does not let the portal wait for it."""


def measures(chosen: Namespace) -> Iterator[Measure]:
    yield from reading(20 if chosen.quick else 300, 200 if chosen.quick else 10_000)
    yield from streams(20 if chosen.quick else 200)
    yield from waiting(5_000 if chosen.quick else 10**6, 3 if chosen.quick else 25)


# Lists and details


def bare(view: Callable[..., Json]) -> Callable[..., JsonResponse]:
    """Make a view of a function: with the query that finds whose token it is, and nothing else of the API."""

    @login_not_required
    def answered(request: HttpRequest, **kwargs: Any) -> JsonResponse:
        secret = request.headers["Authorization"].removeprefix("Bearer ")
        token = AccessToken.objects.select_related("owner").get(secret_hash=secrets.digest(secret))
        return JsonResponse(view(token.owner, **kwargs))

    return answered


def some(item: object, names: tuple[str, ...]) -> Json:
    return {name: getattr(item, name) for name in names}


def dataset_line(item: Dataset, user: User) -> Json:
    return {**some(item, OF_DATASET), "owner": str(item.owner), "is_own": item.owner == user}


@bare
def bare_datasets(user: User) -> Json:
    rows = list(queries.datasets(user).order_by("-created_at", "-pk")[: LIMIT + 1])
    return {"items": [dataset_line(each, user) for each in rows[:LIMIT]]}


@bare
def bare_dataset(user: User, pk: UUID) -> Json:
    item = queries.datasets(user).get(pk=pk)
    revision, terms, reviews = item.current, item.terms, dataset_rules.is_reviewer(user, item) is None
    return {
        **dataset_line(item, user),
        **some(item, ("description", "state_reason")),
        "revision": None if revision is None else revision.number,
        "terms": None if terms is None else terms.number,
        "policy": {**some(item, POLICY), "held_downloads": item.held_downloads if reviews else None},
    }


def request_line(item: CodeRequest) -> Json:
    return {
        **some(item, OF_REQUEST),
        "turn": str(workflow.TURN["request"][item.state]),
        "dataset": some(item.dataset, ("id", "name", "title")),
        "author": some(item.author, ("id", "name", "email")),
        "latest": None if item.latest is None else some(item.latest, ("id", "number")),
    }


@bare
def bare_requests(user: User) -> Json:
    related = CodeRequest.objects.known_to(user).select_related("dataset", "author", "latest")
    rows = list(related.order_by("-created_at", "-pk")[: LIMIT + 1])
    return {"items": [request_line(each) for each in rows[:LIMIT]]}


@bare
def bare_request(user: User, pk: UUID) -> Json:
    item = CodeRequest.objects.known_to(user).select_related(*MORE_OF_REQUEST).get(pk=pk)
    draft = {
        **some(item, ("code", "parameters", "purpose", "context", "outputs", "environment")),
        "number": item.draft_number,
        "saved_at": item.draft_saved_at,
    }
    approval = rules.live_approval(item)
    return {**request_line(item), "state_reason": item.state_reason, "approval": approval, "draft": draft}


urlpatterns: list[URLPattern | URLResolver] = [
    path("bare/datasets/", bare_datasets),
    path("bare/datasets/<uuid:pk>/", bare_dataset),
    path("bare/requests/", bare_requests),
    path("bare/requests/<uuid:pk>/", bare_request),
    path("", include("portal.urls")),
]


def reading(rounds: int, requests: int) -> Iterator[Measure]:
    owner, author = make.owner(), make.scientist()
    several = [made_datasets.dataset(owner=owner) for _ in range(LIMIT + 10)]
    for each in several:
        made_datasets.grant(each, author)
    item = made.code_request(at="submitted", dataset=several[-1], author=author, reviewer=owner)
    fill(item, requests, [author, *(make.scientist() for _ in range(19))])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    header = bearer(author)
    dataset, one = several[-1].pk, item.pk
    for name, ours, floor in (
        (f"{LIMIT} datasets", reverse("api:datasets"), "/bare/datasets/"),
        ("one dataset", reverse("api:dataset", args=[dataset]), f"/bare/datasets/{dataset}/"),
        (f"{LIMIT} requests", reverse("api:requests"), "/bare/requests/"),
        ("one request", reverse("api:request", args=[one]), f"/bare/requests/{one}/"),
    ):
        yield from read(name, (ours, floor), header, rounds)


def read(name: str, urls: tuple[str, str], header: Json, rounds: int) -> Iterator[Measure]:
    client = Client(SERVER_NAME="127.0.0.1", headers=header)
    ours, floor = (partial(get, client, url) for url in urls)
    with override_settings(ROOT_URLCONF="benchmarks.parts.api"):
        check_same(ours(), floor())
        pairs = [(took(ours), took(floor)) for _ in range(rounds)]
        with CaptureQueriesContext(connection) as own:
            ours()
        with CaptureQueriesContext(connection) as few:
            floor()
    yield ratio(f"{name}, p50", pairs, 0.5, 1.6)
    yield ratio(f"{name}, p99", pairs, 0.99, 2)
    yield Measure(
        name="  its queries", ours=len(own), unit="", floor=len(few), goal=Goal(limit=1, of=Of.RATIO)
    )


def get(client: Client, url: str) -> Json:
    rates.counts.clear()  # nobody may read as often as this
    answer = client.get(url)
    if answer.status_code != 200:
        raise RuntimeError(f"{url} answered {answer.status_code}.")
    found: Json = json.loads(answer.content)
    return found


def check_same(ours: Json, floor: Json) -> None:
    """Raise unless the bare view sends what the API sends, but for the address of the next page."""
    same = {name: comparable(value) for name, value in ours.items() if name != "next"}
    other = {name: comparable(value) for name, value in floor.items()}
    if same != other:
        different = {name for name in {*same, *other} if same.get(name) != other.get(name)}
        raise RuntimeError(f"The bare view sends other {', '.join(sorted(different))}.")


def comparable(value: Any) -> Any:
    """Return a value with its times cut to milliseconds, as Django's own JSON has them."""
    if isinstance(value, dict):
        return {name: comparable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    if isinstance(value, str) and value[4:5] == "-" and value.endswith("Z"):
        return datetime.fromisoformat(value).replace(microsecond=0)
    return value


def ratio(name: str, pairs: list[tuple[Took, Took]], share: float, limit: float) -> Measure:
    walls, floors = ([each.wall for each in side] for side in zip(*pairs, strict=True))
    own, other = (statistics.median(each.cpu for each in side) for side in zip(*pairs, strict=True))
    return Measure(
        name=name,
        ours=percentile(walls, share),
        floor=percentile(floors, share),
        goal=Goal(limit=limit, of=Of.RATIO),
        cpu=own if share == 0.5 else None,
        floor_cpu=other if share == 0.5 else None,
    )


# Streams


def streams(count: int) -> Iterator[Measure]:
    """Open streams of events, each about its own person, and see what the web server keeps for them."""
    with web_server() as (port, child):
        pid = child.process.pid if child.process else 0
        warm = [stream for _ in range(4) for stream in streams_of(make.scientist(), port)]
        for stream in warm:
            stream.close()
        time.sleep(1)
        before = peak_memory_mb(pid)
        people = [make.scientist() for _ in range(count // STREAMS_EACH)]
        opened = [stream for person in people for stream in streams_of(person, port)]
        each = (peak_memory_mb(pid) - before) / len(opened) * 1024
        yield Measure(
            name=f"{len(opened)} streams of events, memory each", ours=each, unit="kB", goal=Goal(limit=80)
        )
        yield Measure(
            name="  connections of the web server to Postgres",
            ours=connections(),
            unit="",
            goal=Goal(limit=10),
        )
        for stream in opened:
            stream.close()


def streams_of(person: User, port: int) -> list[socket.socket]:
    """Open as many streams as a person may have."""
    header = bearer(person)["Authorization"]
    return [stream_of(f"user:{person.pk}", header, port) for _ in range(STREAMS_EACH)]


def stream_of(key: str, header: str, port: int) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port), timeout=60)
    lines = [
        f"GET {EVENTS}?about={key} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Authorization: {header}",
        "Accept: text/event-stream",
    ]
    wire.sendall("\r\n".join([*lines, "", ""]).encode())
    heard = b""
    while b"data: " not in heard:
        part = wire.recv(65_536)
        if not part:
            raise RuntimeError(heard.decode(errors="replace"))
        heard += part
    return wire


def connections() -> int:
    """Return how many connections to this database there are besides our own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        (found,) = cursor.fetchone()
    return int(found)


# Waiting


def waiting(rows: int, rounds: int) -> Iterator[Measure]:
    """Ask questions that the portal answers when they are ready; in turns with some that are asked for again."""
    budget = budget_over(rows)
    header = bearer(budget.scientist, "read", "ask")
    with web_server() as (port, _), worker("default", hands=1):
        program = Program(port, header)
        ask, ask_again = partial(asked, program, budget), partial(asked_again, program, budget)
        ask(0), ask_again(1)
        pairs = [(took(partial(ask, 2 * number)), took(partial(ask_again, 2 * number + 1)))
                 for number in range(1, rounds + 1)]  # fmt: skip
        one = Answer.objects.latest("created_at")
        look = statistics.median(took(partial(program.ask_json, "GET", reverse("api:answer", args=[one.pk]))).wall
                                 for _ in range(10))  # fmt: skip
    due = statistics.median(
        (visible - begun).total_seconds() * 1e3
        for begun, visible in Answer.objects.values_list("begun_at", "visible_at")[: 2 * rounds]
    )
    held, again = (statistics.median(each.wall for each in side) for side in zip(*pairs, strict=True))
    name = f"a question with {WAIT}, {rows:,} rows, p50"
    yield Measure(
        name=name,
        ours=held,
        floor=again,
        goal=Goal(limit=1.1, of=Of.RATIO),
        note="floor: asking again every 10 ms",
    )
    yield Measure(
        name="  beyond its public time", ours=held - due, note=f"{due:.0f} ms; one look takes {look:.0f} ms"
    )


def question(number: int) -> Json:
    return {"sql": QUESTION.replace("?", str(1000 + number)), "epsilon": 0.01}


def asked(program: Program, budget: Budget, number: int) -> None:
    url = reverse("api:budget_answers", args=[budget.pk])
    answer = program.ask_json("POST", url, question(number), Prefer=WAIT)
    if answer["state"] != "released":
        raise RuntimeError(f"The answer is {answer['state']}.")


def asked_again(program: Program, budget: Budget, number: int) -> None:
    answer = program.ask_json("POST", reverse("api:budget_answers", args=[budget.pk]), question(number))
    end = time.monotonic() + 60
    while answer["state"] == "pending" and time.monotonic() < end:
        time.sleep(ASKED_AGAIN)
        answer = program.ask_json("GET", reverse("api:answer", args=[answer["id"]]))
    if answer["state"] != "released":
        raise RuntimeError(f"The answer is {answer['state']}.")
