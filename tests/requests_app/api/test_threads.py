"""What was said of earlier versions and is still open, by the API: on the lines that the code has now."""

import pytest

from common import heavy_views
from common.admission import Busy
from requests_app import services
from tests import make
from tests.makers import requests as made
from tests.requests_app.api.calls import As
from tests.requests_app.pages.test_carried_threads import NEW, reviewed
from tests.rest import problem

pytestmark = pytest.mark.django_db


def placed(content) -> list[tuple[int | None, str, str]]:
    return [(each["line"], each["quoted"], each["comment"]["text"]) for each in content["threads"]]


CARRIED = [(None, "    second = 2", "Why two?"), (None, "", "Too short."), (3, "", "Why one?")]


def test_threads_are_on_the_lines_that_the_code_has_now():
    first, second, said = reviewed()
    own = services.comment(second, by=second.request.author, text="Better?", line=4)
    services.comment(first, by=first.request.author, text="Because.", parent=said[0])
    for person in (second.request.dataset.owner, second.request.author, make.auditor()):
        found = As(person, "read").read(f"/versions/{second.pk}/threads/")
        assert placed(found) == [*CARRIED, (4, "", "Better?")]
        one, better = found["threads"][2:]
        assert (one["comment"]["id"], one["comment"]["line"]) == (str(said[0].pk), 2)
        assert one["comment"]["version"] == {"id": str(first.pk), "number": 1}
        assert [(each["text"], each["author"]["name"]) for each in one["replies"]] == [
            ("Because.", first.request.author.name)
        ]
        assert (better["comment"]["id"], better["comment"]["version"]["number"]) == (str(own.pk), 2)


def test_an_author_reads_the_open_threads_beside_the_draft():
    _, second, said = reviewed()
    item, author = second.request, As(second.request.author)
    fresh = made.fresh(item)
    services.save_draft(fresh, by=item.author, number=fresh.draft_number, code=f"# more\n{NEW}")
    found = author.read(f"/requests/{item.pk}/threads/")
    assert placed(found) == [*CARRIED[:2], (4, "", "Why one?")]
    services.resolve(said[0], by=item.author)
    assert placed(author.read(f"/requests/{item.pk}/threads/")) == CARRIED[:2]
    assert author.read(f"/requests/{make.code_request(author=item.author).pk}/threads/") == {"threads": []}
    for person in (item.dataset.owner, make.auditor()):
        problem(As(person).get(f"/requests/{item.pk}/threads/"), 403, "denied")


def test_what_a_person_may_not_read_is_in_no_thread():
    """Before the verdict, an author reads nothing of a reviewer; a blinded reviewer is never named."""
    dataset = make.dataset(policy={"blinded": True})
    version = made.version(make.code_request(at="submitted", dataset=dataset))
    services.comment(version, by=dataset.owner, text="Why?", line=1)
    services.comment(version, by=dataset.owner, text="Odd.", private=True)
    path, author = f"/versions/{version.pk}/threads/", As(version.request.author, "read")
    assert author.read(path) == {"threads": []}
    assert len(As(dataset.owner, "read").read(path)["threads"]) == 2
    made.approve(version)
    assert [
        (each["comment"]["text"], each["comment"]["author"]) for each in author.read(path)["threads"]
    ] == [("Why?", None)]
    problem(As(make.admin()).get(path), 404, "not_found")


def test_comparing_code_takes_its_turn(monkeypatch):
    _, second, _ = reviewed()

    def full(*args, **kwargs):
        raise Busy("The portal is busy.")

    monkeypatch.setattr(heavy_views.COMPUTING, "turn", full)
    author = As(second.request.author)
    for path in (f"/versions/{second.pk}/threads/", f"/requests/{second.request_id}/threads/"):
        problem(author.get(path), 503, "busy")
