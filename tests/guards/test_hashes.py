"""Every hash in the source has its reason here: what a plain one is taken of can be tried out by whoever reads it.

A new use fails until somebody has thought about it: who reads the hash, and could the hashed text be guessed? Private
content is fingerprinted by common.fingerprints alone.
"""

import ast
from pathlib import Path

import pytest

from tests.guards.test_source import ROOT, sources

MODULES = {"hashlib", "hmac"}
FUNCTIONS = {"salted_hmac", "sha256_of", "keyed"}

PUBLIC = "of what everybody who reads it has"
INSIDE = "kept where nobody reads it"
KEYED = "by a key of the portal's or the dataset's"
SALTED = "after 32 random bytes, which come with a receipt alone"

REASONS = {
    "accounts/mail/letters.py:secret_of": KEYED,
    "accounts/secrets.py:digest": "of secrets of 256 bits; " + INSIDE,
    "accounts/services/registration.py:_hash": "of a secret of 256 bits; " + INSIDE,
    "audit/chain.py:link": "of entries, which hold no more than their reader sees",
    "audit/documents.py:sha256": SALTED,
    "common/code_environments.py:_hash_of": PUBLIC,
    "common/code_environments.py:get": PUBLIC,
    "common/fingerprints.py:keyed": KEYED,
    "crypto/masks.py:transcript": PUBLIC,
    "crypto/notes.py:fingerprint": PUBLIC,
    "crypto/notes.py:hash": PUBLIC,
    "crypto/tree.py:(module)": "of nothing",
    "crypto/tree.py:leaf_hash": SALTED,
    "crypto/tree.py:node_hash": "of hashes",
    "common/rest/etags.py:lock_of": KEYED,
    "common/rest/etags.py:of": KEYED,
    "common/rest/keys.py:_row": "of what a caller sent, to compare it with what they send again; " + INSIDE,
    "network/cards.py:fingerprint": PUBLIC,
    "network/cards.py:key_id": PUBLIC,
    "network/limits.py:is_new": "of a signature's key and nonce, which a known portal sent; " + INSIDE,
    "datasets/columns.py:_hash": "names a list of digests in memory; " + INSIDE,
    "datasets/columns.py:digest": KEYED,
    "datasets/columns.py:seed_of": KEYED,
    "datasets/api/tus.py:chunk_of": "compared with what its owner has sent along, and forgotten",
    "datasets/execution.py:_compare_sum": "compared with what the file's owner has announced, and forgotten",
    "datasets/execution.py:_make_table": KEYED,
    "datasets/declarations/mock.py:_digest": "of declarations, for a seed and for names of files; " + INSIDE,
    "datasets/services/revisions.py:_fingerprint": KEYED,
    "datasets/storage.py:_columns_of": "holds the dataset's key; names a folder of the store; " + INSIDE,
    "datasets/storage.py:seal": "finds damage in the store; " + INSIDE,
    "datasets/storage.py:sha256_of": "finds damage in the store; its callers are on this list",
    "datasets/services/uploads.py:keep_table": KEYED,
    "network/entries.py:tag_of": PUBLIC,
    "network/tunnels.py:address": PUBLIC,
    "network/services/elsewhere.py:remote_id_of": KEYED,
    "portal/launch/install.py:_hash": PUBLIC,
    "portal/launch/install.py:_hash_of": PUBLIC,
    "portal/request_limits.py:token_key": KEYED,
    "studies/documents.py:sha256": PUBLIC,
    "studies/plans.py:(module)": PUBLIC,
    "studies/plans.py:sha256": PUBLIC,
    "studies/plans.py:_said": "of a masked vector, which is sent along with it",
    "studies/services/joint_answers.py:_digest": PUBLIC,
    "privacy/services/questions.py:digest_of": "of a question, for its scientist and the dataset's owner, who read it",
    "privacy/ledgers/person_ledger.py:places": "names a list of keyed digests in memory; " + INSIDE,
    "requests_app/code/fingerprint.py:of": "of code and a keyed fingerprint of the revision",
    "requests_app/code/fingerprint.py:of_output": KEYED,
    "requests_app/code/fingerprint.py:of_code": "of code, for its author and its reviewers",
    "requests_app/services/outputs.py:_intact": "finds damage in the store; " + INSIDE,
    "requests_app/services/releases.py:add_log_excerpt": "shown with a file once that is released",
    "runner/build/accept.py:(module)": PUBLIC,
    "runner/build/accept.py:wheels": PUBLIC,
    "runner/environments.py:_with_wheels": PUBLIC,
    "runner/environments.py:build": PUBLIC,
    "runner/gates/collect.py:_write": "shown with a file once that is released",
    "runner/executors/kubernetes/executor.py:_probe": "names the cluster; " + PUBLIC,
    "runner/executors/kubernetes/api.py:_upgraded": "the handshake of websockets",
}


def uses(path: Path) -> set[str]:
    """The functions of a file in which a hash is made, as "file:function"."""
    found: set[str] = set()

    def walk(node: ast.AST, inside: str) -> None:
        for child in ast.iter_child_nodes(node):
            named = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else inside
            if makes_a_hash(child):
                found.add(f"{path.relative_to(ROOT)}:{named}")
            walk(child, named)

    walk(ast.parse(path.read_text()), "(module)")
    return found


def makes_a_hash(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id in MODULES
    if isinstance(node, ast.Call):
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        return name in FUNCTIONS or name == "hexdigest"
    return isinstance(node, ast.ImportFrom) and node.module in MODULES


def test_every_hash_has_its_reason():
    found = {use for path in sources() for use in uses(path)}
    assert sorted(found - set(REASONS)) == []
    assert sorted(set(REASONS) - found) == []


@pytest.mark.parametrize(
    "code",
    [
        "import hashlib\ndef f(x):\n    return hashlib.sha256(x)",
        "from hashlib import sha256",
        "def f(x):\n    return salted_hmac('a', x)",
        "def f(x):\n    return storage.sha256_of(x)",
    ],
)
def test_the_scan_sees_a_hash(tmp_path, code, monkeypatch):
    path = tmp_path / "new.py"
    path.write_text(code)
    monkeypatch.setattr("tests.guards.test_hashes.ROOT", tmp_path)
    assert len(uses(path)) == 1
