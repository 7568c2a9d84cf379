"""A store of its own for every test that looks at what lies in it."""

import pytest

from datasets import hooks


@pytest.fixture(autouse=True)
def store(tmp_path, settings, request):
    """Files of one test are not seen by another. (Browser tests share the store of the running portal.)"""
    if "live" not in request.fixturenames:
        settings.STORE = tmp_path / "store"
    return settings.STORE


@pytest.fixture
def heard(monkeypatch):
    """What the hooks were told, in order."""
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        hooks, "on_revision_retired", [lambda item, by: told.append(("retired", item.number, by))]
    )
    monkeypatch.setattr(hooks, "on_frozen", [lambda item, by: told.append(("frozen", item.state, by))])
    monkeypatch.setattr(hooks, "on_access_ended", [lambda item, who, by: told.append(("ended", who, by))])
    return told
