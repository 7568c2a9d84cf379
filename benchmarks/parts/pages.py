"""Server time and SQL queries of the busiest pages, with 10^4 requests in the database and a 2,000-line file."""

import copy
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import uuid4

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, include, path, reverse

from accounts.models import User
from benchmarks.measuring import Goal, Measure, compared, versus
from requests_app.models import CodeRequest, Version
from tests import make
from tests.makers import datasets as made_datasets
from tests.makers import requests as made

LINES = 2000
State = CodeRequest.State
STATES = (State.SUBMITTED, State.IN_REVIEW, State.CHANGES_REQUESTED, State.REJECTED, State.WITHDRAWN)


def bare(request: HttpRequest) -> HttpResponse:
    """Measure the floor: a page that authenticates the person and does nothing else."""
    return HttpResponse(str(request.user.pk))


urlpatterns: list[URLPattern | URLResolver] = [path("bare/", bare), path("", include("portal.urls"))]


def measures(chosen: Namespace) -> Iterator[Measure]:
    rounds = 5 if chosen.quick else 21
    owner, author = make.owner(), make.scientist()
    dataset = made_datasets.dataset(owner=owner)
    item = long_request(dataset, owner, author)
    fill(item, 500 if chosen.quick else 10_000, [author, *(make.scientist() for _ in range(19))])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    version = made.version(item)
    pages = {
        "inbox of the owner": (owner, reverse("inbox")),
        "inbox of a scientist": (author, reverse("inbox")),
        "list of the owner": (owner, reverse("requests:list")),
        "list, searched": (owner, reverse("requests:list") + "?q=wage&whose=to_review"),
        "list of the auditor": (make.auditor(), reverse("requests:list")),
        "request of the author": (author, reverse("requests:detail", args=[item.pk])),
        f"review, {LINES} lines": (owner, reverse("requests:review", args=[version.pk])),
        f"review, {LINES} lines side by side": (
            owner,
            reverse("requests:review", args=[version.pk]) + "?view=split",
        ),
    }
    for name, (user, url) in pages.items():
        yield from page(name, user, url, rounds)


def page(name: str, user: User, url: str, rounds: int) -> Iterator[Measure]:
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    with override_settings(ROOT_URLCONF="benchmarks.parts.pages"):
        ours, floor = compared(partial(get, client, url), partial(get, client, "/bare/"), rounds)
        with CaptureQueriesContext(connection) as queries:
            size = len(get(client, url).content)
        with CaptureQueriesContext(connection) as few:
            get(client, "/bare/")
    yield versus(name, ours, floor, Goal(limit=100), note=f"{size / 1024:.0f} kB")
    yield Measure(name="  its queries", ours=len(queries), unit="", floor=len(few), goal=Goal(limit=10))


def get(client: Client, url: str) -> Any:
    answer = client.get(url)
    if answer.status_code != 200:
        raise RuntimeError(f"{url} answered {answer.status_code}.")
    return answer


def long_request(dataset: Any, owner: User, author: User) -> CodeRequest:
    """Create a request whose first version was sent back and whose second, of 2,000 lines, awaits review."""
    item = made.code_request(
        at="changes_requested", dataset=dataset, author=author, reviewer=owner, code=code(0)
    )
    item = made.fresh(item)
    made.services.save_draft(item, by=author, number=item.draft_number, code=code(7))
    made.submission(made.fresh(item))
    return made.fresh(item)


def code(step: int) -> str:
    """Return lines of a plausible script; every `step`-th line depends on `step`."""
    body = [
        f"    total += wages['wage'].sum() * {n + (step if step and n % step == 0 else 0)}"
        for n in range(LINES - 3)
    ]
    return "\n".join(["def main(wages):", "    total = 0.0", *body, "    return {'total': total}"]) + "\n"


def fill(item: CodeRequest, count: int, authors: list[User]) -> None:
    """Create copies of a request and its version in bulk: only their number matters."""
    first = made.version(item)
    rows, versions = [], []
    for number in range(count):
        row, version = copy.copy(item), copy.copy(first)
        row.pk, row.author, row.latest = uuid4(), authors[number % len(authors)], None
        row.title, row.state, row.code = f"Mean wage {number}", STATES[number % len(STATES)], made.CODE
        version.pk, version.key, version.request_id, version.number = uuid4(), uuid4(), row.pk, 1
        version.code = made.CODE
        rows.append(row)
        versions.append(version)
    CodeRequest.objects.bulk_create(rows, batch_size=1000)
    Version.objects.bulk_create(versions, batch_size=1000)
    for row, version in zip(rows, versions, strict=True):
        row.latest = version
    CodeRequest.objects.bulk_update(rows, ["latest"], batch_size=1000)
