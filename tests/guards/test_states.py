"""Every place that writes a state is known: the review lane's are written by the workflow alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guards.test_source import ROOT, sources

WRITERS = {
    "accounts/services/privileges.py:set_state": "an account: active, suspended, refused",
    "accounts/services/profile.py:update_profile": "sets the fields that a person may change: none of them is a state",
    "accounts/services/programs.py:_decide": "the sign-in of a program: allowed or refused",
    "accounts/services/tokens.py:end_all": "a sign-in that was allowed and has no token yet",
    "common/rows.py:change": "sets what a service names; the services of datasets pass no state",
    "datasets/api/catalogue.py:patch": "hands fields to the service, which takes no state",
    "datasets/execution.py:_fail": "an upload that could not be read",
    "datasets/execution.py:_make_table": "an upload that was read",
    "datasets/services/access.py:_close": "a request for access that was decided or withdrawn",
    "datasets/services/revisions.py:_retire": "a revision that was retired",
    "datasets/services/revisions.py:_to_state": "a dataset that was frozen, unfrozen or retired",
    "datasets/services/revisions.py:discard": "a draft that was discarded",
    "datasets/services/revisions.py:publish": "the first revision publishes its dataset",
    "datasets/execution.py:_read_again": "the content of a table that was read in another way: it has no state",
    "datasets/services/uploads.py:cancel": "an upload whose table stays as it was read before",
    "datasets/services/uploads.py:_to_be_read": "an upload that has arrived",
    "network/services/peers.py:to_state": "another portal: waiting, invited, active, suspended, removed",
    "network/services/elsewhere.py:_note": "what another portal says of an asking",
    "network/services/elsewhere.py:ask": "an asking that is sent now",
    "network/services/guests.py:_ask": "somebody of another portal who asks",
    "network/services/guests.py:_refuse": "somebody of another portal who was refused",
    "network/services/guests.py:admit": "somebody of another portal who was admitted",
    "privacy/execution/settling.py:_close": "an answer that nothing was released for",
    "privacy/execution/settling.py:release": "an answer that was released",
    "privacy/execution/code_trials.py:run_trial": "a trial that a worker has taken",
    "privacy/execution/code_trials.py:end": "a trial that has ended",
    "privacy/services/budgets.py:_decide": "a request for a larger budget",
    "studies/services/answer_states.py:note": "a part of a joint answer, as its portal answered",
    "studies/services/answer_states.py:collecting": "a joint answer whose price all portals have reserved",
    "studies/services/answer_states.py:close": "a joint answer that was stopped or failed",
    "studies/services/answer_states.py:release": "a joint answer that was released",
    "studies/services/leg_states.py:begin": "a leg whose part was asked for",
    "studies/services/leg_states.py:store": "a leg whose masked vector is stored",
    "studies/services/leg_states.py:_close": "a leg that was voided or lost",
    "requests_app/environments/builds.py:set_state": "a code environment",
    "network/calls.py:note": "what a call has shown of a peer: not its state",
    "network/services/peers.py:heard_from": "a peer that has signed a call",
    "studies/services/members.py:member_told": "another portal's part in a study, as it tells it",
    "studies/services/members.py:say": "this portal's part in a study: joined, declined, left",
    "portal/launch/one_portal.py:prepare": "the launcher's state folder: no row",
    "portal/launch/options.py:parse": "the launcher's state folder: no row",
    "requests_app/visibility.py:redacted": "a copy of a run for a page: never saved",
    "requests_app/execution/announcement.py:_write": "sets when a run ended and how: not its state",
    "requests_app/services/drafts.py:save_draft": "sets the fields of a draft: its state is none of them",
    "requests_app/workflow.py:_write": "requests, runs and releases: each step is in the workflow's tables",
}
"""Every function that writes a state, or fields by names that it is given, with what it writes."""


def writes(path: Path) -> Iterator[str]:
    """The functions of a file that write a `state`, as "file:function"."""

    def walk(node: ast.AST, inside: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            named = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else inside
            if writes_a_state(child):
                yield f"{path.relative_to(ROOT)}:{named}"
            yield from walk(child, named)

    yield from walk(ast.parse(path.read_text()), "(module)")


def writes_a_state(node: ast.AST) -> bool:
    """An assignment to `x.state`, an update of rows, or a `setattr` whose name is not written out."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        parts = [part for target in targets for part in ast.walk(target)]
        return any(_is_state(part) for part in parts)
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "update":
        return any(word.arg == "state" or _is_open(word) for word in node.keywords)
    if name == "update_or_create":
        return any(isinstance(part, ast.Constant) and part.value == "state" for part in ast.walk(node))
    if name == "bulk_update":
        return any(isinstance(part, ast.Constant) and part.value == "state" for part in ast.walk(node))
    return name == "setattr" and not isinstance(node.args[1], ast.Constant)


def _is_state(target: ast.AST) -> bool:
    if isinstance(target, ast.Subscript):
        return _name_of(target.value) == "vars" and getattr(target.slice, "value", "") == "state"
    return isinstance(target, ast.Attribute) and target.attr == "state"


def _name_of(call: ast.AST) -> str:
    return getattr(call.func, "id", "") if isinstance(call, ast.Call) else ""


def _is_open(word: ast.keyword) -> bool:
    """Whether fields are passed by names that are written elsewhere: `**fields`."""
    return word.arg is None and isinstance(word.value, ast.Name)


def test_every_writer_of_a_state_is_known():
    apps = (
        "accounts",
        "audit",
        "common",
        "datasets",
        "network",
        "portal",
        "privacy",
        "requests_app",
        "studies",
    )
    found = {place for path in sources() if path.relative_to(ROOT).parts[0] in apps for place in writes(path)}
    assert found - set(WRITERS) == set()
    assert set(WRITERS) - found == set()


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    x.state = 1",
        "def f(x, y):\n    x.name, y.state = 1, 2",
        "def f(rows):\n    rows.filter(pk=1).update(state=2)",
        "def f(rows):\n    M.objects.bulk_update(rows, ['state'])",
        "def f(rows, fields):\n    rows.update(**fields)",
        "def f(rows):\n    M.objects.update_or_create(pk=1, defaults={'state': 2})",
        "def f(x):\n    vars(x)['state'] = 2",
        "def f(x, fields):\n    for name in fields:\n        setattr(x, name, 1)",
    ],
)
def test_the_scan_sees_a_writer(tmp_path, code, monkeypatch):
    path = tmp_path / "new.py"
    path.write_text(code)
    monkeypatch.setattr("tests.guards.test_states.ROOT", tmp_path)
    assert list(writes(path)) == ["new.py:f"]


def test_the_scan_leaves_other_things_alone():
    assert not any(
        writes_a_state(node) for node in ast.walk(ast.parse("x.states = 1\nf(state=2)\nx.state == 3"))
    )
