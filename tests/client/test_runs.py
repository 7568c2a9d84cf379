"""Waiting for runs, what failures say, and results as Python objects, against a double of the portal."""

import io
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weir
from runner.contract import CloseCode
from tests.client.portal_double import Reply, double, problem
from weir import waits
from weir.releases import Release
from weir.results import Picture
from weir.runs import REASONS, Run
from weir.transport import Transport

ID = "11111111-1111-1111-1111-111111111111"
PATH = f"/api/v1/runs/{ID}/"


def details(state="running", **more):
    ended = {"close_code": "", "error_class": "", "error_line": None, "release": None, "waits": None}
    return {
        "id": ID,
        "kind": "private",
        "state": state,
        "wall_seconds": 60,
        "memory_mb": 512,
        **ended,
        **more,
    }


@pytest.fixture(scope="module")
def server():
    with double() as found:
        yield found


@pytest.fixture
def portal(server):
    server.routed = None
    server.asked.clear()
    found = Transport(server.address, "weir_" + "a" * 49, sleep=lambda _: None)
    yield found
    found.close()


def routes(server, runs, **more):
    """Answer looks at the run in this order, the last again and again; `more`: other paths."""
    left = list(runs)

    def answer(asked):
        path = asked.path.split("?")[0]
        if path == PATH:
            return Reply(200, left.pop(0) if len(left) > 1 else left[0])
        if path == "/api/v1/events/":
            return more.get("events", Reply(200, b": still here\n\n", {"Content-Type": "text/event-stream"}))
        return more.get(path.removeprefix("/api/v1/"), problem(404, "not_found"))

    server.routed = answer


def test_the_first_look_is_held_and_then_events_say_when_to_look(server, portal):
    routes(server, [details(), details(), details("succeeded")])
    run = Run(portal, details("queued"), quiet=True).wait()
    assert run.state == "succeeded"
    held, *later = server.asked
    assert held.headers["prefer"] == "wait=20"
    assert [each.path for each in later if "events" not in each.path] == [PATH, PATH]
    assert all("prefer" not in each.headers for each in later)
    assert f"about=run%3A{ID}" in later[0].path


@pytest.mark.parametrize("events", [Reply(drop=True), problem(429, "too_much_at_once"), problem(503, "busy")])
def test_without_a_stream_it_is_looked_at_now_and_then(server, portal, events):
    routes(server, [details(), details(), details("succeeded")], events=events)
    assert Run(portal, details(), quiet=True).wait().state == "succeeded"


def test_ctrl_c_leaves_the_run_alone_and_says_how_to_come_back(server, portal, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(waits, "_looks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Run(portal, details()).wait()
    assert f"Come back to it with portal.runs['{ID}']" in capsys.readouterr().err
    assert server.asked == []


def test_every_failure_code_has_a_sentence(portal):
    assert set(REASONS) == {code.value for code in CloseCode}
    for code in REASONS:
        found = details("failed", close_code=code, error_class="ValueError", error_line=7)
        failed = Run(portal, found).failure()
        assert (failed.code, failed.error_class, failed.line) == (code, "ValueError", 7)
        assert "{" not in str(failed)
    assert "The code raised ValueError in line 7." in str(
        Run(
            portal, details("failed", close_code="EXCEPTION", error_class="ValueError", error_line=7)
        ).failure()
    )
    assert Run(portal, details("cancelled")).failure().code == "CANCELLED"
    assert str(Run(portal, details("failed", close_code="{NEW}")).failure()) == "The run failed: {NEW}"


def test_a_failed_run_raises(server, portal):
    failed = details("failed", close_code="TIME_LIMIT")
    routes(server, [failed])
    with pytest.raises(weir.RunFailed, match="longer than 60 s"):
        Run(portal, details(), quiet=True).wait()
    with pytest.raises(weir.RunFailed, match="longer than 60 s"):
        _ = Run(portal, failed).results
    with pytest.raises(weir.NotOffered, match="has not ended"):
        _ = Run(portal, details()).results


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        ("held", weir.NotOffered, "wait to be checked"),
        ("recalled", weir.Gone, "recalled"),
        ("expired", weir.Gone, "expired"),
        ("rejected", weir.Refused, "A cell of 2 people"),
    ],
)
def test_results_that_are_not_released_say_why(server, portal, state, error, words):
    routes(server, [details()], **{"releases/r1/": Reply(200, {"comment": "A cell of 2 people."})})
    run = Run(portal, details("succeeded", release={"id": "r1", "state": state}))
    with pytest.raises(error, match=words):
        _ = run.results


def test_what_a_list_leaves_out_is_read_when_it_is_needed(server, portal):
    held = details("succeeded", release={"id": "r1", "state": "held"})
    decided = details("succeeded", release={"id": "r1", "state": "released"})
    listed = {name: value for name, value in held.items() if name not in {"release", "waits"}}
    release = {"id": "r1", "title": "Means", "state": "released", "outputs": [{"id": "1", "name": "a.json"}]}
    routes(server, [held, decided], **{"releases/r1/": Reply(200, release)})
    run = Run(portal, listed, quiet=True).wait(released=True)
    assert run.details == decided
    assert run.release.state == "released"
    assert Run(portal, details("succeeded")).release is None
    brief = {name: value for name, value in release.items() if name != "outputs"}
    assert [each.name for each in Release(portal, brief).outputs] == ["a.json"]
    assert list(Release(portal, brief).results) == ["a.json"]


def table():
    return pa.table({"region": ["east", "north"], "mean": [1.5, 2.5]})


def written(name):
    stream = io.BytesIO()
    if name.endswith("parquet"):
        pq.write_table(table(), stream)
    else:
        np.save(stream, np.arange(3))
    return stream.getvalue()


FILES = {
    "answer.json": b'{"n": 3}', "means.csv": b"region,mean\neast,1.5\nnorth,2.5\n", "means.parquet": written("parquet"),
    "line.npy": written("npy"), "plot.png": b"\x89PNG", "notes.txt": "ε".encode(), "other.bin": b"\x00",
    "evil.npy": pickle.dumps({"a": 1}),
}  # fmt: skip


@pytest.fixture
def results(server, portal):
    names = list(FILES)
    listed = {
        "items": [{"id": str(n), "name": name, "bytes": 9} for n, name in enumerate(names)],
        "next": None,
    }
    files = {f"outputs/{n}/file/": Reply(200, FILES[name]) for n, name in enumerate(names)}
    routes(server, [details()], **{f"runs/{ID}/outputs/": Reply(200, listed), **files})
    return Run(portal, details("succeeded", kind="mock")).results


def test_files_come_as_what_they_hold(results):
    assert list(results) == list(FILES)
    assert results["answer.json"] == {"n": 3}
    assert results["means.csv"] == results["means.parquet"] == table()
    assert results["line.npy"].tolist() == [0, 1, 2]
    assert (results["notes.txt"], results["other.bin"]) == ("ε", b"\x00")
    picture = results["plot.png"]
    assert isinstance(picture, Picture)
    assert picture == FILES["plot.png"]
    assert picture._repr_html_().startswith('<img alt="plot.png" src="data:image/png;base64,')
    with pytest.raises(weir.WeirError, match=r"“evil.npy” cannot be read as a .npy file"):
        _ = results["evil.npy"]
    with pytest.raises(weir.NotOffered, match=r"Did you mean “answer.json”"):
        _ = results["answer.jsn"]
    assert "answer.json" in results
    assert results._repr_html_().count("9 bytes") == len(FILES)


def test_files_are_saved_inside_the_folder_alone(server, portal, results, tmp_path):
    saved = results.save(tmp_path / "out")
    assert {path.name: path.read_bytes() for path in saved} == FILES
    for name in ("../up.txt", "a/b.txt", "..", "C:x", "a\\b"):
        bad = weir.results.Results(portal, [{"id": "0", "name": name}])
        with pytest.raises(weir.WeirError, match="not a plain name"):
            bad.save(tmp_path)
