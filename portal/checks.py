"""System checks at every start: the portal does not serve with a configuration that could leak or lock up."""

import ipaddress
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 -- its name
from django.db import DatabaseError, connection

from common.errors import Refused
from common.heavy_views import close_connection
from network import wireguard

LOCAL_NAMES = {"localhost", "testserver"}


def public_hosts() -> list[str]:
    """Return the names and addresses that the portal is called by from other machines."""
    return sorted(name for name in settings.ALLOWED_HOSTS if not _is_local(name))


def _is_local(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name in LOCAL_NAMES


@register()
def secrets_are_set(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if len(settings.SECRET_KEY) >= 32:
        return []
    return [
        Error(
            "WEIR_SECRET_KEY is missing or shorter than 32 characters.",
            hint="Set it to a long random string. bin/launch creates one by itself.",
            id="weir.E001",
        )
    ]


@register()
def loopback_only_when_loose(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    public = public_hosts()
    if not public or not (settings.DEBUG or settings.DEMO):
        return []
    return [
        Error(
            f"The demo and debugging are allowed on this machine only, but WEIR_HOSTS names {', '.join(public)}.",
            hint="Unset WEIR_DEMO and WEIR_DEBUG, or remove these names from WEIR_HOSTS.",
            id="weir.E002",
        )
    ]


@register()
def the_tunnel_is_readable(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    try:
        wireguard.own()
    except Refused as wrong:
        return [Error(str(wrong), hint="See docs/deployment.md, WireGuard between portals.", id="weir.E005")]
    return []


@register(Tags.security, deploy=True)
def uploads_are_confined(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.UPLOADS_UNCONFINED:
        return []
    return [
        Warning(
            "WEIR_UPLOADS_UNCONFINED is set: where no sandbox can be created, uploaded files are parsed without one. "
            "The owner of one dataset could then exploit a flaw in a parser to read all datasets.",
            hint="Allow user namespaces for the default worker and the web server (docs/sandbox.md), then unset it.",
            id="weir.W001",
        )
    ]


OF_THE_WEB_SERVER = 2
"""Connections in addition to those of requests: one shared by all sockets, one by the readiness probes."""
FEWEST_AT_ONCE = 30
MOST_CONNECTIONS = """
    SELECT least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
        nullif((SELECT datconnlimit FROM pg_database WHERE datname = current_database()), -1),
        nullif((SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user), -1)
    )
"""


@register(Tags.database)
def workers_find_a_connection(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that the web server under full load leaves connections for workers and Celery beat."""
    if not databases:
        return []
    try:
        with connection.cursor() as cursor:
            cursor.execute(MOST_CONNECTIONS)
            offered = int(cursor.fetchone()[0])
    except DatabaseError:  # /readyz reports it, and nothing is served until then
        return []
    finally:
        close_connection()
    needed = settings.REQUESTS_AT_ONCE + OF_THE_WEB_SERVER + settings.CONNECTIONS_RESERVED
    if needed <= offered:
        return []
    return [
        Error(
            f"Postgres allows {offered} connections, but {needed} are needed: {settings.REQUESTS_AT_ONCE} for "
            f"pages, {OF_THE_WEB_SERVER} for sockets and probes, {settings.CONNECTIONS_RESERVED} for workers.",
            hint="Raise max_connections (or the limit of the role or database), or lower WEIR_REQUESTS_AT_ONCE.",
            id="weir.E003",
        )
    ]


@register()
def enough_places(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Require so many requests at once that slow views (file previews, code comparison) cannot take all places."""
    if settings.REQUESTS_AT_ONCE >= FEWEST_AT_ONCE:
        return []
    return [
        Error(
            f"WEIR_REQUESTS_AT_ONCE is {settings.REQUESTS_AT_ONCE}. Raise it to at least {FEWEST_AT_ONCE}.",
            id="weir.E004",
        )
    ]


@register(Tags.security, deploy=True)
def proxy_is_named(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.HTTPS or settings.PROXIES:
        return []
    return [
        Warning(
            "WEIR_BASE_URL begins with https://, so the portal is behind a proxy, but WEIR_PROXIES is not set.",
            hint="Set WEIR_PROXIES to the proxy's address. Until then, the proxy's address is recorded for everybody.",
            id="weir.W002",
        )
    ]
