"""The demo is created by the real services, in one go, in two, or again."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from accounts.models import Role, User
from audit.models import Entry
from audit.verification import verify
from common.errors import Refused
from datasets.models import Dataset, Revision
from portal.demo import lane, people
from requests_app.models import CodeRequest, Release, Run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.sandbox]


def seed() -> str:
    out = StringIO()
    call_command("seed_demo", stdout=out)
    return out.getvalue()


def test_an_interrupted_demo_is_finished_and_a_finished_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, calls = lane.judged, []

    def breaks_down(*args: Any, **kwargs: Any) -> CodeRequest:
        calls.append(args)
        if len(calls) == 4:
            raise Refused("The power went.")
        return whole(*args, **kwargs)

    monkeypatch.setattr("portal.demo.scenes.judged", breaks_down)
    with pytest.raises(Refused, match="The power went"):
        seed()
    monkeypatch.setattr("portal.demo.scenes.judged", whole)
    assert "No code has run" not in seed()
    _everything_is_there()
    entries = Entry.objects.count()
    seed()
    assert (Entry.objects.count(), verify().fault) == (entries, "")


def _everything_is_there() -> None:
    assert {role for user in User.objects.people() for role in user.roles} == set(Role)
    assert set(User.objects.people().values_list("state", flat=True)) == {"active", "pending", "suspended"}
    assert sorted(Dataset.objects.values_list("name", "state")) == [
        ("health_survey", "published"),
        ("wage_panel", "published"),
    ]
    assert list(Revision.objects.filter(dataset__name="health_survey").values_list("number", "state")) == [
        (2, "published"),
        (1, "retired"),
    ]
    assert set(CodeRequest.objects.values_list("state", flat=True)) == set(CodeRequest.State)
    titles = CodeRequest.objects.values_list("title", "author")
    assert len(titles) == len(set(titles))
    finished = {Run.State.SUCCEEDED, Run.State.FAILED, Run.State.CANCELLED}
    assert set(Run.objects.values_list("state", flat=True)) == finished
    assert set(Release.objects.values_list("state", flat=True)) == {
        Release.State.HELD,
        Release.State.RELEASED,
        Release.State.REJECTED,
        Release.State.CHANGES_REQUESTED,
        Release.State.RECALLED,
    }
    released = Release.objects.get(state=Release.State.RELEASED)
    assert {output.name for output in released.run.outputs.all()} == {"premium.parquet", "overall.json"}
    told = json.loads((Path(settings.STATE) / people.FILE).read_text())
    assert [one["email"] for one in told] == [one.email for one in people.SHOWN]
