"""A request from the first draft to its results, with the client alone, on the running portal."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pyarrow as pa
import pytest

import weir
from tests import make
from tests.client.live import AUTHOR, OWNER, signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
PURPOSE = "To know how wages differ by region."


@pytest.fixture
def cast():
    owner, author = make.owner(), make.scientist()
    data = make.dataset(owner=owner, policy={"end_step_seconds": 10})
    make.grant(data, author)
    return SimpleNamespace(owner=owner, author=author, dataset=data.name)


def program(portal, dataset, **more):
    @portal.submit(dataset, purpose=PURPOSE, about="For our report.", **more)
    def main(wages, since=1991):
        kept = wages[wages["year"] >= since]
        means = kept.groupby("region", as_index=False)["wage"].mean()
        return {"answer": {"since": since, "regions": len(means)}, "means": means}

    return main


def test_from_a_function_to_its_results(live: SimpleNamespace, cast):
    people = (cast.author, AUTHOR), (cast.owner, OWNER)
    # The portals are left first: a wait that would never end does then, if something fails in between.
    with ThreadPoolExecutor(1) as thread, signed_in(live, *people) as (author, owner):
        main = program(author, cast.dataset)
        tried = main.run_on_mock()
        assert tried.results["answer.json"]["since"] == 1991
        assert isinstance(tried.results["means.parquet"], pa.Table)
        bound = main.save().snapshot
        assert (bound["number"], bound["mock_run"]["id"], bound["submit_refusal"]) == (1, tried.id, None)
        request = main.send()
        assert (request.state, main.request) == ("submitted", request)
        waits = thread.submit(request.wait)
        (item,) = owner.inbox.of("review")
        version = item.version.begin()
        assert version.code == main.source
        version.comment("Why 1991?", line=1)
        assert version.run_on_mock({"since": 1985}).results["answer.json"]["since"] == 1985
        assert version.refresh().mock_run.results["answer.json"]["since"] == 1991
        assert [each["verdict"] for each in version.approve(runs=2, days=30).reviews] == ["approve"]
        for output in checked(owner, request).outputs:
            assert output.preview().kind in {"json", "table", "text"}
            output.release()
        release = owner.inbox.of("check")[0].release.release("Well rounded.")
        waits.result(timeout=120)
        came_out(request, release)


def came_out(request, release):
    """The author has the results, until they are recalled."""
    assert release.state == "released"
    assert request.results["answer.json"] == {"since": 1991, "regions": 3}
    assert request.results["means.parquet"].column("region").to_pylist() == ["east", "north", "west"]
    assert release.record["lane"]
    assert request.release.record["release"] == release.id
    assert [comment.text for comment in request.version.comments] == ["Why 1991?"]
    assert request.results["log-excerpt.txt"].strip() == "It printed nothing."
    assert request.history[0]["what"] == "released outputs"
    release.recall("A file was wrong.")
    with pytest.raises(weir.Gone, match="recalled"):
        _ = request.results


def checked(owner, request):
    """The release of the request's run, once there is one."""
    for _ in range(400):
        if runs := owner.runs.where(request=request.id, kind="private"):
            run = owner.runs[runs[0].id].wait()
            assert set(run.log) == {"stdout", "stderr"}
            assert run.add_log_excerpt("It printed nothing.").state == "pending"
            return owner.inbox.of("check")[0].release.begin()
        owner.transport.sleep(0.3)
    raise AssertionError


def test_changes_are_requested_and_sent(live: SimpleNamespace, cast, tmp_path):
    file = tmp_path / "analysis.py"
    file.write_text("def main(wages, half=2):\n    return {'rows': len(wages) // half}\n")
    with signed_in(live, (cast.author, AUTHOR), (cast.owner, OWNER)) as (author, owner):
        submitted = author.submit(cast.dataset, purpose=PURPOSE, about="A first look.").file(file, half=3)
        request = submitted.send()
        version = owner.inbox[0].version
        version.comment("By what?", line=1)
        version.request_changes("Round the count.")
        with pytest.raises(weir.Refused, match="Round the count"):
            request.wait_for_verdict()
        file.write_text(file.read_text().replace("half=2", "half=4"))
        again = author.submit(cast.dataset, request=request.id).file(file, half=5).send()
        assert (again.id, again.version.number, again.version.parameters) == (request.id, 2, {"half": 5})
        version = owner.inbox.of("review")[0].version
        assert version.diff().startswith("# parameter half: 3 -> 5\n")
        assert "-def main(wages, half=2):" in version.diff()
        assert [(each.line, each.quoted) for each in version.threads] == [(None, "def main(wages, half=2):")]
        version.reject("It is too coarse to be useful.")
        with pytest.raises(weir.Refused, match="too coarse"):
            again.wait()
        assert [each.number for each in again.versions] == [2, 1]


def test_a_verdict_is_for_the_code_that_was_read(live: SimpleNamespace, cast):
    with signed_in(live, (cast.author, AUTHOR), (cast.owner, OWNER)) as (author, owner):
        main = program(author, cast.dataset)
        main.send()
        version = owner.inbox.of("review")[0].version
        version.details["sha256"] = "0" * 64
        with pytest.raises(weir.WeirError) as refused:
            version.approve()
        assert refused.value.status in {400, 409}


def test_a_failed_run_on_mock_names_the_error_and_its_line(live: SimpleNamespace, cast):
    with signed_in(live, (cast.author, AUTHOR)) as (author,):

        @author.submit(cast.dataset, purpose=PURPOSE)
        def main(wages):
            return wages["salary"].mean()

        with pytest.raises(weir.RunFailed) as failed:
            main.run_on_mock()
        assert (failed.value.code, failed.value.error_class, failed.value.line) == (
            "EXCEPTION",
            "KeyError",
            2,
        )
        assert "KeyError: 'salary'" in str(failed.value)
        assert main.request.withdraw().state == "withdrawn"


def test_what_cannot_be_sent_is_refused_before_a_request_is_made(live: SimpleNamespace, cast, tmp_path):
    with signed_in(live, (cast.author, AUTHOR)) as (author,):

        @author.submit(cast.dataset, purpose=PURPOSE)
        def main(wage, year=1990):
            return year

        with pytest.raises(weir.NotOffered, match=r"not a table of .* Did you mean “wages”"):
            main.send()
        strange = program(author, cast.dataset)
        strange.parameters["since"] = {1990}
        with pytest.raises(weir.NotOffered, match="parameter since cannot be sent as JSON"):
            strange.send()
        (tmp_path / "no_main.py").write_text("print(1)\n")
        with pytest.raises(weir.NotOffered, match="defines no function main"):
            author.submit(cast.dataset).file(tmp_path / "no_main.py")
        assert list(author.requests) == []
