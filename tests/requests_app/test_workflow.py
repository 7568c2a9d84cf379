"""The tables of the workflow: which step leads on from where, whose turn it is, and one audit line for each."""

from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction

from accounts.models import User
from audit.models import Entry
from common.errors import Conflict
from requests_app import workflow, workflow_diagram
from requests_app.models import CodeRequest, Release, Run
from requests_app.services import releases
from tests import make
from tests.makers import requests as made


def entries_of(item):
    return list(Entry.objects.filter(object_id=str(item.pk)).order_by("id").values_list("action", flat=True))


def check(item, name, steps, *, by):
    """Try a step: it succeeds with exactly one audit entry or refuses with none. Roll it back."""
    before, step = entries_of(item), steps[name]
    kind = {CodeRequest: "request", Run: "run", Release: "release"}[type(item)]
    with transaction.atomic():
        if item.state in step.sources:
            assert workflow.take(name, item, by=by).state == step.target, name
            line = [] if kind == "run" and name in workflow.QUIET else [f"{kind}.{name}"]
            assert entries_of(item) == [*before, *line]
        else:
            with pytest.raises(Conflict):
                workflow.take(name, item, by=by)
            assert entries_of(item) == before
        transaction.set_rollback(True)


@pytest.mark.django_db
@pytest.mark.parametrize("state", CodeRequest.State)
def test_a_request_takes_only_the_steps_in_the_table(state):
    item = make.code_request(at="submitted")
    CodeRequest.objects.filter(pk=item.pk).update(state=state)
    actors = {"submit": item.author, "withdraw": item.author, "expire": User.objects.system()}
    for name in workflow.REQUEST:
        by = actors.get(name, item.dataset.owner)
        check(made.fresh(item), name, workflow.REQUEST, by=by)


@pytest.mark.django_db
@pytest.mark.parametrize("state", Run.State)
def test_a_run_takes_only_the_steps_in_the_table(state):
    run = made.fresh_run(made.start(make.code_request(at="approved")), state=state)
    actors = {"cancel": run.request.author, "cancel_queued": run.request.author}
    for name in workflow.RUN:
        check(run, name, workflow.RUN, by=actors.get(name, User.objects.system()))


@pytest.mark.django_db
@pytest.mark.parametrize("state", Release.State)
def test_a_release_takes_only_the_steps_in_the_table(state):
    item = make.code_request(at="ran")
    Release.objects.update(state=state)
    for name in workflow.RELEASE:
        by = User.objects.system() if name == "expire" else item.dataset.owner
        check(Release.objects.get(), name, workflow.RELEASE, by=by)


@pytest.mark.parametrize(
    ("machine", "states"),
    [("request", CodeRequest.State), ("run", Run.State), ("release", Release.State)],
)
def test_every_state_has_exactly_one_side_whose_turn_it_is(machine, states):
    assert set(workflow.TURN[machine]) == set(states)


@pytest.mark.parametrize("machine", workflow.MACHINES)
def test_only_states_where_nobody_has_to_act_lead_nowhere_by_the_author(machine):
    for state, side in workflow.TURN[machine].items():
        leads_on = any(state in step.sources for step in workflow.MACHINES[machine].values())
        assert leads_on or side != workflow.Side.SYSTEM, state


@pytest.mark.django_db
def test_a_disabled_button_says_what_the_step_would_have_said():
    item = make.code_request(at="submitted")
    assert (
        workflow.refusal("approve", item, by=item.author)
        == "Somebody else has to review your request and its outputs."
    )
    assert (
        workflow.refusal("revoke", item, by=item.dataset.owner)
        == "Not possible in this state: waiting for a review."
    )
    assert workflow.refusal("approve", item, by=item.dataset.owner) is None


def test_the_diagram_in_the_documentation_is_the_table():
    page = Path(settings.ROOT) / "docs" / "workflow.md"
    assert page.read_text() == workflow_diagram.document(), "Run manage.py workflow_diagram."


@pytest.mark.django_db
def test_the_log_says_why_something_was_called_back():
    revoked = make.code_request(at="approved")
    release = Release.objects.get(run__request=make.code_request(at="released"))
    owner = release.run.request.dataset.owner
    made.services.revoke(revoked, by=revoked.dataset.owner, reason="The purpose has changed.")
    releases.recall(release, by=owner, reason="A cell was too small.")
    found = Entry.objects.filter(action__in=["request.revoke", "release.recall"]).order_by("pk")
    assert [entry.detail["reason"] for entry in found] == [
        "The purpose has changed.",
        "A cell was too small.",
    ]


@pytest.mark.django_db
def test_the_log_keeps_back_what_a_verdict_says():
    item = make.code_request(at="changes_requested")
    assert item.state_reason
    entry = Entry.objects.get(action="request.request_changes", object_id=str(item.pk))
    assert entry.detail == {"request": str(item.pk)}


@pytest.mark.django_db
def test_nobody_hears_when_code_ends_or_its_outputs_are_collected(django_capture_on_commit_callbacks):
    run = made.claimed(made.start(make.code_request(at="approved")))
    before = Entry.objects.count()
    for name, told in (("running", 2), ("collect", 0), ("end", 0)):
        with django_capture_on_commit_callbacks() as sent:
            workflow.take(name, run, by=User.objects.system())
        assert (name, len(sent)) == (name, told)
    assert Entry.objects.count() == before + 1
