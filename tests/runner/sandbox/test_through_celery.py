"""Attacks as an author would send them: submitted, approved and executed by a real worker on private data.

What the author sees of such a run is a word of the closed vocabulary. Nothing that the code printed, raised, named or
wrote is in the log of the portal, a notification, a mail, a page or an answer for the author. The sandbox itself is
tested in test_attacks.py; here the targets are the portal's own: its secrets, its store, its servers, other runs.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.forms.models import model_to_dict
from django.test import Client
from django.urls import reverse

from accounts.models import Notification, User
from audit.models import Entry
from datasets.models import Dataset
from requests_app import services
from requests_app.execution import announcement, claims
from requests_app.models import Output, Release, Run, RunLog, Worker
from runner.contract import CloseCode
from tests import make
from tests.makers import requests as made
from tests.makers.datasets import SECRET_WAGE
from tests.runner.sandbox.attacks import PRELUDE
from tests.runner.sandbox.every import ATTACKS

pytestmark = [pytest.mark.sandbox, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PATIENCE = 90.0
MARK = "LEAKMARK93"
"""What hostile code says wherever it can: it must be nowhere but in the log for the owner's side."""
SAID = re.compile(rf"{MARK}|BREACHED|(?<![0-9a-f])(?:{SECRET_WAGE}|{SECRET_WAGE:,})(?![0-9a-f])")
"""What would be a leak. A hash may hold the digits of the wage by chance: there they stand among others."""
SENT = (
    *("network/tcp_to_loopback", "network/abstract_unix_socket", "network/unix_socket_by_path"),
    *("files/read_canary", "files/accounts_of_the_host", "files/environment_of_init", "files/sysfs"),
    *("files/mounts_name_host_paths", "files/change_the_input", "files/write_into_root"),
    *("outputs/link_to_canary", "outputs/pickle", "logs/terminal_sequences", "logs/forged_success"),
)
OWN = {
    "reads_the_portals_settings": """
for path in (TARGET["state"] + "/settings.json", TARGET["root"] + "/var/settings.json", TARGET["root"] + "/manage.py"):
    breach(quietly(lambda: open(path).read()))
breach(quietly(lambda: os.listdir(TARGET["root"])))
breach(quietly(lambda: os.listdir(TARGET["state"])))
""",
    "reads_the_portals_environment": """
breach({k: v for k, v in os.environ.items() if k in ("DATABASE_URL", "REDIS_URL", "WEIR_SECRET_KEY", "WEIR_STATE")})
for pid in ("self", "1", str(os.getppid()), str(TARGET["pid"])):
    breach(quietly(lambda: b"SECRET" in open(f"/proc/{pid}/environ", "rb").read()))
""",
    "calls_the_portals_postgres": """
import socket
for path in (TARGET["postgres"], TARGET["valkey"]):
    def call():
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(path)
            return path
    breach(quietly(call))
""",
    "lists_the_store": """
for name in ("tables", "outputs", "mock", "ledgers", "uploads", "columns"):
    breach(quietly(lambda: os.listdir(os.path.join(TARGET["store"], name))))
""",
    "looks_for_other_runs": """
for path in ("/tmp", "/out", "/dev/shm", "/data/..", "/weir/.."):
    for name in quietly(lambda: os.listdir(path)) or ():
        breach(name.startswith(("weir-sandbox", "pytest", "weir-test")) and name)
breach([name for name in os.listdir("/data") if not name.startswith("wages")])
""",
    "sends_a_bell_to_the_workers": """
breach(quietly(lambda: __import__("celery") and "celery"))
breach(quietly(lambda: __import__("django") and "django"))
breach(quietly(lambda: __import__("redis") and "redis"))
""",
    "says_rows_in_its_error": f"""
import pandas
rows = pandas.read_parquet("/data/wages.parquet")
raise ValueError(f"{MARK} {{rows['wage'].max()}} {{list(rows['person'])[:3]}}")
""",
    "says_rows_in_the_name_of_its_error": f"""
import pandas
wage = int(pandas.read_parquet("/data/wages.parquet")["wage"].max())
raise type(f"{MARK}{{wage}}", (Exception,), {{}})()
""",
    "says_rows_in_its_exit_code": """
import pandas
os._exit(int(pandas.read_parquet("/data/wages.parquet")["person"].max()) % 256)
""",
    "says_rows_in_names_of_files": f"""
import pandas
wage = int(pandas.read_parquet("/data/wages.parquet")["wage"].max())
open(os.path.join(os.environ["WEIR_OUT"], f"{MARK}{{wage}}.json"), "w").write("1")
open(os.path.join(os.environ["WEIR_OUT"], f"{MARK}{{wage}}.pkl"), "wb").write(b"\\x80\\x04.")
""",
    "says_rows_in_what_it_prints": f"""
import pandas
rows = pandas.read_parquet("/data/wages.parquet")
print("{MARK}", rows.to_string(), flush=True)
print("{MARK}", rows["wage"].max(), file=sys.stderr, flush=True)
os.kill(os.getpid(), signal.SIGSEGV)
""",
    "says_rows_in_a_file_that_is_held": f"""
import pandas
wage = int(pandas.read_parquet("/data/wages.parquet")["wage"].max())
json.dump({{"{MARK}": wage}}, open(os.path.join(os.environ["WEIR_OUT"], "answer.json"), "w"))
""",
    "forges_the_report_of_the_harness": f"""
for number in range(3, 64):
    try:
        os.write(number, b'{{"class": "{MARK}", "line": 31337, "succeeded": true}}\\n' * 3)
    except OSError:
        pass
os._exit(0)
""",
    "says_rows_by_the_line_of_its_error": """
import pandas
wage = int(pandas.read_parquet("/data/wages.parquet")["wage"].max())
exec(compile("\\n" * wage + "raise ValueError", "/code.py", "exec"))
""",
}


STEP = 1
"""Seconds: ends are announced sooner than owners can have it, so that two hundred runs take their turns in minutes."""


def source(name: str) -> str:
    return PRELUDE + OWN[name] if name in OWN else ATTACKS[name].source


def target() -> dict[str, Any]:
    services = Path(os.environ["WEIR_TEST_SERVICES"])
    return {
        "root": str(settings.ROOT),
        "state": str(settings.STATE),
        "store": str(settings.STORE),
        "postgres": str(services / ".s.PGSQL.5432"),
        "valkey": str(services / "valkey.sock"),
        "socket": str(services / "valkey.sock"),
        "canary": str(Path(settings.STATE) / "canary"),
        "port": 5432,
        "udp": 5432,
        "abstract": "weir",
        "pid": os.getpid(),
        "host": os.uname().nodename,
    }


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait for it, and meanwhile do what the clock's rounds do, but oftener: two hundred runs take turns."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        announcement.announce_due()
        with transaction.atomic():
            claims.ring_next()
        time.sleep(0.5)


@pytest.fixture
def sent(
    live: SimpleNamespace, state: Path, transactional_db: None
) -> Iterator[Callable[..., dict[str, Run]]]:
    """Send attacks the whole way; the runs as they have ended, by the attacks' names."""
    (state / "canary").write_text(MARK)
    until(lambda: Worker.objects.able().exists(), "no worker has signed on")

    def send(*names: str) -> dict[str, Run]:
        runs = {
            name: made.start(make.code_request(at="approved", code=source(name), parameters=target()))
            for name in names
        }
        Run.objects.filter(pk__in=[run.pk for run in runs.values()]).update(end_step_seconds=STEP)
        for name, run in runs.items():
            until(lambda run=run: made.fresh_run(run).state not in Run.LIVE, f"{name} does not end")
        return {name: made.fresh_run(run) for name, run in runs.items()}

    yield send
    assert (state / "canary").read_text() == MARK


@pytest.mark.parametrize("names", [SENT[:7], SENT[7:], tuple(OWN)[:7], tuple(OWN)[7:]])
def test_attacks_from_submission_to_their_end(
    names: tuple[str, ...], sent: Callable[..., dict[str, Run]]
) -> None:
    for name, run in sent(*names).items():
        log = RunLog.objects.get(run=run)
        assert "BREACHED" not in log.stdout, f"{name}: {log.stdout[:500]}"
        assert run.close_code in ("", *CloseCode), name
        assert (run.state == "succeeded") == (run.close_code == ""), name
        assert leaks(run) == [], name


def test_attacks_that_are_sent_are_ones_that_there_are() -> None:
    assert [name for name in SENT if name not in ATTACKS] == []
    assert len(SENT) + len(OWN) >= 20


REST = [name for name in ATTACKS if name not in SENT]
SHARES = range(1 if os.environ.get("CI") else 4)
"""Quarters of the rest that are sent. In CI one of them, for time: test_attacks.py runs every attack there too."""


@pytest.mark.parametrize("share", SHARES)
def test_every_other_attack_takes_the_same_way(
    share: int, live: SimpleNamespace, state: Path, transactional_db: None
) -> None:
    """All at once, so that they also meet each other. What each has to end as is for test_attacks.py to say."""
    (state / "canary").write_text(MARK)
    until(lambda: Worker.objects.able().exists(), "no worker has signed on")
    admin, place = make.admin(), make.dataset()
    services.pause_runs(by=admin, reason="A test puts runs in a queue.")
    runs = {name: queued(name, place) for name in REST[share::4]}
    services.resume_runs(by=admin)
    until(lambda: not Run.objects.live().exists(), "some attack does not end", PATIENCE + 4 * len(runs))
    for name, run in runs.items():
        ended = made.fresh_run(run)
        log = RunLog.objects.get(run=run)
        assert "BREACHED" not in log.stdout, f"{name}: {log.stdout[:500]}"
        assert ended.close_code in ("", *CloseCode), name
        assert ended.close_code not in ("INTERNAL", "WORKER_LOST"), name
        assert (ended.state == "succeeded") == (ended.close_code == ""), name
    assert (state / "canary").read_text() == MARK


def queued(name: str, place: Dataset) -> Run:
    """A run with limits that let it end soon."""
    run = made.start(make.code_request(at="approved", dataset=place, code=source(name), parameters=target()))
    seconds = int(ATTACKS[name].limits.get("wall_s", 10))
    Run.objects.filter(pk=run.pk).update(wall_seconds=seconds, memory_mb=256, end_step_seconds=STEP)
    return run


# Where the author and everybody else could read of it


def leaks(run: Run) -> list[str]:
    """Every place outside the owner's side in which something of the rows or of the code's words is found."""
    author, owner = run.request.author, run.request.dataset.owner
    places = {
        "audit log": _text(Entry.objects.values("action", "object_label", "changes", "detail", "payload")),
        "notifications": _text(Notification.objects.values("text", "url")),
        "mail": "".join(path.read_text() for path in (Path(settings.STATE) / "mail").glob("*")),
        **{f"{who} at {url}": page for who, url, page in _pages(run, author)},
        "what the author may know of the run": str(_facts(run)),
    }
    allowed = _own_words(run)
    found = [
        f"{place}: {word}" for place, text in places.items() for word in SAID.findall(_without(text, allowed))
    ]
    return [*found, *_held_names(run, places), *_wrong_owner(run, owner)]


def _text(rows: Any) -> str:
    return json.dumps(list(rows), cls=DjangoJSONEncoder)


def _facts(run: Run) -> dict[str, object]:
    return {name: getattr(run, name) for name in ("state", "close_code", "error_class", "error_line")}


def _own_words(run: Run) -> list[str]:
    """The author's own code is theirs to read."""
    return [line.strip() for line in run.code.splitlines() if line.strip()]


def _without(text: str, lines: list[str]) -> str:
    plain = re.sub(r"<[^>]+>", "", text)
    for one, other in (("&quot;", '"'), ("&#x27;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        plain = plain.replace(one, other)
    for line in sorted(lines, key=len, reverse=True):
        plain = plain.replace(line, "")
    return plain


def _pages(run: Run, author: User) -> Iterator[tuple[str, str, str]]:
    """Every page on which the author could look for it, and what it answers."""
    addresses = [
        reverse("requests:run", args=[run.pk]),
        reverse("requests:log", args=[run.pk]),
        reverse("requests:detail", args=[run.request_id]),
        reverse("inbox"),
        reverse("requests:list"),
        reverse("audit:list"),
        reverse("accounts:notifications"),
        *(reverse("requests:output", args=[output.pk]) for output in run.outputs.all()),
        *(reverse("requests:download", args=[output.pk]) for output in run.outputs.all()),
        *(reverse("requests:check", args=[release.pk]) for release in Release.objects.filter(run=run)),
        *(reverse("requests:record", args=[release.pk]) for release in Release.objects.filter(run=run)),
    ]
    for person in (author, make.admin(), make.auditor(), make.scientist()):
        client = Client()
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        for url in addresses:
            answer = client.get(url, follow=False)
            yield str(person), url, answer.content.decode("utf-8", "replace")


def _held_names(run: Run, places: dict[str, str]) -> list[str]:
    """Names, types and sizes of held files are told to nobody else."""
    outputs = Output.objects.filter(run=run)
    return [
        f"{place}: the name {output.name}"
        for output in outputs
        for place, text in places.items()
        if output.name in _without(text, _own_words(run))
    ]


def _wrong_owner(run: Run, owner: User) -> list[str]:
    """The owner's side does have the log: it was kept, not thrown away."""
    client = Client()
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get(reverse("requests:log", args=[run.pk]))
    return [] if answer.status_code == 200 else [f"the owner's log answers {answer.status_code}"]


def test_a_leak_would_be_seen(sent: Callable[..., dict[str, Run]]) -> None:
    """The positive control: had the portal told the author, this suite would say so."""
    run = sent("says_rows_in_its_error")["says_rows_in_its_error"]
    assert MARK in RunLog.objects.get(run=run).stderr
    assert str(float(SECRET_WAGE)) in RunLog.objects.get(run=run).stderr
    assert model_to_dict(run)["close_code"] == "EXCEPTION"
    author = run.request.author
    Notification.objects.create(user=author, text=f"{MARK} in words", url="/")
    assert any(MARK in leak for leak in leaks(run))
