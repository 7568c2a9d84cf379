"""The portal over HTTP and websockets."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
http = get_asgi_application()

from django.urls import path  # noqa: E402 -- apps must be loaded first

from requests_app.consumers import LiveConsumer  # noqa: E402 -- apps must be loaded first

sockets = URLRouter([path("ws/live/", LiveConsumer.as_asgi())])

application = ProtocolTypeRouter(
    {"http": http, "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(sockets))}
)
