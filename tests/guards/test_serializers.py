"""Bytes become objects in a few known places. What can run code while it reads stands here with its reason."""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

from portal.celery import app
from tests.guards.test_source import ROOT, sources

app.loader.import_default_modules()

MODULES = {
    "pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "ruamel", "msgpack",
    "torch", "dbm", "jsonpickle", "plistlib", "xmlrpc", "multiprocessing", "concurrent.futures.process",
}  # fmt: skip
"""Modules that read or write whole objects. Some are harmless; each use is looked at all the same."""
CALLS = {
    "load": {"np", "numpy", "joblib", "torch"},
    "read_pickle": None,
    "from_pickle": None,
    "unpickle": None,
}
"""Functions, and the modules they are called on (None: any)."""
ALLOWED = {
    ("runner/inside/start.py", "marshal"): "reads the job that the worker wrote, inside the sandbox",
    ("runner/inside/block_server.py", "marshal"): "as start.py, for many blocks",
    ("runner/inside/start.py", "__import__"): "loads the packages of submitted code, inside the sandbox",
    ("runner/inside/block_server.py", "__import__"): "as start.py",
    ("runner/inside/block_call.py", "marshal"): "reads how the host describes a block, inside the sandbox",
    ("runner/inside/preload.py", "__import__"): "as start.py",
    ("runner/inside/answers.py", "__import__"): "its own other files, which lie beside it inside the sandbox",
    ("runner/inside/answer_values.py", "__import__"): "as answers.py",
    ("runner/host/job.py", "marshal"): "writes the job and compiled code for the sandbox; reads nothing",
    ("runner/host/spawner.py", "marshal"): "writes requests to its own child over a pair of sockets",
    ("runner/host/spawner_process.py", "marshal"): "that child: reads what its parent wrote",
    ("runner/executors/blocks.py", "marshal"): "describes the blocks; reads nothing",
    ("runner/host/fork_server.py", "marshal"): "writes the job of many blocks; reads nothing",
    ("runner/parsing.py", "marshal"): "writes compiled code of ours for the sandbox; reads nothing",
    ("client/weir/results.py", "np.load"): "a released file that reviewers have checked; allow_pickle is off",
    ("datasets/columns.py", "np.load"): "columns that the portal wrote itself; allow_pickle is off",
}


@cache
def found() -> list[tuple[str, str, ast.AST]]:
    return list(_found())


def _found() -> Iterator[tuple[str, str, ast.AST]]:
    client = sorted((ROOT / "client" / "weir").rglob("*.py"))
    for path in [*sources(), *client, ROOT / "deploy" / "valkey" / "make-users"]:
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text())):
            yield from ((name, what, node) for what in uses(node))


def uses(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if is_known(alias.name))
    if isinstance(node, ast.ImportFrom) and node.module and is_known(node.module):
        yield node.module
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
        owners = CALLS[node.func.attr]
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else "?"
        if owners is None or owner in owners:
            yield f"{owner}.{node.func.attr}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "__import__":
        yield "__import__"


def is_known(module: str) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in MODULES)


def test_objects_are_read_in_known_places_alone():
    here = {(name, what) for name, what, _ in found()}
    assert here - set(ALLOWED) == set()
    assert set(ALLOWED) - here == set()  # nothing stands in the list that is not there any more


def test_numpy_never_unpickles():
    loads = [node for _, what, node in found() if what == "np.load" and isinstance(node, ast.Call)]
    assert loads != []
    switched_on = [ast.unparse(node) for node in loads if "allow_pickle=False" not in ast.unparse(node)]
    assert switched_on == []


def test_no_text_of_the_source_switches_pickles_on():
    texts = ("allow_pickle=True", "PickleSerializer", "weights_only=False", "x-python-serialize", "yaml.load")
    named = [f"{path.name}: {text}" for path in sources() for text in texts if text in path.read_text()]
    assert named == []


def test_what_a_network_can_reach_is_json():
    assert settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer"
    assert settings.CACHES.keys() == {"default"}
    assert settings.CACHES["default"]["BACKEND"] == "portal.cache.Cache"
    conf = app.conf
    assert conf.accept_content == ["json"]
    assert conf.result_accept_content in (None, ["json"])
    assert {conf.task_serializer, conf.result_serializer, conf.event_serializer} == {"json"}
    assert conf.worker_enable_remote_control is False
    assert conf.result_backend is None


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name in app.tasks
        if name.split(".")[0] in {"accounts", "datasets", "privacy", "requests_app"}
    ),
)
def test_a_bell_names_at_most_one_row(name: str):
    """Whoever reaches the broker can queue any task: what is done, for whom and in which words is in the rows."""
    parameters = [each for each in inspect.signature(app.tasks[name].run).parameters if each != "self"]
    assert parameters in ([], ["pk"])


def test_the_guard_sees_what_it_should():
    source = "import pickle\nfrom yaml import load\nnp.load(x)\nframe.read_pickle(y)\n__import__('dill')\nimport json\n"
    seen = [what for node in ast.walk(ast.parse(source)) for what in uses(node)]
    assert seen == ["pickle", "yaml", "np.load", "frame.read_pickle", "__import__"]
    assert Path(ROOT, "deploy/valkey/make-users").is_file()
