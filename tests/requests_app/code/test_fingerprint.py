"""What an approval is bound to: the code environment and the fingerprint."""

import hashlib
import json

import pytest

from common import code_environments
from common.errors import Refused
from requests_app.code import fingerprint


@pytest.fixture
def home(settings, tmp_path):
    settings.ENVIRONMENTS = tmp_path / "installed"
    settings.ROOT = tmp_path
    (tmp_path / "installed" / "default").mkdir(parents=True)
    (tmp_path / "environments").mkdir()
    return tmp_path


def test_an_environment_is_known_by_the_hash_its_manifest_states(home):
    manifest = home / "installed" / "default" / "weir-manifest.json"
    manifest.write_text(json.dumps({"sha256": "a" * 64}))
    assert code_environments.get().sha256 == "a" * 64


def test_or_by_the_hash_of_the_manifest(home):
    manifest = home / "installed" / "default" / "weir-manifest.json"
    manifest.write_text(json.dumps({"sha256": 3}))
    assert code_environments.get().sha256 == hashlib.sha256(manifest.read_bytes()).hexdigest()


def test_or_by_the_list_it_was_made_from(home):
    (home / "environments" / "default.txt").write_text("numpy==2\n")
    found = code_environments.get()
    assert found.sha256 == hashlib.sha256(b"numpy==2\n").hexdigest()
    assert found.path == home / "installed" / "default"


def test_an_environment_that_is_not_there_is_refused(home):
    with pytest.raises(Refused, match="no code environment named torch"):
        code_environments.get("torch")


PARTS = {
    "code": "print(1)",
    "parameters": {"a": 1, "b": 2},
    "revision": "r1",
    "revision_sha256": "0" * 64,
    "environment": "default",
}


def test_the_order_of_parameters_is_nothing():
    assert fingerprint.of(**PARTS) == fingerprint.of(**{**PARTS, "parameters": {"b": 2, "a": 1}})


@pytest.mark.parametrize(
    "change",
    [
        {"code": "print(1) "},
        {"parameters": {"a": 1}},
        {"revision": "r2"},
        {"revision_sha256": "1" * 64},
        {"environment": "torch"},
    ],
)
def test_every_part_counts(change):
    assert fingerprint.of(**PARTS) != fingerprint.of(**{**PARTS, **change})


def test_the_code_alone_has_the_hash_of_its_file():
    assert fingerprint.of_code("é\n") == hashlib.sha256("é\n".encode()).hexdigest()
