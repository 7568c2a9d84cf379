"""Which pages may open a socket: the portal's own, by scheme, host and port."""

from urllib.parse import urlsplit

from portal.env import DEFAULT_PORTS
from portal.request_limits import Application, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def own_origins(base: str) -> frozenset[str]:
    """What browsers send as Origin from the portal's own pages. On this machine alone it has three names."""
    url = urlsplit(base)
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname or ""
    port = "" if url.port in {None, DEFAULT_PORTS.get(url.scheme)} else f":{url.port}"
    hosts = LOOPBACK if host in LOOPBACK else (host,)
    return frozenset(f"{url.scheme}://{each}{port}" for each in hosts)


class Origins:
    """Refuses sockets of other origins, and of other paths than the one there is."""

    def __init__(self, application: Application, *, base: str, only: str) -> None:
        self.application, self.only = application, only
        self.own = own_origins(base)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origins = [value.decode("latin1") for name, value in scope["headers"] if name == b"origin"]
        if scope["path"] == self.only and len(origins) == 1 and origins[0] in self.own:
            await self.application(scope, receive, send)
        else:
            await send({"type": "websocket.close"})
