"""Code that answers in blocks, over the REST API."""

from uuid import uuid4

import pytest

from common import code_environments
from privacy.engine.language.code import Box, CodeQuestion
from privacy.engine.language.wire import encode_code
from privacy.execution import code_answers as running
from privacy.execution import code_trials, settling
from privacy.execution.code_trials import Curve, Report
from privacy.models import CodeTrial
from tests import make
from tests.makers import block_runner
from tests.makers import privacy as shares
from tests.privacy.api.calling import Caller

pytestmark = pytest.mark.django_db

PEOPLE = 1500
QUESTION = CodeQuestion(
    table="wages",
    code="def main(t):\n    return [0.5]\n",
    shape=Box(names=("half",), lower=(0.0,), upper=(1.0,), method="mean", halves=False),
)


@pytest.fixture
def budget(settings, monkeypatch):
    settings.BLOCK_RUNNER = "tests.makers.block_runner.run"
    monkeypatch.setattr(block_runner, "answer", lambda block, number: [0.5])
    monkeypatch.setattr(settling, "sleep_until", lambda at: None)
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    promise = shares.promise(data, epsilon=50.0)
    promise.public_size = PEOPLE
    promise.save()
    return shares.budget(promise, scientist, epsilon=40.0)


@pytest.fixture
def caller(budget):
    return Caller(budget.scientist, "ask", "read")


def end(pk):
    found = Report(
        run=40,
        slot=0.35,
        start=0.1,
        people_each=30.0,
        whole=[0.5],
        curve=[Curve(blocks=25, bias=[0.0], error=[0.1])],
        environment_sha256=code_environments.get().sha256,
    )
    code_trials.end(CodeTrial.objects.get(pk=pk), found)


def assert_free(caller, trial, answer, key):
    """The same call, and another one for the same code, return the same answer."""
    again = caller.post("api:code_trial_answers", trial, key=key)
    assert (again.json()["id"], again["Idempotent-Replayed"]) == (answer, "true")
    assert caller.get("api:code_trial", trial).json()["price"]["stored_answer"] == answer
    free = caller.post("api:code_trial_answers", trial, key=uuid4()).json()
    assert (free["id"], free["stored"]) == (answer, True)


def test_code_is_tried_priced_asked_and_read(budget, caller):
    body = {"question": encode_code(QUESTION), "epsilon": 5.0}
    made = caller.post("api:budget_code_trials", budget.pk, body=body, key=uuid4())
    assert made.status_code == 202, made.content
    trial = made.json()
    assert (trial["state"], trial["report"], trial["price"]) == ("waiting", None, None)
    assert trial["in_words"] == "Code on wages: half"
    end(trial["id"])
    read = caller.get("api:code_trial", trial["id"]).json()
    assert read["report"]["curve"] == [{"blocks": 25, "bias": [0.0], "error": [0.1]}]
    price = read["price"]
    assert (price["blocks"], price["method"], price["refusal"], price["stored_answer"]) == (
        38,
        "mean",
        "",
        None,
    )
    assert price["epsilon"] == pytest.approx(5.0, rel=1e-3)
    assert price["noise_half_width_95"][0] > 0
    key = uuid4()
    asked = caller.post("api:code_trial_answers", trial["id"], key=key)
    assert asked.status_code == 202, asked.content
    answer = asked.json()
    assert (answer["kind"], answer["stored"], answer["question"]) == ("code", False, "Code on wages: half")
    assert_free(caller, trial["id"], answer["id"], key)
    running.compute(answer["id"])
    told = caller.get("api:answer", answer["id"]).json()
    if told["state"] == "pending":  # its deadline is still to come
        assert (told["result"], told["record"]) == (None, None)
    assert told["deadline"]
    listed = caller.get("api:budget_code_trials", budget.pk).json()["items"]
    assert [each["id"] for each in listed] == [trial["id"]]


def test_errors_say_where(budget, caller):
    wire = encode_code(QUESTION)
    for changed, place in (
        ({**wire, "code": "def main(:"}, "question.code"),
        ({**wire, "shape": {**wire["shape"], "lower": [2.0]}}, "question.shape"),
        ({**wire, "shape": {"kind": "cube"}}, "question.shape.kind"),
        ({**wire, "table": "none"}, "question.table"),
    ):
        answer = caller.post(
            "api:budget_code_trials", budget.pk, body={"question": changed, "epsilon": 5.0}, key=uuid4()
        )
        assert answer.status_code in {400, 422}, answer.content
        assert place in answer.content.decode()
    no_price = caller.post("api:budget_code_trials", budget.pk, body={"question": wire}, key=uuid4())
    assert no_price.status_code in {400, 409, 422}
    assert not CodeTrial.objects.exists()


def test_trials_are_their_scientist_s_alone(budget, caller):
    body = {"question": encode_code(QUESTION), "share": 0.2}
    trial = caller.post("api:budget_code_trials", budget.pk, body=body, key=uuid4()).json()["id"]
    for other in (budget.promise.dataset.owner, make.scientist(), make.auditor(), make.admin()):
        assert Caller(other, "ask", "read").get("api:code_trial", trial).status_code == 404
        assert Caller(other, "ask", "read").post(
            "api:code_trial_answers", trial, key=uuid4()
        ).status_code in {403, 404}
    assert caller.post("api:code_trial_answers", trial, key=uuid4()).status_code == 409
    stopped = caller.post("api:code_trial_stop", trial).json()
    assert (stopped["state"], stopped["report"]["why"]) == ("failed", "You have stopped this trial.")
    assert caller.post("api:code_trial_answers", trial, key=uuid4()).status_code in {400, 409, 422}


def test_code_is_withdrawn_until_it_is_charged(budget, caller):
    body = {"question": encode_code(QUESTION), "epsilon": 5.0}
    trial = caller.post("api:budget_code_trials", budget.pk, body=body, key=uuid4()).json()["id"]
    end(trial)
    answer = caller.post("api:code_trial_answers", trial, key=uuid4()).json()["id"]
    withdrawn = caller.post("api:answer_withdraw", answer)
    assert (withdrawn.json()["state"], withdrawn.json()["reason"]) == ("voided", "It was withdrawn.")
    assert caller.post("api:answer_withdraw", answer).status_code == 409
