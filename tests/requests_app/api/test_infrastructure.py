"""Code environments and workers over the API."""

from uuid import uuid4

import pytest

from common import code_environments
from requests_app.models import CodeEnvironment, Pause
from tests import make
from tests.makers import requests as made
from tests.requests_app.api.calls import As, ids
from tests.rest import problem

pytestmark = pytest.mark.django_db


def environment(name: str, state: str) -> CodeEnvironment:
    return CodeEnvironment.objects.create(
        name=name,
        requirements="six==1.17.0\n",
        state=state,
        by=make.admin(),
        sha256="0" * 64 if state == "ready" else "",
        packages={"six": "1.17.0"},
        log="built on host7",
    )


def test_everybody_reads_the_environments_and_admins_how_they_were_built():
    ready, failed = environment("survey", "ready"), environment("broken", "failed")
    person, admin = As(make.scientist(), "read"), As(make.admin(), "read")
    assert ids(person.read("/environments/")) == [str(ready.pk)]
    assert ids(admin.read("/environments/")) == [str(failed.pk), str(ready.pk)]
    content = person.read(f"/environments/{ready.pk}/")
    assert (content["packages"], content["log"], content["requirements"]) == ({"six": "1.17.0"}, "", "")
    assert content["by"] == {"id": str(ready.by.pk), "name": ready.by.name}
    assert person.read("/environments/")["items"][0]["by"] == content["by"]
    assert admin.read(f"/environments/{ready.pk}/")["log"] == "built on host7"
    problem(person.get(f"/environments/{failed.pk}/"), 404, "not_found")
    problem(As(make.scientist(), "ask").get("/environments/"), 403, "token_scope")


def test_the_default_environment(monkeypatch: pytest.MonkeyPatch):
    described = code_environments.Described(
        name="default", sha256="1" * 64, python="3.12", listed=[("six", "1.17.0")]
    )
    person = As(make.scientist())
    monkeypatch.setattr(code_environments, "described", lambda: described)
    assert person.read("/environments/default/") == {
        "name": "default", "sha256": "1" * 64, "python": "3.12", "packages": {"six": "1.17.0"},
    }  # fmt: skip
    monkeypatch.setattr(code_environments, "described", lambda: None)
    problem(person.get("/environments/default/"), 404, "not_found")


def test_admins_and_auditors_read_the_workers():
    made.worker(layers=["user namespace"], missing=["memory limit"])
    item = make.code_request()
    made.trial(item)
    Pause.objects.create(by=make.admin(name="Ada"), reason="Maintenance.")
    for person in (make.admin(), make.auditor()):
        content = As(person, "read").read("/workers/")
        (worker,) = content["workers"]
        assert (worker["name"], worker["says"], worker["busy"]) == ("sandbox@test", "Idle", 0)
        assert (worker["layers"], worker["missing"]) == (["user namespace"], ["memory limit"])
        assert (content["queue"]["mock"], content["queue"]["private"]) == (1, 0)
        assert (content["pause"]["reason"], content["pause"]["by"]["name"]) == ("Maintenance.", "Ada")
    problem(As(item.author).get("/workers/"), 403, "denied")
    problem(As(item.dataset.owner).get("/workers/"), 403, "denied")
    limited = As(make.admin(), "read", dataset_ids=[uuid4()])
    problem(limited.get("/workers/"), 403, "token_scope")
