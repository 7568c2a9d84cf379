"""The signed log in the API: checkpoints, and receipts of entries."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from audit import log
from audit.models import Checkpoint
from common.rest import rates
from tests import make
from tests.makers.audit import checkpoint
from tests.rest import bearer

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture(autouse=True)
def _no_calls_yet() -> None:
    rates.counts.clear()


def test_checkpoints_are_listed_newest_first(client: Client):
    signed = [checkpoint(NOW) for _ in range(3)]
    newest = signed[-1]
    by_auditor: Any = client.get(
        "/api/v1/audit/checkpoints/?limit=2", headers=bearer(make.auditor(), "audit")
    ).json()
    assert by_auditor["items"][0] == {
        "size": 192,
        "root": newest.root_text,
        "at": newest.at.isoformat().replace("+00:00", "Z"),
        "public": False,
        "note": newest.note,
    }
    rest = client.get(by_auditor["next"], headers=bearer(make.auditor(), "audit")).json()
    assert [item["size"] for item in rest["items"]] == [64]
    others = client.get("/api/v1/audit/checkpoints/", headers=bearer(make.scientist(), "audit")).json()
    assert [item["size"] for item in others["items"]] == [64]
    assert Checkpoint.objects.filter(public=True).count() == 1


def test_a_receipt_is_read_once_it_is_there(client: Client):
    scientist = make.scientist()
    with transaction.atomic():
        written = log.record("workers.pause", by=scientist, on=scientist)
    path, by = f"/api/v1/audit/{written.key}/receipt/", bearer(make.auditor(), "audit")
    early = client.get(path, headers=by).json()
    assert (early["ready"], early["receipt"]) == (False, None)
    assert early["due"] > timezone.now().isoformat()
    checkpoint()
    ready = client.get(path, headers=by).json()
    assert (ready["ready"], ready["due"], ready["receipt"]["kind"]) == (True, None, "entry")
    assert ready["receipt"]["entries"][0]["payload"] == written.payload
    assert client.get(path, headers=bearer(scientist, "audit")).status_code == 404
