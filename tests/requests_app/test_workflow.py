"""The tables of the workflow: which step leads on from where, whose turn it is, and one audit line for each."""

from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import User
from audit.models import Entry
from common.errors import Conflict
from requests_app import diagram, workflow
from requests_app.models import CodeRequest, Release, Run
from tests import make
from tests.makers import requests as made

REQUEST_STEPS = [(state, name) for state in CodeRequest.State for name in workflow.REQUEST]
RUN_STEPS = [(state, name) for state in Run.State for name in workflow.RUN]
RELEASE_STEPS = [(state, name) for state in Release.State for name in workflow.RELEASE]


def entries_of(item):
    return list(Entry.objects.filter(object_id=str(item.pk)).order_by("id").values_list("action", flat=True))


def check(item, name, steps, *, by):
    """Either the step arrives with exactly one audit line, or it refuses with none."""
    before, step = entries_of(item), steps[name]
    kind = {CodeRequest: "request", Run: "run", Release: "release"}[type(item)]
    if item.state in step.sources:
        assert workflow.take(name, item, by=by).state == step.target
        assert entries_of(item) == [*before, f"{kind}.{name}"]
    else:
        with pytest.raises(Conflict):
            workflow.take(name, item, by=by)
        assert entries_of(item) == before


@pytest.mark.django_db
@pytest.mark.parametrize(("state", "name"), REQUEST_STEPS)
def test_a_request_takes_only_the_steps_in_the_table(state, name):
    item = make.code_request(at="submitted")
    CodeRequest.objects.filter(pk=item.pk).update(state=state)
    item = made.fresh(item)
    actors = {"submit": item.author, "withdraw": item.author, "expire": User.objects.system()}
    check(item, name, workflow.REQUEST, by=actors.get(name, item.dataset.owner))


@pytest.mark.django_db
@pytest.mark.parametrize(("state", "name"), RUN_STEPS)
def test_a_run_takes_only_the_steps_in_the_table(state, name):
    run = made.start(make.code_request(at="approved"))
    Run.objects.filter(pk=run.pk).update(state=state)
    actors = {"cancel": run.request.author, "cancel_queued": run.request.author}
    check(Run.objects.get(pk=run.pk), name, workflow.RUN, by=actors.get(name, User.objects.system()))


@pytest.mark.django_db
@pytest.mark.parametrize(("state", "name"), RELEASE_STEPS)
def test_a_release_takes_only_the_steps_in_the_table(state, name):
    item = make.code_request(at="ran")
    release = Release.objects.get()
    Release.objects.filter(pk=release.pk).update(state=state)
    by = User.objects.system() if name == "expire" else item.dataset.owner
    check(Release.objects.get(pk=release.pk), name, workflow.RELEASE, by=by)


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
    assert workflow.refusal("approve", item, by=item.author) == "Somebody else has to look at your request."
    assert (
        workflow.refusal("revoke", item, by=item.dataset.owner) == "Not possible now: waiting for a review."
    )
    assert workflow.refusal("approve", item, by=item.dataset.owner) is None


def test_the_diagram_in_the_documentation_is_the_table():
    page = Path(settings.ROOT) / "docs" / "workflow.md"
    assert page.read_text() == diagram.document(), "Run manage.py workflow_diagram."
