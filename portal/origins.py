"""Origin check for websockets: only the portal's own pages may open one."""

from urllib.parse import urlsplit

from portal.env import DEFAULT_PORTS
from portal.request_limits import Application, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def own_origins(base: str) -> frozenset[str]:
    """Return the Origin headers of the portal's own pages. A loopback address has three equivalent names."""
    url = urlsplit(base)
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname or ""
    port = "" if url.port in {None, DEFAULT_PORTS.get(url.scheme)} else f":{url.port}"
    hosts = LOOPBACK if host in LOOPBACK else (host,)
    return frozenset(f"{url.scheme}://{each}{port}" for each in hosts)


class Origins:
    """Refuses websockets from other origins and on other paths than `only`."""

    def __init__(self, application: Application, *, base: str, only: str) -> None:
        self.application, self.only = application, only
        self.own = own_origins(base)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origins = [value.decode("latin1") for name, value in scope["headers"] if name == b"origin"]
        if scope["path"] == self.only and len(origins) == 1 and origins[0] in self.own:
            await self.application(scope, receive, send)
        else:
            await send({"type": "websocket.close"})
