"""The receipt of a release in the browser: beside its record, also after a recall, and for no auditor."""

import json

import pytest
from django.urls import reverse

from requests_app.models import Release
from requests_app.services import releases
from tests import make
from tests.makers.audit import checkpoint

pytestmark = pytest.mark.django_db


def test_a_receipt_of_a_release_is_downloaded(client):
    item = make.code_request(at="released")
    release = Release.objects.get(run__request=item)
    page, receipt = (
        reverse("requests:run", args=[release.run_id]),
        reverse("requests:receipt", args=[release.pk]),
    )
    client.force_login(item.author)
    assert f'href="{receipt}"' in client.get(page).content.decode()
    assert "Try again then" in client.get(receipt, follow=True).content.decode()
    checkpoint()
    sent = client.get(receipt)
    assert f'filename="release-{release.pk}-receipt.json"' in sent["Content-Disposition"]
    assert json.loads(sent.content)["kind"] == "release"
    releases.recall(release, by=item.dataset.owner, reason="A cell was too small.")
    assert f'href="{receipt}"' in client.get(page).content.decode()
    client.force_login(make.auditor())
    assert receipt not in client.get(page).content.decode()
    assert client.get(receipt).status_code == 403
