"""What was said of an earlier version and is still open: beside the new one, and beside what the author writes."""

import re

import pytest
from django.urls import reverse

from requests_app import services
from requests_app.code import diffs
from requests_app.models import Comment
from tests import make
from tests.makers import requests as lane

pytestmark = pytest.mark.django_db

OLD = "def main(wages):\n    first = 1\n    second = 2\n    return {'n': first + second}\n"
NEW = "# counted\ndef main(wages):\n    first = 1\n    second = 3\n    return {'n': first + second}\n"


def test_a_line_is_found_where_it_stands_now():
    assert diffs.moved(OLD, NEW) == {1: 2, 2: 3, 4: 5, 5: 6}
    assert diffs.moved("a", "b") == {}


def reviewed(*, code: str = NEW, policy: dict[str, object] | None = None):
    """(first version, second version, comments on lines 2, 3 and the whole), with changes requested in between."""
    dataset = make.dataset(policy=policy) if policy else make.dataset()
    item = make.code_request(at="draft", dataset=dataset)
    first = resubmitted(item, OLD)
    said = [
        services.comment(first, by=dataset.owner, text=text, line=line)
        for text, line in (("Why one?", 2), ("Why two?", 3), ("Too short.", None))
    ]
    services.review(
        first, by=dataset.owner, seen=first.sha256, verdict="request_changes", comment="See the comments."
    )
    return first, resubmitted(item, code), [Comment.objects.get(pk=each.pk) for each in said]


def resubmitted(item, code: str):
    item = lane.fresh(item)
    words = {"purpose": "Means.", "context": "None.", "outputs": "One number."}
    services.save_draft(item, by=item.author, number=item.draft_number, code=code, **words)
    return lane.submission(lane.fresh(item))


def look(client, version):
    return client.get(reverse("requests:review", args=[version.pk]))


def placed(page) -> dict[int | str | None, list[str]]:
    lines: dict[int | str | None, list[str]] = {
        line: [thread.comment.text for thread in each] for line, each in page.context["by_line"].items()
    }
    return {**lines, "earlier": [thread.comment.text for thread in page.context["earlier_threads"]]}


def test_open_threads_stand_below_their_line_or_in_a_list(as_):
    _, second, _ = reviewed()
    for person in (second.request.dataset.owner, second.request.author):
        page = look(as_(person), second)
        assert placed(page) == {3: ["Why one?"], "earlier": ["Why two?", "Too short."]}
        text = page.content.decode()
        row = re.search(r'<tr class="thread-row" data-threads data-line="3">.*?</tr>', text, re.DOTALL)
        assert row is not None
        assert "> On <a" in row[0]
        assert "<code>    second = 2</code>" in text


def test_one_that_is_settled_is_not_carried(as_):
    first, _, said = reviewed()
    services.resolve(said[0], by=first.request.author)
    third = resubmitted(first.request, NEW + "# more\n")
    assert placed(look(as_(first.request.dataset.owner), third)) == {"earlier": ["Why two?", "Too short."]}


def test_a_thread_is_settled_and_answered_where_it_is_shown(as_):
    first, second, said = reviewed()
    client = as_(second.request.author)
    on = {"on": str(second.pk)}
    htmx = {"HX-Request": "true"}
    row = client.post(reverse("requests:resolve", args=[said[0].pk]), on, headers=htmx)
    assert (row.context["version"], row.context["line"]) == (second, 3)
    assert "Resolved" in row.content.decode()
    rest = client.post(reverse("requests:resolve", args=[said[1].pk]), on, headers=htmx).content.decode()
    assert ('id="earlier"' in rest, "Resolved" in rest, "Too short." in rest) == (True, True, True)
    answer = {"parent": str(said[2].pk), "text": "Longer now.", **on}
    rest = client.post(reverse("requests:comment", args=[first.pk]), answer, headers=htmx).content.decode()
    assert ('id="earlier"' in rest, "Longer now." in rest) == (True, True)
    assert Comment.objects.get(text="Longer now.").version == first


def test_without_scripts_one_comes_back_to_the_version_one_looked_at(as_):
    _, second, said = reviewed()
    client = as_(second.request.author)
    here = reverse("requests:review", args=[second.pk])
    for comment, anchor in ((said[0], "#L3"), (said[1], "#earlier")):
        answer = client.post(reverse("requests:resolve", args=[comment.pk]), {"on": str(second.pk)})
        assert answer.headers["Location"] == here + anchor


def test_on_the_earlier_version_itself_nothing_is_carried(as_):
    first, _, _ = reviewed()
    page = look(as_(first.request.dataset.owner), first)
    assert placed(page) == {2: ["Why one?"], 3: ["Why two?"], None: ["Too short."], "earlier": []}


def test_private_and_held_remarks_stay_where_they_were(as_):
    item = make.code_request(at="submitted")
    owner, version = item.dataset.owner, lane.version(item)
    services.comment(version, by=owner, text="Between us.", private=True)
    services.review(version, by=owner, seen=version.sha256, verdict="request_changes", comment="Look again.")
    second = resubmitted(item, OLD)
    services.comment(second, by=owner, text="Not sent yet.")
    third = resubmitted(item, NEW)
    assert placed(look(as_(item.author), third)) == {"earlier": []}
    assert placed(look(as_(owner), third)) == {"earlier": ["Between us."]}


def test_a_page_of_another_request_is_not_led_to(as_):
    _, second, said = reviewed()
    other = lane.version(make.code_request(at="submitted"))
    client = as_(second.request.author)
    answer = client.post(reverse("requests:resolve", args=[said[0].pk]), {"on": str(other.pk)})
    assert answer.status_code == 404


def test_the_author_of_a_blinded_review_reads_no_name(as_):
    _, second, _ = reviewed(policy={"blinded": True})
    page = look(as_(second.request.author), second)
    assert {thread.name for thread in page.context["earlier_threads"]} == {"A reviewer"}


def test_the_editor_lists_what_is_open_with_its_line_in_the_draft(as_):
    first, _, said = reviewed()
    item = lane.fresh(first.request)
    services.resolve(said[2], by=item.author)
    page = as_(item.author).get(reverse("requests:edit", args=[item.pk]))
    assert [(thread.comment.text, line) for thread, line in page.context["open_threads"]] == [
        ("Why one?", 3),
        ("Why two?", None),
    ]
    text = " ".join(page.content.decode().split())
    assert "on line 2 of version 1 (now line 3)" in text
    assert "on line 3 of version 1, which has changed" in text


def test_the_review_page_still_needs_eleven_queries(as_, counted):
    _, second, _ = reviewed()
    for person in (second.request.dataset.owner, second.request.author):
        counted(as_(person), reverse("requests:review", args=[second.pk]))
