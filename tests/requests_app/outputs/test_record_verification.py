"""Records of releases that somebody with the database has changed are found."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import Entry
from requests_app.models import Release
from requests_app.outputs.record_verification import faults
from tests import make
from tests.audit.test_chain import as_somebody_with_the_database

pytestmark = pytest.mark.django_db


@pytest.fixture
def release() -> Release:
    return Release.objects.get(run__request=make.code_request(at="released"))


def test_what_nobody_touched_is_sound(release: Release, capsys: Any) -> None:
    call_command("verify_releases")
    assert capsys.readouterr().out == "1 records of releases are sound.\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"record": {"release": "another"}}, "differs from what the audit log says"),
        ({"document_salt": ""}, "differs from what the audit log says"),
        ({"record": {}}, "its record is missing"),
    ],
)
def test_what_was_edited_is_found(release: Release, changes: dict[str, Any], words: str) -> None:
    Release.objects.filter(pk=release.pk).update(**changes)
    with pytest.raises(CommandError, match=words):
        call_command("verify_releases")


def test_a_release_that_never_was_is_found_and_an_earlier_version_is_sound(release: Release) -> None:
    Release.objects.filter(pk=release.pk).update(document_salt="")
    with as_somebody_with_the_database():
        Entry.objects.filter(action="release.recorded").delete()
    assert list(faults()) == []
    with as_somebody_with_the_database():
        Entry.objects.filter(action="release.release").delete()
    (found,) = faults()
    assert found == f"Release {release.pk} has a record, but the audit log does not say that it was released."
