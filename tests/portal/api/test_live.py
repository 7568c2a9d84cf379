"""Waiting and streams in front of Django: what is passed on, what is held, and what ends it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from common import live
from common.rest.rates import AGAIN
from portal.api import live as module
from portal.api.live import EVENTS, Live

RUN = "run:11111111-1111-1111-1111-111111111111"
ME = "user:22222222-2222-2222-2222-222222222222"
PATH = "/api/v1/runs/11111111-1111-1111-1111-111111111111/"


class Django:
    """Stands where Django does: answers what the test says, and remembers what it was asked."""

    def __init__(self, answer: Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        self.asked.append((scope["method"], scope["path"], scope["query_string"].decode()))
        status, headers, content = self.answer(scope)
        named = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": named})
        await send({"type": "http.response.body", "body": content})


class Caller:
    """One HTTP request, as a server would hand it on."""

    def __init__(self, application: Any, method: str = "GET", path: str = PATH, **more: Any) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in more.get("headers", {}).items()]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": more.get("query", "").encode(),
            "headers": headers,
        }
        self.sent: list[dict[str, Any]] = []
        self.arriving: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.arriving.put_nowait({"type": "http.request", "body": b"{}", "more_body": False})
        self.task = asyncio.ensure_future(application(scope, self.arriving.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def hang_up(self) -> None:
        self.arriving.put_nowait({"type": "http.disconnect"})

    async def finished(self) -> "Caller":
        await asyncio.wait_for(self.task, 10)
        return self

    async def until(self, text: str) -> None:
        async with asyncio.timeout(10):
            while text not in self.text:
                await asyncio.sleep(0.01)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()


async def change(key: str, kind: str = "object.changed") -> None:
    await get_channel_layer().group_send(live.group(key), {"type": kind, "key": key})


def going(state: dict[str, Any]) -> Django:
    """A run that is going for as long as the state says so."""

    def answer(scope: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        created = scope["method"] == "POST"
        headers = {"Weir-Live": f"{ME},{RUN}"} if state["going"] else {}
        if created:
            headers["Location"] = PATH
        return (
            (202 if created and state["going"] else 201 if created else 200),
            headers,
            json.dumps(state).encode(),
        )

    return Django(answer)


async def test_without_the_preference_nothing_is_held():
    django = going({"going": True})
    caller = await Caller(Live(django), headers={"Prefer": "respond-async"}).finished()
    assert (caller.status, len(django.asked)) == (200, 1)


@pytest.mark.parametrize("text", ["wait=", "wait=x", "wait=-1", "wait=0", "waiting=9", "wait=99999"])
async def test_a_preference_that_makes_no_sense_is_ignored(text: str):
    django = going({"going": True})
    caller = await Caller(Live(django), headers={"Prefer": text}).finished()
    assert (caller.status, len(django.asked)) == (200, 1)


async def test_what_is_ready_is_answered_at_once():
    django = going({"going": False})
    caller = await Caller(Live(django), headers={"Prefer": "wait=20"}).finished()
    assert (caller.status, django.asked) == (200, [("GET", PATH, "")])
    assert "weir-live" not in caller.headers


async def test_a_caller_waits_for_the_change():
    state: dict[str, Any] = {"going": True}
    django = going(state)
    caller = Caller(Live(django), headers={"Prefer": "handling=strict, wait=20"})
    while len(django.asked) < 2:
        await asyncio.sleep(0.01)
    assert caller.sent == []
    state["going"] = False
    await change(RUN)
    await caller.finished()
    assert (caller.status, json.loads(caller.text)) == (200, {"going": False})
    assert (caller.headers["preference-applied"], "weir-live" in caller.headers) == ("wait", False)


async def test_a_change_before_the_caller_listens_is_not_missed():
    """The object is looked at once more after the groups were joined."""
    state: dict[str, Any] = {"going": True}
    django = going(state)
    inner = django.answer

    def changes_after_the_first_look(scope: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        answer = inner(scope)
        state["going"] = False
        return answer

    django.answer = changes_after_the_first_look
    caller = await Caller(Live(django), headers={"Prefer": "wait=20"}).finished()
    assert (len(django.asked), json.loads(caller.text)) == (2, {"going": False})


async def test_what_is_made_is_answered_when_it_is_ready():
    state: dict[str, Any] = {"going": True}
    django = going(state)
    caller = Caller(Live(django), "POST", "/api/v1/budgets/x/answers/", headers={"Prefer": "wait=20"})
    while len(django.asked) < 2:
        await asyncio.sleep(0.01)
    state["going"] = False
    await change(RUN)
    await caller.finished()
    assert (caller.status, caller.headers["location"], json.loads(caller.text)) == (
        201,
        PATH,
        {"going": False},
    )
    assert [method for method, _, _ in django.asked] == ["POST", "GET", "GET"]


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 202)])
async def test_when_the_time_is_over_the_caller_gets_it_as_it_is(method: str, status: int):
    django = going({"going": True})
    caller = await Caller(Live(django), method, headers={"Prefer": "wait=1"}).finished()
    assert (caller.status, json.loads(caller.text)) == (status, {"going": True})


async def test_a_refusal_is_passed_on_at_once():
    django = Django(lambda scope: (404, {}, b"{}"))
    caller = await Caller(Live(django), headers={"Prefer": "wait=20"}).finished()
    assert (caller.status, len(django.asked)) == (404, 1)


async def test_a_caller_who_loses_access_while_waiting_is_told_so():
    answers = iter([(200, {"Weir-Live": f"{ME},{RUN}"}, b"{}"), (401, {}, b'{"code": "token_revoked"}')])
    caller = await Caller(Live(Django(lambda scope: next(answers))), headers={"Prefer": "wait=20"}).finished()
    assert (caller.status, json.loads(caller.text)) == (401, {"code": "token_revoked"})


async def test_a_waiting_call_ends_when_its_token_is_revoked():
    state: dict[str, Any] = {"status": 200}
    headers = {"Weir-Live": f"{ME},{RUN}"}
    django = Django(lambda scope: (state["status"], headers if state["status"] == 200 else {}, b"{}"))
    caller = Caller(Live(django), headers={"Prefer": "wait=20"})
    while len(django.asked) < 2:
        await asyncio.sleep(0.01)
    state["status"] = 401
    await change(ME, live.ENDED)
    await caller.finished()
    assert (caller.status, len(django.asked)) == (401, 3)


async def test_other_messages_to_the_caller_make_no_call_look_again():
    django = going({"going": True})
    caller = Caller(Live(django), headers={"Prefer": "wait=20"})
    while len(django.asked) < 2:
        await asyncio.sleep(0.01)
    await change(ME)
    await change(RUN)
    while len(django.asked) < 3:
        await asyncio.sleep(0.01)
    assert len(django.asked) == 3
    caller.hang_up()
    await caller.finished()


async def test_a_caller_who_hangs_up_waits_no_longer():
    django = going({"going": True})
    caller = Caller(Live(django), headers={"Prefer": "wait=20"})
    while len(django.asked) < 2:
        await asyncio.sleep(0.01)
    caller.hang_up()
    await caller.finished()


def watching(known: list[str], status: list[int]) -> Django:
    """Events of these keys, for as long as the status is 200."""

    def answer(scope: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        headers = {"Weir-Live": ",".join([ME, *known])}
        return status[0], headers if status[0] == 200 else {}, b'{"code": "unauthenticated"}'

    return Django(answer)


def stream(application: Any) -> Caller:
    return Caller(application, path=EVENTS, query=f"about={RUN}")


async def test_a_stream_says_what_has_changed_and_never_how():
    known, status = [RUN], [200]
    caller = stream(Live(watching(known, status)))
    await caller.until("data:")
    assert caller.headers["content-type"].startswith("text/event-stream")
    assert caller.text == f'retry: 2000\n\nevent: changed\ndata: {{"kind": "run", "id": "{RUN[4:]}"}}\n\n'
    await change(RUN)
    async with asyncio.timeout(10):
        while caller.text.count("event: changed") < 2:
            await asyncio.sleep(0.01)
    caller.hang_up()
    await caller.finished()


async def test_a_stream_is_silent_about_what_its_person_may_no_longer_know():
    known, status = [RUN], [200]
    caller = stream(Live(watching(known, status)))
    await caller.until("data:")
    known.clear()
    await change(RUN)
    await caller.until("still here")
    assert caller.text.count("event: changed") == 1
    caller.hang_up()
    await caller.finished()


async def test_a_stream_ends_when_its_token_is_revoked():
    known, status = [RUN], [200]
    caller = stream(Live(watching(known, status)))
    await caller.until("data:")
    status[0] = 401
    await change(ME, "session.ended")
    await caller.finished()
    assert caller.sent[-1] == {"type": "http.response.body", "body": b""}


async def test_a_stream_ends_when_its_token_expires(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "KEEP_ALIVE", 0.05)
    monkeypatch.setattr(module, "LOOKED_AGAIN", 0.05)
    known, status = [RUN], [200]
    caller = stream(Live(watching(known, status)))
    await caller.until("still here")
    status[0] = 401
    await caller.finished()


async def test_who_may_not_call_gets_the_problem_and_no_stream():
    caller = await stream(Live(watching([], [401]))).finished()
    assert (caller.status, json.loads(caller.text)) == (401, {"code": "unauthenticated"})


async def test_a_person_has_five_streams_at_most():
    application = Live(watching([RUN], [200]))
    open_ = [stream(application) for _ in range(module.STREAMS_EACH)]
    for caller in open_:
        await caller.until("data:")
    sixth = await stream(application).finished()
    assert (sixth.status, json.loads(sixth.text)["code"]) == (429, "too_much_at_once")
    for caller in open_:
        caller.hang_up()
        await caller.finished()
    again = stream(application)
    await again.until("data:")
    again.hang_up()
    await again.finished()


async def test_what_was_made_is_answered_though_it_cannot_be_read():
    """A token that may ask and not read gets 202 and the address, not the refusal of the look that followed."""

    def answer(scope: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        if scope["method"] == "POST":
            return 202, {"Weir-Live": f"{ME},{RUN}", "Location": PATH}, b'{"made": 1}'
        return 403, {}, b'{"code": "token_scope"}'

    caller = await Caller(
        Live(Django(answer)), "POST", "/api/v1/x/", headers={"Prefer": "wait=20"}
    ).finished()
    assert (caller.status, caller.headers["location"], json.loads(caller.text)) == (202, PATH, {"made": 1})


async def test_without_messages_the_caller_is_answered_without_waiting(monkeypatch: pytest.MonkeyPatch):
    async def silent(*args: object) -> None:
        raise RedisError("Valkey is silent.")

    monkeypatch.setattr(get_channel_layer(), "group_add", silent)
    django = going({"going": True})
    caller = await Caller(Live(django), "POST", headers={"Prefer": "wait=20"}).finished()
    assert (caller.status, len(django.asked)) == (202, 1)


async def test_twenty_calls_wait_at_a_time():
    django = going({"going": True})
    application = Live(django)
    waiting = [Caller(application, headers={"Prefer": "wait=20"}) for _ in range(module.WAITS_EACH)]
    while len(django.asked) < 2 * module.WAITS_EACH:
        await asyncio.sleep(0.01)
    late = await Caller(application, headers={"Prefer": "wait=20", "Cookie": "another=1"}).finished()
    assert (late.status, "weir-live" in late.headers) == (200, False)
    assert "preference-applied" not in late.headers
    for caller in waiting:
        caller.hang_up()
        await caller.finished()


async def test_only_repeated_looks_are_not_counted():
    """What a caller sends is counted; what the portal repeats for them is not. A header cannot claim that."""
    seen: list[bool] = []

    def answer(scope: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        seen.append(bool(scope.get(AGAIN)))
        return 200, {"Weir-Live": f"{ME},{RUN}"} if len(seen) < 2 else {}, b"{}"

    await Caller(Live(Django(answer)), headers={"Prefer": "wait=20", AGAIN: "1"}).finished()
    assert seen == [False, True]
