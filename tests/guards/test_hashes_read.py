"""Nobody finds a plain hash of private content in what they can read: it could be tried out, one guess at a time."""

import base64
import hashlib
import json
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Entry
from datasets import execution as reading
from datasets import services, storage
from datasets.services import uploads
from privacy.execution import lifecycle as answering
from requests_app.models import CodeRequest, Run
from tests import make
from tests.guards.pages import every_page
from tests.makers import privacy as shares
from tests.makers.datasets import SECRET_WAGE, WAGE_COLUMNS, wage_rows
from tests.makers.requests import WritesOutputs

HELD = b'{"held": 31337.25}'
SHOWN = 10
"""So many characters of a hash are enough to try guesses: pages shorten them."""


def source() -> bytes:
    rows = wage_rows().to_pylist()
    return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows), ""]).encode()


@pytest.fixture
def world():
    """A table's whole way: uploaded, published, kept, run over with one output held and one released, asked about."""
    dataset = make.dataset(published=False)
    uploads.remove_table(make.draft(dataset).tables.get(), by=dataset.owner)
    content = source()
    upload = uploads.begin(make.draft(dataset), by=dataset.owner, file_name="wages.csv", size=len(content))
    uploads.receive(upload, by=dataset.owner, offset=0, chunk=content)
    reading.read_upload(upload.pk)
    services.declare(make.draft(dataset).tables.get(), by=dataset.owner, columns=WAGE_COLUMNS)
    services.publish(dataset, by=dataset.owner)
    dataset.refresh_from_db()
    make.code_request(dataset=dataset, at="ran", executor=WritesOutputs({"held.json": HELD}))
    make.code_request(dataset=dataset, at="released")
    make.reviewer(dataset)
    share = shares.budget(shares.promise(dataset))
    make.grant(dataset, share.scientist)
    answer = shares.answer(share, epsilon=0.5)
    answering.compute(str(answer.pk))
    services.new_revision(dataset, by=dataset.owner, note="")
    uploads.keep_table(make.current(dataset).tables.get(), by=dataset.owner)
    dataset.refresh_from_db()
    return dataset


def private(dataset) -> dict[str, bytes]:
    table = make.current(dataset).tables.get()
    cells = {
        f"cell {value}": str(value).encode() for row in wage_rows().to_pylist()[:8] for value in row.values()
    }
    return cells | {
        "source": source(),
        "table": storage.open_for_owner(table, by=dataset.owner).read_bytes(),
        "held": HELD,
        "held value": b"31337.25",
        "wage": str(SECRET_WAGE).encode(),
        "log": b"a private line",
    }


def hashes(content: bytes) -> Iterator[str]:
    for name in ("sha256", "sha1", "md5", "blake2b", "sha512", "sha3_256"):
        found = hashlib.new(name, content).digest()
        yield found.hex()[:SHOWN]
        yield base64.b64encode(found).decode()[:SHOWN]
        yield base64.urlsafe_b64encode(found).decode()[:SHOWN]


def everything_read(dataset) -> Iterator[tuple[str, str]]:
    """(where, text): the audit log, and what each kind of person gets from every page about what there is here."""
    for entry in Entry.objects.all():
        yield f"entry {entry.action}", f"{entry.payload} {entry.changes} {entry.detail}"
    item = CodeRequest.objects.filter(dataset=dataset).first()
    reviewer = dataset.reviewers.first().user
    for who in (dataset.owner, item.author, reviewer, make.admin(), make.auditor(), make.scientist()):
        client = Client(raise_request_exception=False)
        client.force_login(who)
        for page in every_page():
            for pk in page.objects() if page.takes_an_object else [UUID(int=0)]:
                answer = client.get(page.path(uuid=pk))
                body = b"".join(answer) if answer.streaming else answer.content
                yield f"{who.name} {page.route}", f"{dict(answer.headers)} {body.decode(errors='replace')}"


@pytest.mark.django_db
@pytest.mark.slow
def test_no_hash_of_private_content_is_read_by_anybody(world):
    wanted = {text: name for name, content in private(world).items() for text in hashes(content)}
    found, read = set(), 0
    for where, text in everything_read(world):
        read += len(text)
        found |= {(where, name) for each, name in wanted.items() if each in text}
    assert read > 1_000_000
    assert found == set()


@pytest.mark.django_db
def test_the_search_finds_what_it_should(world):
    """A released file's own hash is public, and is found where it belongs: the search is not blind."""
    run = Run.objects.get(request__dataset=world, release__state="released")
    client = Client()
    client.force_login(run.request.author)
    page = client.get(reverse("requests:run", args=[run.pk])).content.decode()
    content = storage.output_path(run.pk, "result.json").read_bytes()
    assert next(hashes(content)) in page
    assert json.loads(content) == {"mean_wage": 1507.5}
