"""Receipts in the browser: among an answer's downloads, in the ledger, and a page while there is none yet."""

import json

import pytest
from django.urls import reverse

from privacy.models import Answer
from tests.makers.audit import checkpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def answered(budget, ask, compute):
    return compute(ask(budget, epsilon=10))


def test_a_receipt_is_downloaded_once_the_log_is_signed(as_, budget, answered):
    client, owner = as_(budget.scientist), as_(budget.promise.dataset.owner)
    receipt = reverse("privacy:receipt", args=[answered.pk])
    ledger = reverse("privacy:ledger", args=[budget.promise.dataset_id])
    page = client.get(reverse("privacy:answer", args=[answered.pk])).content.decode()
    assert f'href="{receipt}"' in page
    assert "these figures and their charge" in page
    assert f'href="{receipt}"' in owner.get(ledger).content.decode()
    assert "Try again then" in client.get(receipt, follow=True).content.decode()
    checkpoint()
    sent = client.get(receipt)
    assert sent["Content-Disposition"] == (
        f'attachment; filename="{budget.promise.dataset.name}-{answered.pk.hex[:8]}-receipt.json"'
    )
    assert json.loads(sent.content)["kind"] == "answer"


def test_the_page_says_what_a_receipt_does_not_show(as_, budget, answered):
    client, page = as_(budget.scientist), reverse("privacy:answer", args=[answered.pk])
    Answer.objects.update(document_salt="")
    assert "not the figures, because an earlier version released them" in client.get(page).content.decode()
    Answer.objects.update(state="lost", result=None)
    assert reverse("privacy:receipt", args=[answered.pk]) in client.get(page).content.decode()
