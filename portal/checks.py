"""Deployment checks that run with every start: the portal refuses to serve in a state that would leak."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 -- its name

LOOPBACK = {"127.0.0.1", "localhost", "[::1]", "testserver"}


@register()
def secrets_are_set(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if len(settings.SECRET_KEY) >= 32:
        return []
    return [
        Error(
            "WEIR_SECRET_KEY is missing or shorter than 32 characters.",
            hint="bin/launch makes one; elsewhere set it to a long random text.",
            id="weir.E001",
        )
    ]


@register()
def loopback_only_when_loose(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    public = sorted(set(settings.ALLOWED_HOSTS) - LOOPBACK)
    if not public or not (settings.DEBUG or settings.DEMO):
        return []
    return [
        Error(
            f"The demo and debugging are for this machine only, but WEIR_HOSTS names {', '.join(public)}.",
            hint="Unset WEIR_DEMO and WEIR_DEBUG, or serve on 127.0.0.1 only.",
            id="weir.E002",
        )
    ]


@register(Tags.security, deploy=True)
def proxy_is_named(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.HTTPS or settings.PROXIES:
        return []
    return [
        Warning(
            "WEIR_BASE_URL begins with https://, so a proxy stands before the portal, but WEIR_PROXIES is not set.",
            hint="Name the proxy's address, or everybody is recorded as coming from it.",
            id="weir.W001",
        )
    ]
