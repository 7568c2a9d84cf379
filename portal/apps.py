from typing import Any

import structlog
from django.apps import AppConfig
from django.http import HttpRequest


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from django_structlog.signals import bind_extra_request_metadata  # noqa: PLC0415 -- needs the settings

        from portal import celery, checks  # noqa: F401, PLC0415 -- registered once apps are loaded

        bind_extra_request_metadata.connect(bind_client, dispatch_uid="portal.bind_client")


def bind_client(sender: object, request: HttpRequest, **kwargs: Any) -> None:
    """Bind the client's address, as common.client_address determines it, to log entries of the request."""
    from common.client_address import client_address  # noqa: PLC0415 -- needs the settings

    structlog.contextvars.bind_contextvars(ip=client_address(request))
