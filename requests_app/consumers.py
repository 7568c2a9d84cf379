"""The live WebSocket: it reports that an object has changed, never how. The page then reloads it over HTTP."""

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Session, User
from common import live, plain_json
from common.admission import Busy, Turns
from datasets.models import Dataset, Upload
from requests_app.models import CodeRequest, Run

WATCHED = 100
"""How many keys one socket may watch. A page needs a handful."""
ASKED = 2 * WATCHED
"""How many keys one socket may name in its life: each costs a database query."""
MESSAGE_LIMIT = 10_000
WORKERS = "workers"
NOT_SIGNED_IN = 4401
TOO_MANY = 4429
QUESTIONS = Turns(at_once=4, each=1, waiting=20_000, each_waiting=10_000)
"""All sockets share one database connection: people take turns, however many sockets they have."""
WAIT_SECONDS = 30.0
SLACK = 0.5
"""Seconds added to a page's age, as its clock begins a little after the browser asked for it."""
_open: Counter[UUID] = Counter()


def is_signed_in(session_key: str | None) -> bool:
    """Return whether the session that opened a socket is still valid: sign-out, expiry and suspension end it."""
    return Session.objects.filter(session_key=session_key, expire_date__gt=timezone.now()).exists()


def may_watch(user_pk: UUID | None, key: str) -> bool:
    """Return whether this person may know now that the object behind `key` changes."""
    user = None if user_pk is None else User.objects.filter(pk=user_pk, is_active=True).first()
    if user is None:
        return False
    if key == WORKERS:
        return user.oversees
    kind, _, text = key.partition(":")
    visible = VISIBLE.get(kind)
    try:
        return visible is not None and visible(user).filter(pk=UUID(text)).exists()
    except ValueError:
        return False


VISIBLE: dict[str, Callable[[User], QuerySet[Any]]] = {
    "user": lambda user: User.objects.filter(pk=user.pk),
    "request": CodeRequest.objects.known_to,
    "run": Run.objects.visible_to,
    "dataset": Dataset.objects.visible_to,
    "upload": Upload.objects.visible_to,
}


def group_of(key: str) -> str:
    return live.group(f"{WORKERS}:all" if key == WORKERS else key)


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """Watches only objects that its person may see, and checks again before each message."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Count this person's sockets for as long as this one exists, however it ends."""
        who = scope["user"].pk
        _open[who] += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            _open[who] -= 1
            if not _open[who]:
                del _open[who]

    async def connect(self) -> None:
        user = self.scope["user"]
        self.watched: set[str] = set()
        self.asked = 0
        self.user_pk: UUID | None = None
        if not isinstance(user, User) or not user.is_active:
            await self.close(code=NOT_SIGNED_IN)
            return
        if _open[user.pk] > settings.SOCKETS_PER_PERSON:
            await self.close(code=TOO_MANY)
            return
        self.user_pk = user.pk
        await self.accept()
        await self.channel_layer.group_add(self._own_group(), self.channel_name)

    async def disconnect(self, code: int) -> None:
        for group in {self._own_group(), *map(group_of, self.watched)} if self.user_pk else ():
            await self.channel_layer.group_discard(group, self.channel_name)

    def _own_group(self) -> str:
        """Return the person's own group, for notifications and the end of the session, whatever they watch."""
        return group_of(f"user:{self.user_pk}")

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        """Read short JSON messages and ignore anything else."""
        if text_data is None or len(text_data) > MESSAGE_LIMIT:
            return
        try:
            content = plain_json.loads(text_data)
        except ValueError:
            return
        if not isinstance(content, dict) or not isinstance(content.get("watch"), list):
            return
        added = []
        for key in content["watch"][:WATCHED]:
            if isinstance(key, str) and len(key) < 64 and len(self.watched) < WATCHED and self.asked < ASKED:
                self.asked += 1
                if await self._watch(key):
                    added.append(key)
        for key in await self._changed_since(added, content.get("age")):
            await self.send_json({"changed": key})

    async def _watch(self, key: str) -> bool:
        """Watch a key from now on; return False if that is done already or not allowed."""
        if key in self.watched or not await self._may_watch(key):
            return False
        self.watched.add(key)
        await self.channel_layer.group_add(group_of(key), self.channel_name)
        return True

    async def _changed_since(self, keys: list[str], age: object) -> list[str]:
        """Return the keys that may have changed since the page, `age` seconds old, was asked for.

        A page that does not know its age, or is older than the memory of changes, is told of all.
        """
        if not keys or not isinstance(age, int | float) or not 0 <= age <= live.LATELY - SLACK:
            return keys
        lately = await sync_to_async(self.channel_layer.had_message, thread_sensitive=False)(
            map(group_of, keys), within=age + SLACK
        )
        return [key for key in keys if group_of(key) in lately]

    async def _may_watch(self, key: str) -> bool:
        return await self._ask(may_watch, self.user_pk, key)

    async def _ask(self, question: Callable[..., bool], *about: object) -> bool:
        """Query the database in this person's turn; return False if the turn does not come in time."""
        try:
            async with QUESTIONS.turn_async(self.user_pk, seconds=WAIT_SECONDS):
                return bool(await database_sync_to_async(question)(*about))
        except Busy:
            return False

    async def object_changed(self, message: dict[str, str]) -> None:
        """Report a change of a watched object, unless the person may no longer see it."""
        key = WORKERS if message["key"] == f"{WORKERS}:all" else message["key"]
        if not await self._ask(is_signed_in, self.scope["session"].session_key):
            await self.session_ended(message)
        elif await self._may_watch(key):
            await self.send_json({"changed": key})

    async def message_ignored(self, message: dict[str, str]) -> None:
        """Ignore messages that this portal has not sent."""

    async def session_ended(self, message: dict[str, str]) -> None:
        """Close the socket of a person who was signed out or suspended: the page goes to the sign-in."""
        await self.send_json({"ended": True})
        await self.close(code=NOT_SIGNED_IN)
