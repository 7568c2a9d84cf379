"""The review lane over HTTP: write, try, submit, review, run, check, release, recall; each step by its own person."""

import json
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import User
from requests_app import services
from requests_app.models import CodeRequest, Output, Release, Run, Version
from tests import make
from tests.makers import datasets as data
from tests.makers import requests as lane

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]
Parts = list[tuple[str, Model]]


def newest(item: CodeRequest) -> Version:
    assert item.latest is not None
    return item.latest


def url(name: str, item: Model) -> str:
    return reverse(f"requests:{name}", args=[item.pk])


def draft_fields(item: CodeRequest, **typed: str) -> dict[str, str]:
    words = {"title": item.title, "code": item.code, "purpose": item.purpose, "context": item.context}
    return {"number": str(item.draft_number), "parameters": "", "outputs": "", **words, **typed}


def verdict_fields(version: Version, verdict: str = "approve", **typed: str) -> dict[str, str]:
    return {"seen": version.sha256, "verdict": verdict, "comment": "", "runs": "2", "days": "10", **typed}


def test_the_whole_lane_with_forms_alone(as_: As) -> None:
    """No JavaScript anywhere: what every browser can do."""
    dataset = data.dataset()
    scientist = make.scientist()
    data.grant(dataset, scientist)
    author, owner = as_(scientist), as_(dataset.owner)
    item = write_and_try(author, dataset.pk)
    version = submit_twice(author, item)
    approve_with_a_remark(owner, author, version)
    run = start_twice(author, item)
    lane.execute(run)
    release = release_everything(owner, run)
    output = run.outputs.get()
    answer = author.get(url("download", output))
    assert b"".join(answer.streaming_content) == b'{"mean_wage": 1507.5}'  # type: ignore[attr-defined]
    assert json.loads(author.get(url("record", release)).content)["format"] == "weir-release/1"
    owner.post(url("recall", release), {"reason": "A mistake in the data."})
    assert "A mistake in the data." in author.get(url("run", run)).content.decode()
    assert author.get(url("download", output)).status_code == 404


def write_and_try(author: Client, dataset_pk: UUID) -> CodeRequest:
    answer = author.post(reverse("requests:new", args=[dataset_pk]), {"title": "Mean wage"})
    item = CodeRequest.objects.get()
    assert answer.headers["Location"] == url("edit", item)
    typed = draft_fields(
        item, purpose="To know.", context="First look.", then="run_on_mock", key=str(uuid4())
    )
    assert author.post(url("edit", item), typed).status_code == 302
    lane.execute(Run.objects.get(kind="mock"))
    assert "a private line" in author.get(url("edit", item)).content.decode()
    return item


def submit_twice(author: Client, item: CodeRequest) -> Version:
    """A double click makes one version."""
    key = str(uuid4())
    for _ in range(2):
        assert author.post(url("submit", item), {"key": key}).status_code == 302
    return Version.objects.get()


def approve_with_a_remark(owner: Client, author: Client, version: Version) -> None:
    """The author reads the owner's comments with the verdict, not before."""
    assert "The author ran exactly this version" in owner.get(url("review", version)).content.decode()
    assert owner.post(url("comment", version), {"text": "Why the mean?", "line": "2"}).status_code == 302
    assert "Why the mean?" not in author.get(url("review", version)).content.decode()
    assert owner.post(url("verdict", version), verdict_fields(version)).status_code == 302
    assert "Why the mean?" in author.get(url("review", version)).content.decode()


def start_twice(author: Client, item: CodeRequest) -> Run:
    """A double click starts one run."""
    key = str(uuid4())
    answers = [author.post(url("start_run", item), {"key": key}) for _ in range(2)]
    run = Run.objects.get(kind="private")
    assert [answer.headers["Location"] for answer in answers] == [url("run", run)] * 2
    return run


def release_everything(owner: Client, run: Run) -> Release:
    release = Release.objects.get(run=run)
    assert owner.get(url("check", release)).status_code == 200
    for output in run.outputs.all():
        owner.post(url("output_verdict", output), {"verdict": "release", "comment": ""})
    owner.post(url("decide", release), {"decision": "release", "comment": "Well done."})
    return release


def test_a_download_is_never_a_page(as_: As) -> None:
    item = make.code_request(at="released")
    answer = as_(item.author).get(url("download", Output.objects.get()))
    assert answer["Content-Disposition"] == 'attachment; filename="result.json"'
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"


# What leaks


def test_an_author_learns_nothing_of_what_is_held(as_: As) -> None:
    files = {"secret_name.json": b'{"people": 4711}', "other_name.txt": b"a line of the data"}
    item = make.code_request(at="ran", executor=lane.WritesOutputs(files))
    run, release = item.runs.get(kind="private"), Release.objects.get()
    owner = as_(item.dataset.owner)
    assert "secret_name" in owner.get(url("check", release)).content.decode()
    assert "a private line" in owner.get(url("log", run)).content.decode()

    author = as_(item.author)
    seen = "".join(
        author.get(path).content.decode() for path in (url("run", run), url("detail", item), reverse("inbox"))
    )
    leaks = ("secret_name", "other_name", "4711", "a private line", "2 files", "Peak memory", "CPU time")
    assert [leak for leak in leaks if leak in seen] == []
    for output in Output.objects.all():
        for name in ("output", "download"):
            assert author.get(url(name, output)).status_code == 404
    assert author.get(url("check", release)).status_code == 403
    assert author.get(url("log", run)).status_code == 403
    assert author.get(url("record", release)).status_code == 403


def test_withheld_files_stay_unknown_after_a_release(as_: As) -> None:
    files = {"good.json": b'{"people": 4711}', "withheld_name.json": b'{"person": 1}'}
    item = make.code_request(at="ran", executor=lane.WritesOutputs(files))
    owner, author, release = as_(item.dataset.owner), as_(item.author), Release.objects.get()
    good, bad = Output.objects.get(name="good.json"), Output.objects.get(name="withheld_name.json")
    owner.post(url("output_verdict", good), {"verdict": "release", "comment": ""})
    owner.post(url("output_verdict", bad), {"verdict": "withhold", "comment": "One person."})
    owner.post(url("decide", release), {"decision": "release", "comment": ""})
    seen = author.get(url("run", release.run)).content.decode()
    record = author.get(url("record", release)).content.decode()
    assert "good.json" in seen
    assert "withheld_name" not in seen + record
    assert author.get(url("output", bad)).status_code == 404
    assert author.get(url("output", good)).status_code == 200


def test_a_failed_run_tells_its_author_the_code_alone(as_: As) -> None:
    item = make.code_request(at="failed")
    run = item.runs.get(kind="private")
    page = as_(item.author).get(url("run", run)).content.decode()
    assert "The code exited with an error status." in page
    assert "a private message" not in page
    assert "a private message" in as_(item.dataset.owner).get(url("log", run)).content.decode()


def test_an_admin_sees_that_a_run_is_there_and_no_code_and_no_output(as_: As) -> None:
    item = make.code_request(at="ran", code=lane.CODE + "# remarkable\n", purpose="A purpose of one's own.")
    admin, run = as_(make.admin()), item.runs.get(kind="private")
    seen = admin.get(url("run", run)).content.decode() + admin.get(url("detail", item)).content.decode()
    assert "Succeeded" in seen
    assert [word for word in ("remarkable", "A purpose of one", "result.json") if word in seen] == []
    assert admin.get(url("review", newest(item))).status_code == 404
    assert admin.get(url("check", Release.objects.get())).headers["Location"] == url("run", run)
    assert admin.get(url("output", Output.objects.get())).status_code == 404
    assert admin.post(url("revoke", item), {"reason": "A complaint."}).status_code == 302
    assert lane.fresh(item).state == "revoked"


def test_private_and_held_remarks_are_not_for_the_author(as_: As) -> None:
    item = make.code_request(at="submitted")
    owner, author, version = as_(item.dataset.owner), as_(item.author), newest(item)
    owner.post(url("comment", version), {"text": "between reviewers", "line": "1", "private": "on"})
    owner.post(url("comment", version), {"text": "for everybody", "line": "1"})
    owner.post(url("verdict", version), verdict_fields(version))
    page = author.get(url("review", version)).content.decode()
    assert "for everybody" in page
    assert "between reviewers" not in page
    private = version.comments.get(private=True)
    assert author.post(url("resolve", private)).status_code == 404


# Whose it is


@pytest.mark.parametrize(
    "name",
    ["detail", "edit", "submit", "withdraw", "revoke", "copy", "start_run", "autosave", "run_on_mock"],
)
def test_a_request_of_others_is_not_there(as_: As, name: str) -> None:
    item = make.code_request(at="released")
    client = as_(make.scientist())
    assert client.post(url(name, item)).status_code in {404, 405}
    assert client.get(url(name, item)).status_code in {404, 405}


def test_what_hangs_on_a_request_of_others_is_not_there(as_: As) -> None:
    item = make.code_request(at="released")
    run, output, release = item.runs.get(kind="private"), Output.objects.get(), Release.objects.get()
    comment = services.comment(newest(item), by=item.dataset.owner, text="Good.", line=1)
    pages: Parts = [
        ("review", newest(item)),
        ("run", run),
        ("log", run),
        ("check", release),
        ("output", output),
    ]
    pages += [("record", release), ("download", output)]
    posts: Parts = [("verdict", newest(item)), ("comment", newest(item)), ("begin_review", newest(item))]
    posts += [("cancel_run", run), ("log_excerpt", run), ("decide", release), ("begin_check", release)]
    posts += [
        ("recall", release),
        ("output_verdict", output),
        ("drop_comment", comment),
        ("resolve", comment),
    ]
    for person in (make.scientist(), make.owner()):
        client = as_(person)
        assert {client.get(url(name, thing)).status_code for name, thing in pages} == {404}
        assert {client.post(url(name, thing)).status_code for name, thing in posts} == {404}


def test_an_author_with_a_reviewers_seat_does_not_review_their_own(as_: As) -> None:
    item = make.code_request(at="submitted")
    data.reviewer(item.dataset, item.author)
    client = as_(item.author)
    assert client.post(url("verdict", newest(item)), verdict_fields(newest(item))).status_code == 403
    assert "Your verdict" not in client.get(url("review", newest(item))).content.decode()


def test_on_a_blinded_dataset_the_author_reads_no_reviewers_name(as_: As) -> None:
    dataset = data.dataset(owner=make.owner(name="Orla Known"), policy={"blinded": True})
    item = make.code_request(at="submitted", dataset=dataset)
    hidden = data.reviewer(dataset, make.user(name="Hidden Reviewer")).user
    services.comment(newest(item), by=hidden, text="Hm.", line=1)
    lane.approve(newest(item), by=hidden)
    client = as_(item.author)
    seen = client.get(url("review", newest(item))).content.decode()
    seen += client.get(url("detail", item)).content.decode()
    assert "Hm." in seen
    assert "Hidden Reviewer" not in seen
    assert "Hidden Reviewer" in as_(dataset.owner).get(url("review", newest(item))).content.decode()


# Conflicts and what was typed


def test_a_verdict_on_a_stale_version_is_not_taken_and_leads_to_the_new_one(as_: As) -> None:
    item = make.code_request(at="submitted")
    old = newest(item)
    item = services.save_draft(item, by=item.author, number=item.draft_number, code=lane.CODE + "# 2\n")
    new = lane.submission(item)
    answer = as_(item.dataset.owner).post(
        url("verdict", old), verdict_fields(old, "reject", comment="Not like this.")
    )
    page = answer.content.decode()
    assert answer.status_code == 409
    assert url("review", new) in page
    assert "Not like this." in page
    assert lane.fresh(item).state == "submitted"


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ({"verdict": "reject", "comment": ""}, "Tell the author what has to change"),
        ({"verdict": "approve", "runs": "99", "comment": "kept text"}, "at most 5"),
        ({"verdict": "", "comment": "kept text"}, "Choose a verdict."),
    ],
)
def test_a_verdict_with_errors_keeps_what_was_typed(as_: As, typed: dict[str, str], word: str) -> None:
    item = make.code_request(at="submitted")
    fields = {**verdict_fields(newest(item)), **typed}
    answer = as_(item.dataset.owner).post(url("verdict", newest(item)), fields)
    assert answer.status_code == 400
    assert word in answer.content.decode()
    form = answer.context["verdict_form"]
    assert form["comment"].value() == typed["comment"]
    assert form.fields["runs"].required == (typed["verdict"] != "reject")


def test_a_draft_written_in_another_tab_is_not_lost_and_not_overwritten_unasked(as_: As) -> None:
    item = make.code_request()
    client = as_(item.author)
    client.post(url("edit", item), draft_fields(item, code="# from the other tab\n"))
    answer = client.post(url("edit", item), draft_fields(item, code="# from this tab\n"))
    assert answer.status_code == 409
    assert "# from this tab" in answer.content.decode()
    assert lane.fresh(item).code == "# from the other tab\n"
    again = {
        **draft_fields(item, code="# from this tab\n"),
        "number": answer.context["form"]["number"].value(),
    }
    assert client.post(url("edit", item), again).status_code == 302
    assert lane.fresh(item).code == "# from this tab\n"


def test_autosave_saves_what_is_valid_and_names_what_is_not(as_: As) -> None:
    item = make.code_request()
    client = as_(item.author)
    typed = draft_fields(item, code="def main(wages):\n    return wages['wagge']\n", parameters="{not json")
    answer = client.post(url("autosave", item), typed, content_type="application/json")
    saved = answer.json()
    assert saved["number"] == item.draft_number + 1
    assert list(saved["errors"]) == ["parameters"]
    assert {hint["line"] for hint in saved["findings"]} == {2}
    assert lane.fresh(item).code == typed["code"]
    stale = client.post(
        url("autosave", item), typed, content_type="application/json", headers={"accept": "application/json"}
    )
    assert (stale.status_code, stale.json()["code"]) == (409, "conflict")
    assert client.get(url("autosave", item)).json()["number"] == saved["number"]


def test_broken_parameters_keep_the_page_as_it_was_typed(as_: As) -> None:
    item = make.code_request()
    answer = as_(item.author).post(
        url("edit", item), draft_fields(item, parameters="[1, 2]", code="# kept\n")
    )
    assert answer.status_code == 400
    assert "# kept" in answer.content.decode()
    assert "Write one JSON object" in answer.content.decode()


def test_a_decision_needs_every_file_and_says_so(as_: As) -> None:
    item = make.code_request(at="ran")
    owner, release = as_(item.dataset.owner), Release.objects.get()
    answer = owner.post(url("decide", release), {"decision": "reject", "comment": ""})
    page = answer.content.decode()
    assert ("Give a reason" in page, "Decision" in page, "Verdict" in page) == (True, True, False)
    assert owner.post(url("decide", release), {"decision": "release", "comment": ""}).status_code == 400
    assert Release.objects.get().state in {"held", "checking"}


def test_a_copy_begins_a_new_request_with_the_same_words(as_: As) -> None:
    item = make.code_request(at="rejected")
    answer = as_(item.author).post(url("copy", item))
    fresh = CodeRequest.objects.exclude(pk=item.pk).get()
    assert answer.headers["Location"] == url("edit", fresh)
    assert (fresh.state, fresh.code, fresh.title) == ("draft", item.code, "Copy of Mean wage")


def test_an_excerpt_of_a_log_goes_out_by_the_output_check_only(as_: As) -> None:
    item = make.code_request(at="failed")
    owner, author, run = as_(item.dataset.owner), as_(item.author), item.runs.get(kind="private")
    owner.post(url("log_excerpt", run), {"text": "KeyError: a column is missing"})
    release = Release.objects.get()
    assert "KeyError" not in author.get(url("run", run)).content.decode()
    owner.post(url("output_verdict", Output.objects.get()), {"verdict": "release", "comment": ""})
    owner.post(url("decide", release), {"decision": "release", "comment": ""})
    answer = author.get(url("download", Output.objects.get()))
    assert b"".join(answer.streaming_content) == b"KeyError: a column is missing\n"  # type: ignore[attr-defined]
