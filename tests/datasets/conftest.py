"""A store of its own for every test that looks at what lies in it."""

import pytest


@pytest.fixture(autouse=True)
def store(tmp_path, settings, request):
    """Files of one test are not seen by another. (Browser tests share the store of the running portal.)"""
    if "live" not in request.fixturenames:
        settings.STORE = tmp_path / "store"
    return settings.STORE
