"""What of a held file was on screen: said before a release, kept in its record, and not told to the author."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.urls import reverse

from audit.models import Entry
from requests_app.models import Output, Release
from requests_app.outputs import viewed
from requests_app.services import outputs, releases
from tests import make
from tests.makers import requests as made

pytestmark = [pytest.mark.django_db, pytest.mark.sandbox]

NOTHING = ["all of it"]
CONTRAST = "colour differences too small to see"


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def held(name: str, content: bytes, **policy: object):
    dataset = make.dataset(policy=policy) if policy else None
    item = make.code_request(at="ran", dataset=dataset, executor=made.WritesOutputs({name: content}))
    return item, Output.objects.get(run__request=item)


def opened(client, output, query=""):
    answer = client.get(reverse("requests:output", args=[output.pk]) + query, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    output.refresh_from_db()
    return answer.content.decode()


def test_what_is_not_opened_is_said_page_by_page(as_):
    item, output = held("t.csv", b"n\n" + b"".join(b"%d\n" % n for n in range(1250)))
    owner = as_(item.dataset.owner)
    check = reverse("requests:check", args=[output.run.release.pk])
    assert viewed.seen(output) == viewed.Seen([], NOTHING)
    assert "Not opened: all of it." in owner.get(check).content.decode()
    page = opened(owner, output)
    assert "Opened by the owner or a reviewer: rows 1–500 of 1,250." in page
    assert "Not opened: rows 501–1,250 of 1,250." in page
    opened(owner, output, "?rows=3")
    assert viewed.seen(output) == viewed.Seen(
        ["rows 1–500, 1,001–1,250 of 1,250"], ["rows 501–1,000 of 1,250"]
    )
    assert "<code>t.csv</code> not opened: rows 501–1,000 of 1,250" in owner.get(check).content.decode()
    opened(owner, output, "?rows=2")
    assert viewed.seen(output) == viewed.Seen(["rows 1–1,250 of 1,250"], [])
    assert "Not opened" not in owner.get(check).content.decode()


def test_the_list_beside_the_decision_is_renewed_only_while_there_is_one(as_):
    item, output = held("t.csv", b"n\n1\n")
    owner = as_(item.dataset.owner)
    renewed = f'id="unseen-{output.pk}" hx-swap-oob'
    assert renewed in opened(owner, output)
    releases.set_verdict(output, by=item.dataset.owner, verdict="release", comment="")
    releases.decide(output.run.release, by=item.dataset.owner, decision="release", comment="")
    page = opened(owner, Output.objects.get(pk=output.pk))
    assert f'id="seen-{output.pk}" hx-swap-oob' in page
    assert renewed not in page


def test_numbers_stand_under_the_names_of_their_columns(as_):
    item, output = held("t.csv", b"region,people\neast,33\nwest,\n")
    page = opened(as_(item.dataset.owner), output)
    assert '<th scope="col" class="num">people' in page
    assert '<td>east</td><td class="num">33</td>' in page


def test_columns_and_long_cells_count(as_):
    columns = {f"c{n}": ["x"] * 3 for n in range(120)}
    item, output = held("t.parquet", parquet(pa.table({**columns, "c7": ["y" * 5000, "z" * 450_000, "x"]})))
    owner = as_(item.dataset.owner)
    page = opened(owner, output)
    assert "all 450,000 characters" in page
    assert viewed.seen(output).not_shown == ["rows 1–3 of 3 in columns 101–120", "the end of 2 long cells"]
    opened(owner, output, "?columns=2")
    assert "y" * 5000 in opened(owner, output, "?row=1&column=8")
    opened(owner, output, "?row=2&column=8&part=1")
    opened(owner, output, "?row=2&column=8&part=3")
    assert viewed.seen(output).not_shown == ["the end of 1 long cell"]
    opened(owner, output, "?row=2&column=8&part=2")
    assert viewed.seen(output) == viewed.Seen(
        ["rows 1–3 of 3 in columns 1–100", "rows 1–3 of 3 in columns 101–120"], []
    )


def test_a_long_text_is_read_in_parts(as_):
    item, output = held("t.txt", b"x" * 200_000 + b"the end")
    owner = as_(item.dataset.owner)
    assert "the end" not in opened(owner, output)
    assert viewed.seen(output).not_shown == ["characters 200,001–200,007 of 200,007"]
    assert "the end" in opened(owner, output, "?part=2")
    assert viewed.seen(output).not_shown == []


def test_small_differences_of_a_picture_have_to_be_asked_for(as_):
    white = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff3f0005fe02fe"
        "0def46b80000000049454e44ae426082"
    )
    item, output = held("p.png", white)
    owner = as_(item.dataset.owner)
    assert "Show small differences" in opened(owner, output)
    assert viewed.seen(output) == viewed.Seen(["the whole picture"], [CONTRAST])
    assert "small colour differences are exaggerated" in opened(owner, output, "?contrast=1")
    assert viewed.seen(output) == viewed.Seen(["the whole picture", CONTRAST], [])


def test_the_record_keeps_it_and_the_author_does_not_read_it(as_):
    item, output = held("t.csv", b"n\n" + b"1\n" * 1250)
    owner = item.dataset.owner
    opened(as_(owner), output)
    releases.set_verdict(output, by=owner, verdict="release")
    release = releases.decide(Release.objects.get(), by=owner, decision="release")
    kept = release.record["outputs"][0]
    assert (kept["shown"], kept["not_shown"]) == (["rows 1–500 of 1,250"], ["rows 501–1,250 of 1,250"])
    record = reverse("requests:record", args=[release.pk])
    assert json.loads(as_(owner).get(record).content) == release.record
    told = json.loads(as_(item.author).get(record).content)
    assert "shown" not in json.dumps(told)
    assert told == {
        **release.record,
        "outputs": [{k: v for k, v in kept.items() if k not in ("shown", "not_shown")}],
    }


def test_an_author_who_looks_at_a_trial_or_a_release_is_not_noted(as_):
    item = make.code_request(at="released")
    output = Output.objects.get(run__request=item)
    opened(as_(item.author), output)
    assert output.looks.count() == 0


def test_held_files_are_downloaded_where_the_policy_says_so(as_):
    content = b"n\n77\n"
    item, output = held("t.csv", content, held_downloads=True)
    address = reverse("requests:download_held", args=[output.pk])
    answer = as_(item.dataset.owner).get(address)
    assert b"".join(answer.streaming_content) == content
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "no-store" in answer["Cache-Control"].split(", ")
    assert "attachment" in answer["Content-Disposition"]
    entry = Entry.objects.get(action="output.download_held")
    assert (entry.actor_id, entry.dataset_id) == (str(item.dataset.owner.pk), str(item.dataset_id))
    check = as_(item.dataset.owner).get(reverse("requests:check", args=[output.run.release.pk]))
    assert address in check.content.decode()
    received = as_(make.auditor()).get(
        reverse("audit:list"), {"received": "1", "dataset": str(item.dataset_id)}
    )
    assert "output.download_held" in received.content.decode()


@pytest.mark.parametrize("who", ["author", "stranger", "admin", "auditor"])
def test_nobody_else_downloads_held_files(as_, who):
    item, output = held("t.csv", b"n\n77\n", held_downloads=True)
    by = {
        "author": lambda: item.author,
        "stranger": make.scientist,
        "admin": make.admin,
        "auditor": make.auditor,
    }[who]()
    answer = as_(by).get(reverse("requests:download_held", args=[output.pk]))
    assert answer.status_code in (403, 404)
    assert not Entry.objects.filter(action="output.download_held").exists()


def test_without_the_policy_nobody_does(as_):
    item, output = held("t.csv", b"n\n77\n")
    owner = as_(item.dataset.owner)
    answer = owner.get(reverse("requests:download_held", args=[output.pk]))
    assert (answer.status_code, "does not allow held files to be downloaded" in answer.content.decode()) == (
        403,
        True,
    )
    assert (
        "download_held"
        not in owner.get(reverse("requests:check", args=[output.run.release.pk])).content.decode()
    )


def test_an_excerpt_of_a_log_is_written_as_it_is_seen():
    item = make.code_request(at="failed")
    run = item.runs.get(kind="private")
    text = "\x1b[31mValueError\u200b: e\u0301 \u202e \r\n\r\n\r\n\r\n\r\nend\ufe00  "
    made = releases.add_log_excerpt(run, by=item.dataset.owner, text=text)
    path = outputs.open_held(made, by=item.dataset.owner)
    assert path.read_text() == "ValueError⟨U+200B⟩: é ⟨U+202E⟩\n\n\nend⟨U+FE00⟩\n"
