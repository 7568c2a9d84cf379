"""Receipts of releases: the author's record with the proof, for those who read the hashes of the files."""

import json
from typing import Any

import pytest

from accounts.models import User
from audit.models import LogKey
from datasets import storage
from datasets.models import Dataset
from requests_app.models import Release
from requests_app.outputs import release_record
from requests_app.services import releases
from tests import make
from tests.makers.audit import checkpoint
from tests.requests_app.api.calls import As
from tests.rest import problem
from weir import notes
from weir.checks import all_hold
from weir.pins import Pins
from weir.receipts import Receipt

pytestmark = pytest.mark.django_db


def released(**policy: Any) -> tuple[Release, str]:
    dataset = make.dataset()
    Dataset.objects.filter(pk=dataset.pk).update(**policy)
    item = make.code_request(at="released", dataset=Dataset.objects.get(pk=dataset.pk))
    release = Release.objects.get(run__request=item)
    return release, f"/releases/{release.pk}/receipt/"


def test_a_receipt_holds_the_record_as_its_author_reads_it_also_after_a_recall(tmp_path):
    release, path = released()
    item = release.run.request
    author, owner = As(item.author), As(item.dataset.owner)
    early = author.read(path)
    assert (early["ready"], early["receipt"], early["due"] is None) == (False, None, False)
    checkpoint()
    receipt = author.read(path)["receipt"]
    (entry,) = receipt["entries"]
    payload = json.loads(entry["payload"])
    assert (receipt["kind"], payload["action"]) == ("release", "release.recorded")
    assert payload["object_id"] == str(release.pk)
    let_out = tmp_path / "result.json"
    let_out.write_bytes(storage.output_path(release.run_id, "result.json").read_bytes())
    pins = Pins(notes.key(LogKey.objects.get().key.text))
    checks = Receipt(receipt).verify(pins, [let_out])
    assert all_hold(checks), checks
    let_out.write_bytes(b"{}")
    assert not all_hold(Receipt(receipt).verify(pins, [let_out]))
    record = json.loads(receipt["document"])
    assert record == author.read(f"/releases/{release.pk}/record/")
    assert not any(release_record.LOOKS & set(output) for output in record["outputs"])
    releases.recall(release, by=item.dataset.owner, reason="A cell was too small.")
    assert owner.read(path)["receipt"] == author.read(path)["receipt"] == receipt


def test_who_reads_no_hashes_of_files_has_no_receipt():
    release, path = released()
    auditor = As(make.auditor(), "read", "audit")
    problem(auditor.get(path), 403, "token_scope")
    assert "hashes" in problem(As(make.auditor()).get(path), 403, "denied")["detail"]
    problem(As(make.admin()).get(path), 403, "denied")
    problem(As(make.scientist()).get(path), 404, "not_found")
    read = auditor.read(f"/releases/{release.pk}/record/")
    release.refresh_from_db()
    assert release.document_salt
    assert release.document_salt not in json.dumps(read)


def test_nobody_is_named_to_the_author_of_a_blinded_dataset():
    release, path = released(blinded=True)
    item = release.run.request
    checkpoint()
    receipt = As(item.author).read(path)["receipt"]
    payload = json.loads(receipt["entries"][0]["payload"])
    assert payload["actor"] == User.objects.system().email
    assert payload["at"] == release.decided_at.isoformat()
    assert json.loads(receipt["document"])["decided_by"] == ""
    assert release.decided_by.email not in receipt["entries"][0]["payload"]


@pytest.mark.parametrize("at", ["ran", "released"])
def test_what_is_not_released_or_older_than_receipts_has_none(at):
    item = make.code_request(at=at)
    Release.objects.update(document_salt="")
    release = Release.objects.get(run__request=item)
    problem(As(item.author).get(f"/releases/{release.pk}/receipt/"), 403, "denied")
