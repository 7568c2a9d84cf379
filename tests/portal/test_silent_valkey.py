"""A Valkey that takes connections and never answers: whoever speaks to it goes on, and says so."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from celery import current_app
from django.core.cache import caches

from common import live
from portal import probes
from portal.messages import ChannelLayer
from requests_app import queries
from requests_app.execution import sweep
from requests_app.models import Run
from tests import make
from tests.makers import requests as made

SOON = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A listener whose connections the kernel accepts and nobody ever reads."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        server.settimeout(0)
        yield server


def address(server: socket.socket) -> str:
    return f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def came(server: socket.socket) -> int:
    """The number of connections since the last call."""
    count = 0
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_every_client_of_the_portal_has_limits_to_its_patience(settings):
    limits = {"socket_timeout", "socket_connect_timeout"}
    assert limits <= set(settings.CACHES["default"]["OPTIONS"])
    assert limits <= set(settings.CHANNEL_LAYERS["default"]["CONFIG"])
    assert limits <= set(settings.CELERY_BROKER_TRANSPORT_OPTIONS)


def test_a_message_is_given_up_and_the_next_ones_do_not_wait_at_all(silent):
    layer = ChannelLayer(address=address(silent), **SOON)
    layer.publish([("run.1", {"type": "object.changed", "key": "run:1"})])
    assert came(silent) > 0
    layer.publish([("run.2", {"type": "object.changed", "key": "run:2"})])
    assert came(silent) == 0


def test_readiness_says_who_is_silent(silent, settings, db):
    options = {**settings.CACHES["default"]["OPTIONS"], **SOON}
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": address(silent), "OPTIONS": options}
    }
    assert probes.silent() == "Valkey"
    caches["default"].close()


@pytest.mark.django_db(transaction=True)
def test_a_run_asked_for_meanwhile_waits_its_turn(silent, monkeypatch):
    item = make.code_request(at="approved")
    made.worker()
    with monkeypatch.context() as patch:
        patch.setattr(live, "get_channel_layer", lambda: ChannelLayer(address=address(silent), **SOON))
        patch.setattr(current_app.amqp, "_producer_pool", None)
        patch.setitem(current_app.conf, "broker_write_url", address(silent))
        patch.setitem(current_app.conf, "broker_transport_options", SOON)
        run = made.start(item)
        assert came(silent) > 0
    assert made.fresh_run(run).state == "queued"
    assert queries.queue_position(run) == 1
    Run.objects.filter(pk=run.pk).update(rung_at=None)
    sweep.sweep_runs()
    assert made.fresh_run(run).rung_at is not None
