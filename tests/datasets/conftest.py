"""A separate store for every test that looks at its content."""

import pytest

from datasets import hooks


@pytest.fixture(autouse=True)
def store(tmp_path, settings, request):
    """Hide the files of one test from the others. (Browser tests share the store of the running portal.)"""
    if "live" not in request.fixturenames:
        settings.STORE = tmp_path / "store"
    return settings.STORE


@pytest.fixture
def heard(monkeypatch):
    """The calls of the hooks, in order."""
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        hooks, "on_revision_retired", [lambda item, by: told.append(("retired", item.number, by))]
    )
    monkeypatch.setattr(hooks, "on_frozen", [lambda item, by: told.append(("frozen", item.state, by))])
    monkeypatch.setattr(hooks, "on_access_ended", [lambda item, who, by: told.append(("ended", who, by))])
    return told
