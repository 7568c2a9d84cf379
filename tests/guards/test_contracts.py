"""Each contract of pyproject.toml is broken on purpose in a copy of the product, and reported."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.guards.test_source import APPS, ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
BREAKS = {
    "Apps look down only": ("datasets/queries.py", "import requests_app.models"),
    "Inside accounts": ("accounts/models/people.py", "import accounts.services"),
    "Inside audit": ("audit/chain.py", "import audit.log"),
    "Inside common": ("common/errors.py", "import common.pages"),
    "Inside crypto": ("crypto/tree.py", "import crypto.notes"),
    "Inside datasets": ("datasets/rules.py", "import datasets.services"),
    "Inside network": ("network/cards.py", "import network.models"),
    "Inside portal": ("portal/env.py", "import portal.settings"),
    "Inside privacy": ("privacy/ledgers/budget_ledger.py", "import privacy.views.budgets"),
    "Inside the engine: language, then measure, then plan, then release": (
        "privacy/engine/language/query.py",
        "import privacy.engine.release",
    ),
    "Inside requests_app": ("requests_app/workflow.py", "import requests_app.services"),
    "Inside studies": ("studies/documents.py", "import studies.models"),
    "Inside runner": ("runner/contract.py", "import runner.host"),
    "No folder imports in a circle": ("datasets/models/datasets.py", "import datasets.models.tables"),
    "Budgets are charged by services and workers alone": (
        "privacy/views/budgets.py",
        "import privacy.ledgers.budget_ledger",
    ),
    "Charges of single people are read and written by the engine's worker and the owner's pages alone": (
        "privacy/views/budgets.py",
        "import privacy.ledgers.person_ledger",
    ),
    "Kernels know neither Django nor the web": ("privacy/engine/figures.py", "import django"),
    "The runner knows nothing of the portal": ("runner/contract.py", "import common.errors"),
    "Apps reach the runner by its contract, its parsing, its previews, and what reads text": (
        "requests_app/queries.py",
        "import runner.host.job",
    ),
    "The launcher stands before the portal: it knows no app and no Django": (
        "portal/launch/state.py",
        "import common.errors",
    ),
}


MORE = [
    ("Kernels know neither Django nor the web", "runner/host/job.py", "import celery"),
    (
        "The launcher stands before the portal: it knows no app and no Django",
        "portal/launch/state.py",
        "import django",
    ),
    ("Apps look down only", "requests_app/queries.py", "import privacy.models"),
    ("Inside privacy", "privacy/services/budgets.py", "import privacy.views.budgets"),
]
"""Further breaks, where a contract claims more than one thing."""


def lint(root: Path) -> str:
    """What lint-imports says of a copy. Every contract is named there with KEPT or BROKEN."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    env = {**os.environ, "COLUMNS": "500"}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("product")
    shutil.copy(ROOT / "pyproject.toml", root)
    for app in APPS:
        shutil.copytree(ROOT / app, root / app, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def test_the_untouched_copy_breaks_nothing(copy: Path):
    said = lint(copy)
    assert "BROKEN" not in said
    assert said.count(" KEPT") == len(CONTRACTS)


def test_every_contract_is_tried():
    assert {contract["name"] for contract in CONTRACTS} == set(BREAKS)


def test_every_app_is_a_container_without_exceptions():
    inside = [contract for contract in CONTRACTS if contract.get("containers")]
    assert {app for contract in inside for app in contract["containers"]} >= set(APPS)
    assert all(contract["exhaustive"] for contract in inside)
    assert not any(
        contract.get("exhaustive_ignores") or contract.get("ignore_imports") for contract in inside
    )


@pytest.mark.parametrize(
    ("name", "file", "line"), [*((name, *where) for name, where in BREAKS.items()), *MORE]
)
def test_a_broken_contract_is_reported(copy: Path, name: str, file: str, line: str):
    path = copy / file
    whole = path.read_text()
    path.write_text(f"{whole}\n{line}\n")
    try:
        said = lint(copy)
    finally:
        path.write_text(whole)
    assert f"{name} BROKEN" in said


def test_a_module_in_no_layer_is_reported(copy: Path):
    stray = copy / "privacy" / "stray.py"
    stray.write_text("")
    try:
        said = lint(copy)
    finally:
        stray.unlink()
    assert "Inside privacy BROKEN" in said
    assert "privacy.stray" in said
