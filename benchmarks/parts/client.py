"""The Python client: questions written and computed here, its import, and calls of a portal over a connection."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from django.urls import reverse

import weir
from accounts.models import User
from benchmarks.measuring import (
    Goal,
    Measure,
    Of,
    compared,
    peak_memory_mb,
    percentile,
    took,
    versus,
)
from benchmarks.parts import offline
from benchmarks.parts.live import bare_publish
from benchmarks.parts.privacy import WAIT, budget_over
from benchmarks.surroundings import CLIENT, ROOT, web_server, worker
from datasets.models import Dataset, Upload
from datasets.services import uploads
from privacy.models import Answer
from requests_app.models import Run
from tests.makers import datasets as made_datasets
from tests.makers import requests as made
from tests.rest import bearer
from weir.questions import Question
from weir.tables import Table

PROGRAMS = ROOT / "benchmarks" / "programs.py"
RUNS_FOR = 0.3
"""Seconds that a task takes."""
STREAMS_PAUSE = 0.8
"""Seconds before it: a person may open 60 streams a minute."""
WITHOUT_EXTRAS = "import sys; sys.modules['click'] = None"
"""The portal's environment has what httpx's own command needs, which a client's has not: it doubles its import."""
BESIDE = frozenset({"numpy", "pyarrow", "pip", "setuptools"})


def measures(chosen: Namespace) -> Iterator[Measure]:
    quick = chosen.quick
    yield from offline.measures(chosen)
    with web_server() as (port, child), _own_folder():
        yield from starting(port, 3 if quick else 15)
        megabytes = 1024 if chosen.full else 8 if quick else 256
        yield from sending(port, child.process.pid if child.process else 0, megabytes, 1 if quick else 5)
        yield from waiting(port, 3 if quick else 100)
        yield from asking(port, 5_000 if quick else 10**6, 3 if quick else 25)
    if chosen.cold:
        yield from installing()


@contextlib.contextmanager
def _own_folder() -> Iterator[None]:
    """Keep what the client keeps in a folder that is deleted at the end."""
    with tempfile.TemporaryDirectory() as room:
        os.environ["XDG_CONFIG_HOME"] = room
        yield
        del os.environ["XDG_CONFIG_HOME"]


# Processes of their own


def surroundings(port: int, person: User, *scopes: str) -> dict[str, str]:
    """Return the environment of a program that is signed in as this person."""
    token = bearer(person, *scopes)["Authorization"].removeprefix("Bearer ")
    address = f"http://127.0.0.1:{port}"
    compiled = {"PYTHONPYCACHEPREFIX": os.environ["XDG_CONFIG_HOME"], "PYTHONDONTWRITEBYTECODE": ""}
    return {**os.environ, **compiled, "PYTHONPATH": str(CLIENT), "WEIR_PORTAL": address, "WEIR_TOKEN": token}


def starting(port: int, rounds: int) -> Iterator[Measure]:
    """Measure the processor time of imports, and of signing in and finding a dataset."""
    dataset = made_datasets.dataset()
    env = surroundings(port, dataset.owner)
    login = f"import os, weir; weir.login(os.environ['WEIR_PORTAL']).datasets['{dataset.name}']"
    codes = [f"{WITHOUT_EXTRAS}; {code}" for code in ("import numpy", "import numpy, weir", login)]
    steps = [partial(run, sys.executable, "-c", code, env=env) for code in codes]
    for step in steps:
        step()
    turns = [[took(step).cpu for step in steps] for _ in range(rounds)]
    bare, imported, called = (statistics.median(each) for each in zip(*turns, strict=True))
    yield Measure(
        name="import weir over import numpy, cpu",
        ours=imported,
        floor=bare,
        goal=Goal(limit=40, of=Of.BEYOND),
    )
    yield Measure(
        name="login and the first call over import weir, cpu",
        ours=called,
        floor=imported,
        goal=Goal(limit=150, of=Of.BEYOND),
    )


def run(*command: str | Path, **options: Any) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run([*map(str, command)], check=True, stdout=subprocess.PIPE, text=True, **options)  # noqa: S603 our own
    return str(done.stdout)


def sending(port: int, web: int, megabytes: int, rounds: int) -> Iterator[Measure]:
    """Send a file; the floor copies it and computes its SHA-256."""
    dataset = made_datasets.dataset(published=False)
    env = surroundings(port, dataset.owner, "read", "publish")
    with tempfile.TemporaryDirectory() as room:
        path, copy = Path(room) / "panel.csv", Path(room) / "copy.csv"
        send = partial(_sent, path, dataset, env)
        _fill(path, 4)
        send()
        _fill(path, megabytes)
        held, sent, floors = peak_memory_mb(web), [], []
        for _ in range(rounds):
            sent.append(send())
            floors.append(took(partial(_copied, path, copy)).wall)
    floor = megabytes / statistics.median(floors) * 1e3
    yield Measure(
        name=f"sending {megabytes} MB",
        ours=megabytes / statistics.median(each["seconds"] for each in sent),
        unit="MB/s",
        floor=floor,
        goal=Goal(limit=0.4, of=Of.RATIO, at_least=True),
        note="floor: cp and SHA-256",
    )
    grown = peak_memory_mb(web) - held
    yield Measure(name="  web server's memory grows by", ours=grown, unit="MB", goal=Goal(limit=20))
    most = max(each["peak"] - each["before"] for each in sent)
    yield Measure(
        name="  client's memory grows by", ours=most, unit="MB", goal=Goal(limit=40),
        note=f"to {max(each['peak'] for each in sent):.0f} MB",
    )  # fmt: skip


def _fill(path: Path, megabytes: int) -> None:
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(secrets.token_bytes(2**20))


def _sent(path: Path, dataset: Dataset, env: Mapping[str, str]) -> dict[str, float]:
    """Have a program send a file, and return what it has measured. No worker reads the file; it is deleted again."""
    found: dict[str, float] = json.loads(run(sys.executable, PROGRAMS, "send", dataset.name, path, env=env))
    for upload in Upload.objects.filter(revision__dataset=dataset):
        uploads.cancel(upload, by=dataset.owner)
    return found


def _copied(path: Path, copy: Path) -> None:
    run("cp", "--reflink=never", path, copy)
    with copy.open("rb") as file:
        hashlib.file_digest(file, "sha256").hexdigest()


# Waiting for a task


class Takes(made.WritesOutputs):
    """An executor that runs nothing for a while and then writes its files."""

    def run(self, spec: Any, *, started: Any = lambda: None, cancelled: Any = lambda: False) -> Any:
        started()
        time.sleep(RUNS_FOR)
        return super().run(spec, cancelled=cancelled)


def waiting(port: int, rounds: int) -> Iterator[Measure]:
    """Measure the time from the end of a task until wait() returns, by the clock that both processes share."""
    item = made.code_request()
    floor = bare_publish(max(rounds, 100))
    env = surroundings(port, item.author, "read", "work")
    with _piped(sys.executable, str(PROGRAMS), "wait", env=env) as program:
        for how, name, pause in (("held", "wait()", RUNS_FOR), ("stream", "wait() by events", STREAMS_PAUSE)):
            taken = [_ended(program, made.trial(made.fresh(item)), how, pause) for _ in range(rounds + 3)][3:]
            p50, p99 = statistics.median(taken), percentile(taken, 0.99)
            note = "floor: publish to a bare subscriber"
            yield Measure(
                name=f"end of a task to {name}, p50", ours=p50, floor=statistics.median(floor), note=note
            )
            yield Measure(
                name=f"end of a task to {name}, p99",
                ours=p99,
                floor=percentile(floor, 0.99),
                goal=Goal(limit=100),
            )
        program.communicate()


def _piped(*command: str, env: Mapping[str, str]) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=env, text=True, stdin=pipe, stdout=pipe)  # noqa: S603 our own


def _ended(program: "subprocess.Popen[str]", run: Run, how: str, pause: float) -> float:
    """Return the milliseconds from the end of a run until the program knows."""
    if program.stdin is None or program.stdout is None:
        raise RuntimeError("The program has no pipes.")
    program.stdin.write(f"{run.pk} {how}\n")
    program.stdin.flush()
    program.stdout.readline()
    time.sleep(pause)
    ended = made.execute(run, Takes()).finished_at
    knows = json.loads(program.stdout.readline())
    return float(knows - ended.timestamp()) * 1e3


# A question


def asking(port: int, rows: int, rounds: int) -> Iterator[Measure]:
    """Ask by the client; the floor is the same call with curl, without the start of its process."""
    budget = budget_over(rows)
    header = bearer(budget.scientist, "read", "ask")["Authorization"]
    address = f"http://127.0.0.1:{port}"
    url = address + reverse("api:budget_answers", args=[budget.pk])
    with (
        worker("default", hands=1),
        weir.login(address, header.removeprefix("Bearer "), quiet=True) as portal,
    ):
        table = portal.datasets[budget.promise.dataset.name].tables["wages"]
        calls: list[str] = []
        portal.transport._client.event_hooks["request"].append(lambda request: calls.append(request.method))  # noqa: SLF001 -- it counts calls

        def ask(number: int) -> None:
            _question(table, number).release(epsilon=0.01)

        ask(0)
        _curl(url, header, _question(table, 1))
        calls.clear()
        numbers = range(2, 2 + 2 * rounds, 2)
        pairs = [(took(partial(ask, number)).wall, _curl(url, header, _question(table, number + 1)))
                 for number in numbers]  # fmt: skip
    ours, floor = (statistics.median(each) for each in zip(*pairs, strict=True))
    due = statistics.median(
        (visible - begun).total_seconds() * 1e3
        for begun, visible in Answer.objects.values_list("begun_at", "visible_at")
    )
    note = f"floor: curl; of it, {due:.0f} ms are the answer's public time"
    yield Measure(
        name=f"a question about {rows:,} rows",
        ours=ours,
        floor=floor,
        goal=Goal(limit=1.15, of=Of.RATIO),
        note=note,
    )
    yield Measure(name="  its calls", ours=len(calls) / rounds, unit="", goal=Goal(limit=1))


def _question(table: Table, number: int) -> Question:
    return table[table["wage"] < 1000 + number].count()


def _curl(url: str, header: str, question: Question) -> float:
    """Ask with curl, and return the milliseconds that it took."""
    body = json.dumps({"query": question.to_wire(), "epsilon": 0.01})
    headers = f"Authorization: {header}\nContent-Type: application/json\nPrefer: {WAIT}\n"
    shown = ("--silent", "--show-error", "--write-out", "\n%{time_total}")
    answer, _, seconds = run("curl", *shown, "--header", "@-", "--data", body, url, input=headers).rpartition(
        "\n"
    )
    if json.loads(answer)["state"] != "released":
        raise RuntimeError(answer)
    return float(seconds) * 1e3


# Installing


def installing() -> Iterator[Measure]:
    """Install the client's wheel into a new environment; the floor installs NumPy and Arrow alone."""
    with tempfile.TemporaryDirectory() as room:
        folder, wheels = Path(room), Path(room) / "wheels"
        source = shutil.copytree(CLIENT, folder / "client", ignore=shutil.ignore_patterns("__pycache__"))
        run(sys.executable, "-m", "venv", folder / "builder")
        run(folder / "builder" / "bin" / "pip", "wheel", "--wheel-dir", wheels, source)
        own, bare = folder / "own", folder / "bare"
        ours, floor = compared(
            partial(_installed, own, wheels, "weir"), partial(_installed, bare, wheels, "numpy", "pyarrow"), 3
        )
        names = {each["name"] for each in json.loads(run(own / "bin" / "pip", "list", "--format", "json"))}
    note = "floor: NumPy and Arrow"
    yield versus("installing into a new environment, wheels cached", ours, floor, Goal(limit=15_000), note)
    more = sorted(names - BESIDE)
    yield Measure(
        name="  packages beside NumPy and Arrow",
        ours=len(more),
        unit="",
        goal=Goal(limit=8),
        note=", ".join(more),
    )


def _installed(folder: Path, wheels: Path, *names: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin" / "pip", "install", "--no-index", "--find-links", wheels, *names)
