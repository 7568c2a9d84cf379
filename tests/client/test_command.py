"""The command: what it prints, its exit codes, and a request from a file to its results on the running portal."""

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

import weir
from tests import make
from tests.client.live import AUTHOR, OWNER, signed_in, token
from tests.client.portal_double import Reply, double, problem
from weir.command.shell import main
from weir.tokens import Store

CODE = "def main(wages, since=1990, words='all'):\n    return {'since': since, 'words': words}\n"
TOKEN = "weir_" + "a" * 49


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No token of whoever runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("WEIR_TOKEN", "WEIR_PORTAL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def said(capsys):
    """Run the command: its exit code, and what it printed to both streams."""

    def run(*words):
        capsys.readouterr()
        code = main(words)
        printed = capsys.readouterr()
        return code, printed.out, "\n".join(line for line in printed.err.splitlines() if " INFO " not in line)

    return run


@pytest.fixture(scope="module")
def server():
    with double() as found:
        yield found


@pytest.fixture
def budget(server, monkeypatch):
    """A portal with a price, which may not leave enough."""
    price = {
        "half_width_95": 0.5, "epsilon": 0.2, "share": 0.04, "share_left": 0.9, "more_like_this": 22,
        "stored_answer": None,
    }  # fmt: skip
    figures = [{"key": [], "figures": [{"name": "mean", "value": 24.0, "half_width": 0.5}]}]
    answer = {
        "id": "a1", "state": "released", "question": "mean of wage", "share": 0.04,
        "result": {"by": [], "lines": figures},
    }  # fmt: skip
    own = {
        "id": "b1", "dataset": {"id": "d1", "name": "wages", "title": "Wages"}, "share_used": 0.1, "epsilon": 1.0,
    }  # fmt: skip
    replies = {
        "GET ": Reply(200, {"client": {"minimum": "0.1.0"}}),
        "GET me/": Reply(200, {"id": "p1", "name": "Ada"}),
        "GET datasets/": Reply(
            200, {"items": [{"id": "d1", "name": "wages", "title": "Wages"}], "next": None}
        ),
        "GET datasets/d1/": Reply(200, {"id": "d1", "name": "wages", "title": "Wages"}),
        "GET budgets/": Reply(200, {"items": [own], "next": None}),
        "GET budgets/b1/": Reply(200, {"id": "b1"}),
        "POST budgets/b1/price/": Reply(200, price),
        "POST budgets/b1/answers/": Reply(201, answer),
    }
    server.asked.clear()
    server.routed = lambda asked: replies[
        f"{asked.method} {asked.path.removeprefix('/api/v1/').split('?')[0]}"
    ]
    monkeypatch.setenv("WEIR_PORTAL", server.address)
    monkeypatch.setenv("WEIR_TOKEN", TOKEN)
    return replies


def asked_for(server, path):
    return sum(f"{each.method} {each.path}" == f"POST /api/v1/budgets/b1/{path}/" for each in server.asked)


def test_a_question_is_asked_once_its_price_is_confirmed(server, budget, said, monkeypatch):
    words = ("query", "wages", "SELECT AVG(wage) FROM wages", "--error", "0.5")
    assert "share of the budget: 4.0 %" in said(*words, "--price")[1]
    code, _, error = said(*words)
    assert (code, asked_for(server, "answers")) == (2, 0)
    assert "add --yes" in error
    code, out, _ = said(*words, "--yes", "--json")
    assert (code, json.loads(out)["result"]["lines"][0]["figures"][0]["value"]) == (0, 24.0)
    assert asked_for(server, "answers") == 1
    for typed, expected in (("n\n", 1), ("", 1), ("y\n", 0)):
        monkeypatch.setattr("sys.stdin", Terminal(typed))
        assert said(*words)[0] == expected
    assert asked_for(server, "answers") == 2


def test_a_question_in_a_file(server, budget, said, tmp_path):
    file = tmp_path / "q.json"
    file.write_text('{"table": "wages"}')
    assert said("query", "wages", "-f", str(file), "--share", "0.1", "--yes")[0] == 0
    assert server.asked[-1].body == {"query": {"table": "wages"}, "share": 0.1}
    file.write_text("{")
    assert said("query", "wages", "-f", str(file), "--share", "0.1")[0] == 1
    assert said("query", "wages", "--share", "0.1")[0] == 2
    assert said("budgets")[1].splitlines()[1].split() == ["b1", "Wages", "1.0", "10", "%"]


def test_exit_codes_and_errors_as_json(server, budget, said):
    query = ("query", "wages", "SELECT 1", "--epsilon", "1", "--json")
    budget["POST budgets/b1/price/"] = problem(402, "budget_exceeded", "Too much.", costs=0.5, left=0.1)
    code, out, error = said(*query)
    assert (code, out) == (5, "")
    assert {
        "code": "budget_exceeded",
        "detail": "Too much.",
        "costs": 0.5,
        "left": 0.1,
    }.items() <= json.loads(error).items()
    budget["POST budgets/b1/price/"] = problem(400, "refused", "No such column.")
    assert said(*query[:-1]) == (1, "", "weir: No such column.")
    for words in (("query", "wages"), ("no-verb",), ()):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2


def test_a_portal_that_is_not_there_is_3(said, monkeypatch):
    monkeypatch.setenv("WEIR_PORTAL", "http://127.0.0.1:9")
    monkeypatch.setenv("WEIR_TOKEN", TOKEN)
    monkeypatch.setattr("weir.transport._pause", lambda _: 0.0)
    code, _, error = said("whoami")
    assert code == 3
    assert "127.0.0.1:9 cannot be reached" in error


def test_which_portal(server, budget, said, monkeypatch):
    monkeypatch.delenv("WEIR_PORTAL")
    code, _, error = said("whoami")
    assert (code, "weir login https://portal.example" in error) == (2, True)
    Store().write(server.address, TOKEN)
    assert said("whoami")[0] == 0
    Store().write("https://other.example", TOKEN)
    code, _, error = said("whoami")
    assert (code, "--portal http" in error) == (2, True)
    assert said("whoami", "--portal", server.address)[0] == 0


def test_python_need_not_name_the_only_portal(server, budget, monkeypatch):
    monkeypatch.delenv("WEIR_PORTAL")
    with pytest.raises(weir.NotOffered, match="Which portal"):
        weir.login()
    Store().write(server.address, TOKEN)
    with weir.login() as portal:
        assert portal.transport.origin == server.address
    Store().write("https://other.example", TOKEN)
    with pytest.raises(weir.NotOffered, match="several portals"):
        weir.login()
    monkeypatch.setenv("WEIR_PORTAL", server.address)
    with weir.login() as portal:
        assert portal.transport.origin == server.address


def test_a_token_from_a_pipe_is_kept_and_forgotten(server, budget, said, monkeypatch):
    monkeypatch.delenv("WEIR_TOKEN")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{TOKEN}\n"))
    assert said("login", server.address, "--token-stdin")[:2] == (
        0, f"Signed in to {server.address} as Ada. The token is kept in {Store().path}, which only you can read.\n",
    )  # fmt: skip
    assert Store().read(server.address) == TOKEN
    assert said("logout", server.address)[0] == 0
    assert Store().read(server.address) is None
    budget["GET me/"] = problem(401, "token_revoked", "This token was revoked.")
    monkeypatch.setattr("sys.stdin", io.StringIO(TOKEN))
    assert said("login", server.address, "--token-stdin")[0] == 1
    assert Store().read(server.address) is None


def test_signing_in_again_replaces_a_token_that_has_expired(server, budget, said, monkeypatch):
    monkeypatch.delenv("WEIR_TOKEN")
    Store().write(server.address, "weir_old")
    routed = server.routed

    def judged(asked):
        old = asked.headers.get("authorization") == "Bearer weir_old"
        return problem(401, "token_expired") if old else routed(asked)

    server.routed = judged
    monkeypatch.setattr("weir.signin.signed_in", lambda *_: TOKEN)
    assert said("login")[0] == 0
    assert Store().read(server.address) == TOKEN


def test_the_package_has_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "weir.command", "--version"], check=True, capture_output=True, text=True,
        cwd=Path(weir.__file__).parent.parent,
    )  # fmt: skip
    assert done.stdout == f"weir {weir.__version__}\n"


@pytest.fixture
def cast(live: SimpleNamespace, transactional_db, monkeypatch):
    """An owner, and an author who is signed in by the environment."""
    owner, author = make.owner(), make.scientist()
    make.grant(make.dataset(owner=owner, name="wages", policy={"end_step_seconds": 10}), author)
    monkeypatch.setenv("WEIR_PORTAL", live.url)
    monkeypatch.setenv("WEIR_TOKEN", token(author, *AUTHOR))
    return SimpleNamespace(owner=owner, author=author)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "analysis.py"
    path.write_text(CODE)
    return path


@pytest.mark.slow
def test_from_a_file_to_results(live: SimpleNamespace, cast, said, file, tmp_path):
    options = ("--param", "since=1995", "--param", "words=some", "--purpose", "To know.", "--about", "A.")
    tried = json.loads(said("mock-run", "wages", str(file), *options, "--json")[1])
    assert tried["files"] == ["result.json"]
    request = str(tried["request"])
    assert "Submitted" in said("submit", "wages", str(file), *options, "--request", request)[1]
    code, _, error = said("run", request)
    assert (code, "waits for its verdict" in error) == (1, True)
    with signed_in(live, (cast.owner, OWNER)) as (portal,):
        portal.inbox.of("review")[0].version.approve()
        assert "state: approved" in said("status", request, "--follow")[1]
        assert "state: succeeded" in said("run", request, "--follow")[1]
        assert "wait to be checked" in said("result", request)[2]
        release = portal.inbox.of("check")[0].release.begin()
        release.outputs[0].release()
        release.release()
    assert "released" in said("inbox")[1]
    (saved,) = said("result", request, "-o", str(tmp_path / "out"))[1].splitlines()
    assert json.loads(Path(saved).read_text()) == {"since": 1995, "words": "some"}
    assert request in said("status")[1]


@pytest.mark.slow
def test_datasets_mock_data_and_a_failed_run(live: SimpleNamespace, cast, said, file, tmp_path):
    assert said("whoami")[1].splitlines()[:2] == [f"portal: {live.url}", "name: Sina Scientist"]
    assert "wage" in said("datasets", "wages")[1]
    assert json.loads(said("datasets", "--json")[1])[0]["name"] == "wages"
    (mock,) = json.loads(said("mock", "wages", "-o", str(tmp_path), "--json")[1])
    assert "wage" in pq.read_table(mock).column_names
    file.write_text("def main(wages):\n    raise ValueError('no')\n")
    code, _, error = said("mock-run", "wages", str(file), "--json")
    assert (code, json.loads(error)["error_class"], json.loads(error)["line"]) == (4, "ValueError", 2)
    assert said("mock-run", "wages", str(file), "--param", "x")[0] == 2


@pytest.mark.slow
def test_an_owner_sends_a_file(cast, said, tmp_path, monkeypatch):
    csv = tmp_path / "more.csv"
    csv.write_text("id,wage\n1,2.5\n")
    assert said("upload", "wages", str(csv))[0] == 1
    make.dataset(owner=cast.owner, name="drafted", published=False)
    monkeypatch.setenv("WEIR_TOKEN", token(cast.owner, *OWNER))
    assert json.loads(said("upload", "drafted", str(csv), "--table", "pay", "--json")[1])["name"] == "pay"
