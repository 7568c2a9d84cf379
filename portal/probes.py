"""/livez and /readyz, answered on the event loop: the supervisor gets an answer under any load of pages.

One thread checks Postgres and Valkey, at most once a second, however often strangers ask.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from redis.exceptions import RedisError

from common.heavy_views import close_connection
from portal.request_limits import Application, Receive, Scope, Send

FRESH_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
HUNG = "one of its servers"


def silent() -> str:
    """Return the name of the server that does not respond, or "" if all do."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "the database"
    finally:
        close_connection()
    try:
        cache.get("readyz")
    except RedisError:
        return "Valkey"
    return ""


class Probes:
    """ASGI middleware for /livez and /readyz, in front of everything else."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="probe")
        self._looking: asyncio.Future[str] | None = None
        self._said, self._at = "", float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/livez":
            await _answer(scope, send, HTTPStatus.OK, "live")
        elif scope["path"] == "/readyz":
            who = await self._silent()
            status = HTTPStatus.SERVICE_UNAVAILABLE if who else HTTPStatus.OK
            await _answer(scope, send, status, f"not ready: {who} does not answer" if who else "ready")
        else:
            await self.application(scope, receive, send)

    async def _silent(self) -> str:
        """Return a result of the last second, else the result of one check that all callers share."""
        if time.monotonic() - self._at < FRESH_SECONDS:
            return self._said
        if self._looking is None:
            self._looking = asyncio.get_running_loop().run_in_executor(self._thread, silent)
            self._looking.add_done_callback(self._note)
        try:
            return await asyncio.wait_for(asyncio.shield(self._looking), PATIENCE_SECONDS)
        except TimeoutError:
            return HUNG

    def _note(self, looked: "asyncio.Future[str]") -> None:
        self._looking = None
        if not looked.cancelled() and looked.exception() is None:
            self._said, self._at = looked.result(), time.monotonic()


async def _answer(scope: Scope, send: Send, status: HTTPStatus, text: str) -> None:
    headers = [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")]
    if settings.SECURE_HSTS_SECONDS:
        headers.append((b"strict-transport-security", b"max-age=%d" % settings.SECURE_HSTS_SECONDS))
    body = b""
    if scope["method"] not in {"GET", "HEAD"}:
        status, headers = HTTPStatus.METHOD_NOT_ALLOWED, [*headers, (b"allow", b"GET, HEAD")]
    elif scope["method"] == "GET":
        body = f"{text}\n".encode()
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
