"""ASGI application: Django over HTTP, Channels over websockets."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
http = get_asgi_application()

from django.urls import path  # noqa: E402 -- apps must be loaded first

from portal.api.live import Live  # noqa: E402 -- as above
from portal.origins import Origins  # noqa: E402 -- as above
from portal.probes import Probes  # noqa: E402 -- as above
from portal.request_limits import Sockets, Turnstile  # noqa: E402 -- as above
from requests_app.consumers import LiveConsumer  # noqa: E402 -- as above

SOCKET_PATH = "ws/live/"
sockets = URLRouter([path(SOCKET_PATH, LiveConsumer.as_asgi())])

application = ProtocolTypeRouter(
    {
        "http": Probes(Live(Turnstile(http, at_once=settings.REQUESTS_AT_ONCE))),
        "websocket": Origins(
            Sockets(AuthMiddlewareStack(sockets), at_once=settings.SOCKETS_AT_ONCE),
            base=settings.BASE_URL,
            only=f"/{SOCKET_PATH}",
        ),
    }
)
