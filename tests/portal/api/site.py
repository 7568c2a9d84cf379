"""A site as one scientist hears it: every call, and what was answered without what is random."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.test import Client

from common.rest.grants import SCOPES
from datasets.api.tus import CHUNK_TYPE
from portal.api.views import OPENAPI
from tests.guards.pages import word_of
from tests.guards.test_api import Call
from tests.portal.scene import Scene
from tests.rest import bearer

RANDOM = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # ids of objects and of calls
    r"|[0-9a-f]{64}"  # keyed hashes, and hashes of what has ids in it
    r"|(?<=cursor=)[\w-]+"  # the id of the last item of a page
    r"|(?<=-)[0-9a-f]{8}(?=[.-])"  # the beginning of an id, in the name of a file
    r'|(?<="object":\{"id":")[0-9]+(?=",)'  # of a line of the ledger: a number in the whole database
    r'|(?<="charge":")[0-9]+'  # the same line, in the entry of its answer
    r'|(?<="ending":")[^"]{4}|(?<=\xe2\x80\xa6)[\w-]{4}(?=\))'  # how an access token ends
    r'|(?<="device_code":")[^"]+|(?<="user_code":")[^"]+'
)
FOLLOWED = {
    "user": "people",
    "request": "requests",
    "run": "runs",
    "dataset": "datasets",
    "upload": "uploads",
}
"""The kinds of objects that can be followed."""
MOST = 12
"""Objects of a kind, of which there can be many notifications."""
HEADERS = {
    "If-Match": "*",
    "Tus-Resumable": "1.0.0",
    "Upload-Offset": "0",
    "Upload-Length": "10",
    "Upload-Metadata": "filename d2FnZXMuY3N2",
}
"""Without them, some calls would be refused for their form."""


class Clock:
    """A time that moves on by a millisecond each time that it is looked at.

    Calls begin a second apart, however often the ones before have looked: that depends on caches that expire.
    """

    def __init__(self, now: datetime) -> None:
        self.now = self.begun = now

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def begin_call(self) -> None:
        self.skip(timedelta(seconds=1))

    def skip(self, time: timedelta) -> None:
        """Move on from the beginning of the last call."""
        self.begun += time
        self.now = self.begun


@dataclass(frozen=True)
class Heard:
    """What a call was answered."""

    call: str
    status: int
    headers: tuple[tuple[str, str], ...]
    size: int
    body: str


@dataclass
class Site:
    """A site, and its scientist with a token for whatever a scientist may do."""

    scene: Scene
    clock: Clock
    names: dict[str, str] = field(default_factory=dict)
    """What is random, each with a name by the order in which it was met."""

    def __post_init__(self) -> None:
        self.client = Client()
        self.token = bearer(self.scene.people["scientist"], *SCOPES, days=1)

    def hear(self, call: Call, bodies: list[Any]) -> list[Heard]:
        """Call an operation about every object of its kind, whether the scientist may see it or not."""
        return [self.send(call, address, body) for address in self.addresses(call) for body in bodies]

    def addresses(self, call: Call) -> list[str]:
        if call.page.name == "api:events":
            about = [f"{kind}:{pk}" for kind, word in FOLLOWED.items() for pk in self.scene.ids[word]]
            return [f"{call.page.path(uuid=UUID(int=0))}?about={','.join(about)}"]
        if not call.page.takes_an_object:
            return [call.page.path(uuid=UUID(int=0))]
        return [call.page.path(uuid=UUID(pk)) for pk in self.scene.ids[word_of(call.page.route)][:MOST]]

    def send(self, call: Call, address: str, body: Any) -> Heard:
        self.clock.begin_call()
        kind = CHUNK_TYPE if isinstance(body, bytes) else "application/json"
        given = {} if call.method in {"get", "options"} else {"data": body, "content_type": kind}
        answer = getattr(self.client, call.method)(address, headers={**HEADERS, **self.token}, **given)
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        headers = tuple((name, self.named(value)) for name, value in sorted(answer.items()))
        return Heard(
            str(call), answer.status_code, headers, len(content), self.named(content.decode("latin1"))
        )

    def named(self, text: str) -> str:
        return RANDOM.sub(lambda found: self.names.setdefault(found[0], f"<{len(self.names)}>"), text)


def least(call: Call) -> Any:
    """The least that the description of an operation takes as a body."""
    path = "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", call.page.route).replace("{pk}", "{id}")
    described = json.loads(OPENAPI.read_text())["paths"].get(
        path, {}
    )  # other portals describe what is passed on
    operation = described.get(call.method, {})
    content = operation.get("requestBody", {}).get("content", {})
    if CHUNK_TYPE in content:
        return b"x"
    return _least(content["application/json"]["schema"]) if content else {}


def _least(schema: dict[str, Any]) -> Any:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _least(json.loads(OPENAPI.read_text())["components"]["schemas"][name])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        return {name: _least(schema["properties"][name]) for name in schema.get("required", [])}
    text = str(UUID(int=0)) if schema.get("format") == "uuid" else "x"
    return {"string": text, "integer": 1, "number": 1.0, "boolean": False, "array": []}[kind]
