"""The live socket."""

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """Tells a page that something it watches has changed; the page asks again over HTTP."""
