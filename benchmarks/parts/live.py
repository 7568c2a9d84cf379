"""Latency from a task's "changed" message to the browser's socket, through the channel layer and Daphne."""

import statistics
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial

import redis
from django.conf import settings

from benchmarks.browser import LiveSocket, Visitor
from benchmarks.measuring import Goal, Measure, peak_memory_mb, percentile, process_cpu_seconds
from benchmarks.surroundings import web_server
from common import live
from tests import make
from tests.makers import requests as made

PAUSE = 0.005


def measures(chosen: Namespace) -> Iterator[Measure]:
    rounds, crowd = (30, 50) if chosen.quick else (500, 1000)
    run = made.trial(made.code_request())
    floor = bare_publish(rounds)
    with web_server() as (port, child):
        pid = child.process.pid if child.process else 0
        visitor = Visitor(port, run.asked_by)
        common = partial(pushes, key=f"run:{run.pk}", rounds=rounds, floor=floor, pid=pid)
        yield from common("task to browser", visitor)
        idle = Visitor(port, make.scientist())
        before = peak_memory_mb(pid)
        sockets = [LiveSocket(idle) for _ in range(crowd)]
        each = (peak_memory_mb(pid) - before) / crowd * 1024
        yield from common(f"task to browser beside {crowd:,} open sockets", visitor)
        yield Measure(name="  memory of the web server for each socket", ours=each, unit="kB")
        for socket in sockets:
            socket.close()


def pushes(
    name: str, visitor: Visitor, key: str, *, rounds: int, floor: list[float], pid: int
) -> Iterator[Measure]:
    kind, _, pk = key.partition(":")
    socket = LiveSocket(visitor)
    socket.watch(key)

    def push() -> None:
        live.changed(kind, pk)
        while socket.hear() != {"changed": key}:
            pass

    cpu = process_cpu_seconds(pid)
    taken = latencies(push, rounds)
    cpu = (process_cpu_seconds(pid) - cpu) / rounds * 1e3
    socket.close()
    middle = statistics.median(floor)
    yield Measure(
        name=f"{name}, p50",
        ours=statistics.median(taken),
        floor=middle,
        note=f"web server's cpu {cpu:.1f} ms a push; floor: publish to a bare subscriber",
    )
    goal = Goal(limit=50)
    yield Measure(name=f"{name}, p99", ours=percentile(taken, 0.99), floor=percentile(floor, 0.99), goal=goal)


def latencies(push: Callable[[], None], rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        push()
        taken.append((time.perf_counter() - begun) * 1e3)
        time.sleep(PAUSE)
    return taken[rounds // 10 :]


def bare_publish(rounds: int) -> list[float]:
    client = redis.Redis.from_url(settings.REDIS_URL)
    heard = client.pubsub()  # type: ignore[no-untyped-call]
    heard.subscribe("floor")
    heard.get_message(timeout=5)

    def push() -> None:
        client.publish("floor", b"changed")
        while heard.get_message(timeout=5) is None:
            pass

    return latencies(push, rounds)
