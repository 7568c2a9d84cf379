"""Calls to a portal: JSON there and back, problems as exceptions, and calls that are repeated where that is safe.

The token goes to the origin of the portal alone, over https (http only to this machine). Redirects are not followed.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from weir.errors import PortalFailed, Unreachable, WeirError, class_of
from weir.version import VERSION

if TYPE_CHECKING:
    import httpx

API = "/api/v1/"
TRIES = 3
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 60.0
"""Seconds: a portal that asks to wait longer is not waited for."""
LONGEST_WAIT = 20
MOST_JSON = 64 * 2**20
MOST_PAGES = 10_000
CONNECT_SECONDS, READ_SECONDS = 5.0, 60.0
PROBLEM_WORDS = 500


@dataclass(frozen=True)
class Reply:
    """What the portal answered. `content` is None where there is no body."""

    status: int
    content: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return str(self.headers.get("etag", ""))


def origin_of(address: str) -> str:
    """Return the origin of a portal's address. Raises WeirError unless it is https, or http to this machine."""
    text = address if "://" in address else f"https://{address}"
    parts = urlsplit(text)
    if not parts.hostname or parts.username or parts.password or parts.scheme not in {"http", "https"}:
        raise WeirError(
            f"“{address[:200]}” is not the address of a portal. Write it as https://portal.example."
        )
    if parts.scheme == "http" and not is_this_machine(parts.hostname):
        raise WeirError(
            f"{text[:200]} is not encrypted, so your access token could be read on the way. Use https://."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port and parts.port != {"http": 80, "https": 443}[parts.scheme] else ""
    return f"{parts.scheme}://{host}{port}"


def is_this_machine(host: str) -> bool:
    """Return whether a host is this machine, to which nothing has to be encrypted."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


class Transport:
    """One portal, as one person. Safe to share between threads."""

    def __init__(
        self, address: str, token: str | None = None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        import httpx  # noqa: PLC0415 -- it takes 60 ms

        self.origin, self.sleep, self._httpx = origin_of(address), sleep, httpx
        headers = {"Weir-Client": VERSION, "Accept": "application/json", "User-Agent": f"weir/{VERSION}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        # Nothing that is for this machine may pass through a proxy of the environment.
        own = is_this_machine(urlsplit(self.origin).hostname or "")
        self._client = httpx.Client(
            base_url=self.origin, headers=headers, timeout=timeout, follow_redirects=False, trust_env=not own
        )

    def close(self) -> None:
        self._client.close()

    # Calls

    def get(self, path: str, *, wait: int = 0, **query: Any) -> Any:
        """Return the JSON at a path. `wait`: seconds that the portal may take until the object is ready."""
        return self.call("GET", path, query=query, wait=wait).content

    def post(self, path: str, body: Any = None, *, key: str | None = None, wait: int = 0) -> Reply:
        """Act on an object. With a `key`, an idempotency key, the call acts once however often it is sent."""
        return self.call("POST", path, body={} if body is None else body, key=key, wait=wait)

    def create(self, path: str, body: Any = None, *, wait: int = 0) -> Reply:
        """Make an object, once, even if the call has to be sent again."""
        return self.post(path, body, key=str(uuid4()), wait=wait)

    def patch(self, path: str, body: Any, etag: str) -> Any:
        """Change an object that was read with this ETag. Raises Stale if somebody else has changed it since."""
        return self.call("PATCH", path, body=body, headers={"If-Match": etag}).content

    def delete(self, path: str) -> None:
        self.call("DELETE", path)

    def items(self, path: str, **query: Any) -> Iterator[Any]:
        """Yield the items of a list, page after page."""
        for _ in range(MOST_PAGES):
            page = self.get(path, **query)
            yield from page["items"]
            if not page.get("next"):
                return
            path, query = self._own_path(str(page["next"])), {}

    def call(  # noqa: PLR0913 -- the parts of a call
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
        wait: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Call the portal, again if that is safe and may help. Raises the exception of its problem, or Unreachable."""
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        given = dict(headers or {})
        if content is not None:
            given["Content-Type"] = "application/json"
        if key:
            given["Idempotency-Key"] = key
        if wait:
            given["Prefer"] = f"wait={min(wait, LONGEST_WAIT)}"
        query = {name: value for name, value in (query or {}).items() if value is not None}
        request = self._client.build_request(
            method, self._address(path), content=content, params=query or None, headers=given
        )
        return self._repeated(request, is_safe=method in {"GET", "HEAD"} or key is not None)

    def send(
        self, method: str, path: str, content: bytes, headers: Mapping[str, str], *, is_safe: bool
    ) -> Reply:
        """Send bytes that are not JSON, such as a part of a file. `is_safe`: sending them again does no harm."""
        body, given = Body(content), {**headers, "Content-Length": str(len(content))}
        request = self._client.build_request(method, self._address(path), content=body, headers=given)
        try:
            return self._repeated(request, is_safe=is_safe)
        finally:
            body.content = b""  # httpx's requests are freed by the garbage collector alone

    def text(self, path: str, *, most: int) -> str:
        """Return a text at a path, of at most so many bytes. Raises PortalFailed for what is longer, or no text."""
        with self._opened("GET", path, headers={"Accept": "text/plain, application/json"}) as reply:
            self._check(reply)
            content = b""
            for chunk in reply.iter_bytes():
                content += chunk
                if len(content) > most:
                    raise PortalFailed(f"{self.origin}{path} is longer than {most:,} bytes. Ask its admin.")
        try:
            return content.decode()
        except UnicodeDecodeError as bad:
            raise PortalFailed(f"{self.origin}{path} is not text in UTF-8. Ask its admin.") from bad

    def download(self, path: str, to: Path, *, method: str = "GET", **query: str) -> Path:
        """Write a file that the portal sends. The file is complete, or not there. A POST, which acts, is sent once."""
        for attempt in range(TRIES - 1 if method == "GET" else 0):
            with contextlib.suppress(Dropped):
                return self._downloaded(method, path, to, query)
            self.sleep(_pause(attempt))
        return self._downloaded(method, path, to, query)

    def _downloaded(self, method: str, path: str, to: Path, query: Mapping[str, str]) -> Path:
        part = to.with_name(f"{to.name}.{secrets.token_hex(4)}.part")
        try:
            with self._opened(method, path, params=query or None) as reply, part.open("wb") as file:
                self._check(reply)
                for chunk in reply.iter_bytes():
                    file.write(chunk)
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)
        return to

    def events(self, *keys: str) -> Iterator[tuple[str, str]]:
        """Yield (kind, id) of objects that change, such as run:ID, once each to begin with, until the stream ends.

        A sign of life, by which the portal keeps the stream open, is yielded as ("", "").
        """
        with self._opened("GET", f"{API}events/", params={"about": ",".join(keys)}) as reply:
            self._check(reply)
            for line in reply.iter_lines():
                if line.startswith(":"):
                    yield "", ""
                if line.startswith("data:"):
                    found = json.loads(line.removeprefix("data:"))
                    yield str(found.get("kind")), str(found.get("id"))

    # How

    def _address(self, path: str) -> str:
        return path if path.startswith("/") else f"{API}{path}"

    def _own_path(self, path: str) -> str:
        """Return a path that the portal named. Raises WeirError for an address elsewhere."""
        if not path.startswith("/") or path.startswith("//"):
            raise WeirError("The portal named an address that is not its own. Ask its admin.")
        return path

    def _repeated(self, request: httpx.Request, *, is_safe: bool) -> Reply:
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            try:
                reply = self._read(request)
            except Dropped:
                if last or not is_safe:
                    raise
                self.sleep(_pause(attempt))
                continue
            pause = _pause_after(reply, attempt, is_safe=is_safe)
            if last or pause is None:
                return self._checked(reply)
            self.sleep(pause)
        raise AssertionError

    def _read(self, request: httpx.Request) -> Reply:
        with self._opened_as(request) as reply:
            return _whole(reply)

    @contextlib.contextmanager
    def _opened(self, method: str, path: str, **parts: Any) -> Iterator[httpx.Response]:
        request = self._client.build_request(method, self._address(path), **parts)
        with self._opened_as(request) as reply:
            yield reply

    @contextlib.contextmanager
    def _opened_as(self, request: httpx.Request) -> Iterator[httpx.Response]:
        """Send a request and yield the response. Raises Unreachable for whatever happens on the way."""
        try:
            reply = self._client.send(request, stream=True)
            try:
                yield reply
            finally:
                reply.close()
        except self._httpx.TransportError as failed:
            raise _unreachable(failed, self.origin) from failed

    def _check(self, reply: httpx.Response) -> None:
        """Raise the exception of an answer that is a problem, of which the body has not been read."""
        if not reply.is_success:
            self._checked(_whole(reply))

    def _checked(self, reply: Reply) -> Reply:
        """Return an answer with its JSON. Raises the exception of a problem."""
        if 300 <= reply.status < 400 and reply.status != 304:
            raise WeirError(
                f"{self.origin} sends calls on to another address, where your access token is not sent. "
                "Sign in with that address."
            )
        found = _json(reply)
        if reply.status >= 400:
            raise _problem(reply, found)
        if found is None and reply.content:
            raise PortalFailed(f"{self.origin} did not answer in JSON. Is this the address of a Weir portal?")
        return Reply(reply.status, found, reply.headers)


class Body:
    """Bytes to send, once or again, that are let go of after the answer."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self.content


class Dropped(Unreachable):
    """A connection that was not made or was dropped: the next one may be better. A bad certificate stays bad."""


def _whole(reply: httpx.Response) -> Reply:
    """Return an answer with its content, as long as that is not endless. It may be packed."""
    content, size = [], 0
    for chunk in reply.iter_bytes():
        content.append(chunk)
        size += len(chunk)
        if size > MOST_JSON:
            raise PortalFailed(f"The portal answered with more than {MOST_JSON // 2**20} MB. Ask its admin.")
    return Reply(reply.status_code, b"".join(content), dict(reply.headers))


def _pause(attempt: int) -> float:
    """Return the seconds before the next try: twice as many each time, plus or minus a quarter."""
    return FIRST_PAUSE * 2.0**attempt * (0.75 + secrets.randbelow(501) / 1000)


def _pause_after(reply: Reply, attempt: int, *, is_safe: bool) -> float | None:
    """Return the seconds after which to try again, or None if that would not help, or might act twice."""
    asked = reply.headers.get("retry-after", "")
    if reply.status == 429:
        seconds = float(asked) if asked.isdecimal() else _pause(attempt)
        return seconds if seconds <= LONGEST_PAUSE else None
    if reply.status in {500, 502, 503, 504} and is_safe:
        return min(float(asked), LONGEST_PAUSE) if asked.isdecimal() else _pause(attempt)
    return None


def _json(reply: Reply) -> Any:
    if not reply.content:
        return None
    try:
        return json.loads(reply.content)
    except ValueError:
        return None


def _problem(reply: Reply, found: Any) -> WeirError:
    """Return the exception of a problem. Servers in front of the portal answer in plain text."""
    problem = found if isinstance(found, dict) else {}
    code = str(problem.get("code") or "")
    plain = reply.content.decode(errors="replace").strip() if not problem else ""
    plain = "" if plain.startswith("<") else plain[:PROBLEM_WORDS]
    detail = str(
        problem.get("detail") or problem.get("title") or plain or f"The portal answered with {reply.status}."
    )
    return class_of(reply.status, code)(detail, code=code, status=reply.status, problem=problem)


def _unreachable(failed: Exception, origin: str) -> Unreachable:
    """Return the exception of a call that got no answer, with the host and the cause."""
    cause = str(failed) or type(failed).__name__
    if "CERTIFICATE_VERIFY_FAILED" in cause:
        return Unreachable(
            f"The certificate of {origin} is not trusted: {cause}. Check the address. If the portal has a certificate "
            "of your own organisation, name the file in SSL_CERT_FILE."
        )
    words = {
        "ConnectTimeout": "no connection within 5 s",
        "ReadTimeout": "no answer within 60 s",
        "RemoteProtocolError": f"the connection was dropped ({cause})",
    }
    text = words.get(type(failed).__name__, cause)
    return Dropped(f"{origin} cannot be reached: {text}. Check the address and your network.")
