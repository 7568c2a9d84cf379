"""The client on a line that drops every third connection: it gets through, and nothing is charged or made twice."""

from pathlib import Path
from types import SimpleNamespace

import pytest

import weir
from accounts.models import Notification
from datasets.models import Table, Upload
from privacy import services as privacy
from privacy.models import Answer, LedgerLine
from requests_app.models import CodeRequest, Run
from tests import make
from tests.client.dropping_proxy import MANNERS, dropping
from tests.client.live import AUTHOR, OWNER, signed_in
from tests.makers.datasets import PEOPLE
from weir import uploads

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
MANY = range(60)
"""So often at most, until a call has been dropped in every manner."""


@pytest.fixture
def line(live: SimpleNamespace):
    with dropping(live.url) as proxy:
        yield SimpleNamespace(url=proxy.address, proxy=proxy)


@pytest.fixture
def cast():
    owner, scientist = make.owner(), make.scientist()
    data = make.dataset(owner=owner, name="wages")
    make.grant(data, scientist)
    made = privacy.protect(data, by=owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=1)
    privacy.give_budget(made, scientist, by=owner, epsilon=40)
    return SimpleNamespace(owner=owner, scientist=scientist, data=data)


def over(line, person, scopes):
    return signed_in(line, (person, scopes))


def without_pauses(portal):
    portal.transport.sleep = lambda _: None
    return portal


def until_dropped_in_every_manner(line, method, path):
    """Count, until calls of this method to paths that end so have been dropped in every manner."""
    for number in MANY:
        yield number
        if set(line.proxy.dropped(method, path)) == set(MANNERS):
            return
    raise AssertionError(line.proxy.seen)


def test_every_question_is_charged_once(line, cast):
    with over(line, cast.scientist, AUTHOR) as (portal,):
        table = without_pauses(portal).datasets["wages"].tables["wages"]

        def asked(number):
            return float(table[table["wage"] > 10 * number].count().release(epsilon=0.1))

        answers = [asked(number) for number in until_dropped_in_every_manner(line, "POST", "answers/")]
        assert [asked(number) for number in range(len(answers))] == answers
    assert Answer.objects.count() == LedgerLine.objects.filter(kind="reserve").count() == len(answers)
    assert len(line.proxy.dropped("GET")) > 0


def test_every_request_is_made_once(line, cast):
    with over(line, cast.scientist, AUTHOR) as (portal,):
        without_pauses(portal)
        body = {"dataset": str(cast.data.pk)}
        for number in until_dropped_in_every_manner(line, "POST", "requests/"):
            made = portal.transport.create("requests/", {**body, "title": f"Number {number}"})
            assert (made.status, made.content["title"]) == (201, f"Number {number}")
            assert next(iter(portal.requests)).title == f"Number {number}"
    titles = list(CodeRequest.objects.order_by("created_at").values_list("title", flat=True))
    assert titles == [f"Number {number}" for number in range(len(titles))]


def test_what_has_no_key_is_sent_once_and_says_that_it_may_not_have_arrived(line, cast):
    person, unreachable = cast.scientist, []
    with over(line, person, AUTHOR) as (portal,):
        without_pauses(portal)
        before = len(line.proxy.seen)
        for number in until_dropped_in_every_manner(line, "POST", "read/"):
            note = Notification.objects.create(user=person, text=f"Note {number}.", url="/")
            try:
                portal.transport.post(f"me/notifications/{note.pk}/read/")
            except weir.Unreachable:
                unreachable.append(note.pk)
    calls = line.proxy.seen[before:]
    assert len(calls) == Notification.objects.filter(text__startswith="Note ").count()
    assert len(unreachable) == len([how for _, _, how in calls if how])
    unread = Notification.objects.filter(pk__in=unreachable, read_at=None)
    assert unread.count() == line.proxy.dropped("POST", "read/").count("on the way")


def test_files_arrive_whole_and_once(line, cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uploads, "CHUNK", 20_000)
    file = tmp_path / "pay.csv"
    file.write_text("id,wage\n" + "".join(f"{n},{n % 60}.5\n" for n in range(30_000)))
    draft = make.dataset(owner=cast.owner, published=False)
    with over(line, cast.owner, OWNER) as (portal,):
        without_pauses(portal).datasets[str(draft.pk)].upload(file, "pay")
    assert Upload.objects.count() == 1
    assert Table.objects.get(name="pay").rows == 30_000
    assert len(line.proxy.dropped("PATCH")) > 1
    with over(line, cast.scientist, AUTHOR) as (portal,):
        data = without_pauses(portal).datasets["wages"]
        for number in until_dropped_in_every_manner(line, "GET", "wages.parquet"):
            rows = data.mock("wages", tmp_path / f"{number}.parquet").stat().st_size
            assert rows == (tmp_path / "0.parquet").stat().st_size


def test_a_run_is_waited_for(line, cast):
    item = make.code_request(dataset=cast.data, author=cast.scientist)
    with over(line, cast.scientist, AUTHOR) as (portal,):
        run = without_pauses(portal).requests[str(item.pk)].run_on_mock()
        assert run.state == "succeeded"
        assert [type(value) for value in run.results.values()] == [dict]
    assert Run.objects.count() == 1
