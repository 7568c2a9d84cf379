"""Who received anything derived from a dataset: one of each way out is taken, and each is found with its receiver."""

import csv
import io

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import User
from audit import log
from audit.actions import ACTIONS, RECEIVED
from datasets import execution
from datasets import services as data
from datasets.models import Dataset, Upload
from datasets.services import inspection, uploads
from privacy import services
from privacy.execution import lifecycle
from requests_app.models import Output, Run
from requests_app.services import outputs, releases
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE, current

pytestmark = pytest.mark.django_db
OF_NO_DATASET = {"joint.released"}
"""What comes of several portals together: what left each dataset is the part that its portal sent."""


def received(dataset: Dataset) -> set[tuple[str, str]]:
    """What an auditor's search for this dataset lists: (action, address of the receiver)."""
    client = Client()
    client.force_login(make.auditor())
    answer = client.get("/audit/", {"dataset": str(dataset.pk), "received": "on"})
    return {(line.entry.action, line.receiver) for line in answer.context["lines"]}


def code_leaves(dataset: Dataset) -> tuple[User, Output]:
    """Take each way in which files and logs of a run reach somebody; return the author and the released file."""
    owner = dataset.owner
    item = make.code_request(at="ran", dataset=dataset)
    output, run = Output.objects.get(run__request=item), Run.objects.get(request=item)
    outputs.open_held(output, by=owner)
    outputs.open_held_download(output, by=owner)
    outputs.open_log(run, by=owner)
    outputs.open_log(run, by=owner, download=True)
    releases.set_verdict(output, by=owner, verdict="release")
    release = releases.decide(run.release, by=owner, decision="release")
    outputs.open_released(output, by=item.author)
    releases.recall(release, by=owner, reason="A cell was too small.")
    return item.author, output


def an_answer_leaves(dataset: Dataset) -> User:
    scientist = make.scientist()
    make.grant(dataset, scientist)
    promise = services.protect(
        dataset, by=dataset.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=1
    )
    budget = services.give_budget(promise, scientist, by=dataset.owner, epsilon=40)
    lifecycle.compute(str(shares.answer(budget, epsilon=5.0).pk))
    services.note_export(promise, by=dataset.owner, wanted={})
    return scientist


def look_at_a_new_file(dataset: Dataset) -> None:
    draft = data.new_revision(dataset, by=dataset.owner, note="More years.")
    content = b"person,wage\n1,5\n2,6\n"
    item = uploads.begin(draft, by=dataset.owner, file_name="more.csv", size=len(content))
    uploads.receive(item, by=dataset.owner, offset=0, chunk=content)
    execution.read_upload(item.pk)
    uploads.look(Upload.objects.get(pk=item.pk), by=dataset.owner, reading={})


def test_each_way_out_is_listed_with_its_receiver() -> None:
    dataset = make.dataset(policy={"held_downloads": True})
    owner = dataset.owner
    author, _ = code_leaves(dataset)
    scientist = an_answer_leaves(dataset)
    inspection.rows(current(dataset).tables.get(), by=owner, first=0)
    look_at_a_new_file(dataset)
    log.record("leg.sent", by=scientist, on=dataset, dataset_id=dataset.pk, person_id=scientist.pk)
    other = make.dataset()
    inspection.rows(current(other).tables.get(), by=other.owner, first=0)
    assert received(dataset) == {
        ("answer.released", scientist.email),
        ("ledger.exported", owner.email),
        ("leg.sent", scientist.email),
        ("log.download", owner.email),
        ("log.view", owner.email),
        ("output.download", author.email),
        ("output.download_held", owner.email),
        ("output.view", owner.email),
        ("release.recall", author.email),
        ("release.release", author.email),
        ("rows.view", owner.email),
        ("upload.view", owner.email),
    }
    assert {action for action, _ in received(dataset)} == RECEIVED - OF_NO_DATASET


def test_no_reader_is_led_to_a_page_that_is_not_theirs() -> None:
    dataset = make.dataset(policy={"held_downloads": True})
    author, _ = code_leaves(dataset)
    scientist = an_answer_leaves(dataset)
    for reader in (make.admin(), make.auditor(), dataset.owner, author, scientist):
        client = Client()
        client.force_login(reader)
        urls = {line.url for line in client.get("/audit/").context["lines"]} - {""}
        assert urls
        opened = {url: client.get(url, follow=True).status_code for url in sorted(urls)}
        assert set(opened.values()) == {200}, (reader, opened)


def test_the_export_names_receivers_too() -> None:
    dataset = make.dataset(policy={"held_downloads": True})
    author, _ = code_leaves(dataset)
    client = Client()
    client.force_login(make.auditor())
    answer = client.post("/audit/export/", {"dataset": str(dataset.pk), "received": "on"})
    rows = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))  # type: ignore[attr-defined]
    receivers = {row["action"]: row["receiver"] for row in rows}
    assert receivers["release.release"] == receivers["output.download"] == author.email
    assert receivers["log.view"] == dataset.owner.email


def test_what_is_not_in_the_list_of_actions_is_not_recorded() -> None:
    """So nobody adds a way out without saying who receives something by it."""
    person = make.scientist()
    with pytest.raises(ValueError, match=r"audit/actions.py"), transaction.atomic():
        log.record("output.leak", by=person, on=person)


def test_each_action_has_words_of_its_own() -> None:
    words = [action.words for action in ACTIONS.values()]
    assert len(words) == len(set(words))
    assert list(ACTIONS) == sorted(ACTIONS)
