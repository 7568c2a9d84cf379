"""The lane with the real sandbox: real code on sealed and on mock tables."""

import json
import textwrap

import pytest

from datasets import storage
from requests_app import services
from requests_app.execution import heartbeat, lifecycle
from requests_app.models import Output, Release, Run, RunLog
from requests_app.services import outputs
from runner.executors.bubblewrap import BubblewrapExecutor
from tests import make
from tests.makers import requests as made
from tests.makers.datasets import SECRET_WAGE

# The watch looks at the run over its own connection: rows have to be committed.
pytestmark = [pytest.mark.sandbox, pytest.mark.django_db(transaction=True)]


def code(text):
    return textwrap.dedent(text)


def private(text, **draft):
    item = make.code_request(at="approved", code=code(text), **draft)
    return made.execute(made.start(item), BubblewrapExecutor())


def test_the_template_runs_unchanged_on_mock_and_on_private_data_and_its_answer_passes_the_checks():
    dataset = make.dataset()
    template = services.template_code(dataset.current)
    item = make.code_request(dataset=dataset, code=template)
    trial = made.execute(made.trial(item), BubblewrapExecutor())
    output = Output.objects.get(run=trial)
    assert (trial.state, trial.close_code) == (Run.State.SUCCEEDED, ""), RunLog.objects.get().stderr
    assert [check for check in output.checks if not check["ok"]] == []
    made.approve(made.submission(item))
    run = made.execute(made.start(made.fresh(item)), BubblewrapExecutor())
    answer = json.loads(storage.output_path(run.pk, run.outputs.get().name).read_bytes())
    assert answer["people"] == 30
    assert run.layers != []


def test_columns_have_the_same_types_on_mock_and_on_private_data():
    text = """
        def main(wages):
            kinds = {name: str(kind) for name, kind in wages.dtypes.items()}
            return {"kinds": kinds, "regions": list(wages["region"].cat.categories)}
        """
    item = make.code_request(code=code(text))
    runs = [made.execute(made.trial(item), BubblewrapExecutor()), private(text)]
    answers = [json.loads(storage.output_path(run.pk, "result.json").read_bytes()) for run in runs]
    assert answers[0] == answers[1]
    assert answers[0] == {
        "kinds": {"person": "int64", "year": "int64", "region": "category", "wage": "float64"},
        "regions": ["east", "north", "west"],
    }


def test_an_answer_that_cannot_be_written_is_told_with_its_line_on_mock_and_on_private_data():
    text = "def main(wages):\n    found = object()\n    return {'n': 1, 'found': found}\n"
    trial = made.execute(made.trial(make.code_request(code=text)), BubblewrapExecutor())
    for run in (trial, private(text)):
        assert (run.close_code, run.error_class, run.error_line) == ("EXCEPTION", "TypeError", 3)


def test_a_trial_shows_its_author_everything():
    item = make.code_request(code="print('hello')\nraise ValueError('on line two')\n")
    run = made.execute(made.trial(item), BubblewrapExecutor())
    assert (run.close_code, run.error_class, run.error_line) == ("EXCEPTION", "ValueError", 2)
    log = RunLog.objects.get()
    assert log.stdout == "hello\n"
    assert "on line two" in log.stderr


def test_parameters_reach_the_code_by_name():
    run = private(
        """
        def main(wages, year):
            return {"people": int((wages["year"] == year).sum())}
        """,
        parameters={"year": 1991},
    )
    name = run.outputs.get().name
    assert json.loads(storage.output_path(run.pk, name).read_bytes()) == {"people": 30}


def test_what_an_error_says_of_private_rows_reaches_the_log_only():
    run = private(
        """
        def main(wages):
            raise KeyError(float(wages["wage"].max()))
        """
    )
    assert (run.state, run.close_code, run.error_class, run.error_line) == (
        "failed",
        "EXCEPTION",
        "KeyError",
        3,
    )
    assert str(SECRET_WAGE) in RunLog.objects.get().stderr
    told = run.request.author.notifications.values_list("text", flat=True)
    assert [text for text in told if str(SECRET_WAGE) in text] == []


def test_a_file_that_is_no_result_is_refused_with_its_reason():
    run = private(
        """
        import os, pickle
        with open(os.path.join(os.environ["WEIR_OUT"], "model.pkl"), "wb") as file:
            pickle.dump([1], file)
        """
    )
    assert run.state == Run.State.FAILED
    assert run.refused_outputs.get().name == "model.pkl"
    assert not Release.objects.exists()


def test_a_time_limit_ends_the_code():
    item = make.code_request(
        at="approved", dataset=make.dataset(policy={"wall_seconds": 5}), code="while True:\n    pass\n"
    )
    Run.objects.filter(pk=made.start(item).pk).update(wall_seconds=1)
    run = made.execute(item.runs.get(), BubblewrapExecutor())
    assert (run.state, run.close_code) == ("failed", "TIME_LIMIT")


def test_a_released_table_can_be_read_again_as_it_was():
    run = private(
        """
        def main(wages):
            return wages.groupby("region", as_index=False)["wage"].mean()
        """
    )
    release = made.release(run)
    output = run.outputs.get()
    path = outputs.open_released(output, by=run.request.author)
    assert (path.read_bytes()[:4], release.state) == (b"PAR1", "released")


def test_a_cancel_kills_running_code(monkeypatch):
    monkeypatch.setattr(heartbeat, "LOOK_SECONDS", 0.05)
    run = made.claimed(made.start(make.code_request(at="approved", code="while True:\n    pass\n")))

    class CancelsOnceStarted(BubblewrapExecutor):
        def run(self, spec, *, started=lambda: None, cancelled=lambda: False):
            def begun():
                started()
                services.cancel_run(run, by=run.request.author)

            return super().run(spec, started=begun, cancelled=cancelled)

    done = made.announced(lifecycle.execute(run, CancelsOnceStarted()))
    assert done.state == Run.State.CANCELLED
