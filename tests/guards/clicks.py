"""A valid click on every page that takes one: who clicks, on what, and what they send."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from allauth.mfa.totp.internal.auth import TOTP
from django.core.files.uploadedfile import SimpleUploadedFile
from django.forms import model_to_dict

from accounts import services as people
from accounts.models import Notification, User
from accounts.services import programs, tokens
from datasets import services as datasets
from datasets.forms import ColumnForm, PolicyForm
from datasets.models import DatasetReviewer, Upload
from datasets.reading_forms import NOTHING
from datasets.services import uploads
from privacy.services import questions
from privacy.views import price_panel
from requests_app import services as lane
from requests_app.models import CodeEnvironment, Comment, Pause, Version
from tests import make
from tests.guards import code_clicks, network_clicks, owner_clicks, study_clicks
from tests.guards.click import Click
from tests.guards.everything import Cast, fresh
from tests.makers import code as coded
from tests.makers import requests as requests_

REASON = {"reason": "Because."}
ROWS_COUNTED = "SELECT COUNT(*) FROM wages"
OF_THE_EAST = f"{ROWS_COUNTED} WHERE region = 'east'"
"""Questions that nobody has asked before."""


def _json(by: User, pk: UUID, data: dict[str, Any], *done: int) -> Click:
    return Click(by, pk, data, body="json", done=frozenset(done or {200}))


def _pages(click: Click) -> Click:
    """A click that is answered by a page, or a part of one."""
    return replace(click, done=frozenset({200}))


def _key() -> dict[str, str]:
    return {"key": str(uuid4())}


def _draft(c: Cast) -> dict[str, Any]:
    item = requests_.fresh(c.drafted)
    return {
        "number": str(item.draft_number), "title": "Mean wage", "code": requests_.CODE, "purpose": "To know.",
        "context": "A first look.", "outputs": "Means.",
    }  # fmt: skip


def _verdict(c: Cast, **more: str) -> dict[str, str]:
    seen = requests_.version(requests_.fresh(c.to_review)).sha256
    return {"seen": seen, "verdict": "approve", "runs": "1", "days": "5", **more}


def _wish(dataset: Any) -> Any:
    return dataset.access_requests.filter(state="pending")[0]


def _table(c: Cast) -> Any:
    return make.draft(c.draft).tables.all()[0]


def _declared(c: Cast) -> dict[str, Any]:
    table = _table(c)
    subject = next(column for column in table.columns.all() if column.is_subject)
    data = {"name": "wages", "description": "Wages.", "mock_rows": "50", "rows_per_subject": "4"}
    data |= {"subject": str(subject.pk), "plain": "on"}
    for column in table.columns.all():
        form = ColumnForm(column=column)
        data |= {form.add_prefix(name): str(value) for name, value in form.initial.items() if value}
    return data


def _output(c: Cast) -> Any:
    return c.to_check.run.outputs.all()[0]


def _checked(c: Cast) -> Any:
    c.to_check.run.outputs.update(verdict="release")
    return c.to_check


def _published(c: Cast) -> Comment:
    Comment.objects.filter(pk=c.comment.pk).update(published_at=c.comment.created_at)
    return c.comment


def _resolved(c: Cast) -> Comment:
    lane.resolve(_published(c), by=c.person)
    return c.comment


def _submitted_version(c: Cast) -> Version:
    return requests_.version(requests_.fresh(c.submitted))


def _failed_upload(c: Cast) -> Upload:
    """An upload that is stored whole, and could not be read."""
    upload = uploads.begin(make.draft(c.draft), by=c.person, file_name="more.csv", size=3)
    uploads.receive(upload, by=c.person, offset=0, chunk=b"a,b")
    Upload.objects.filter(pk=upload.pk).update(state=Upload.State.FAILED, remedy={"text": ["a"]})
    return upload


def _as_guessed() -> dict[str, Any]:
    """What the page about a file's reading sends back, unchanged."""
    said = {name: "on" if value is True else value for name, value in NOTHING.items()}
    texts = {
        name: value for name, value in said.items() if isinstance(value, str | int) and value is not False
    }
    return {**texts, "shown": json.dumps(NOTHING), "asked": "{}", "then": "read"}


def _without_uploads(c: Cast) -> UUID:
    Upload.objects.all().delete()
    return c.draft.pk


def _with_new_draft(c: Cast) -> Any:
    datasets.new_revision(c.own, by=fresh(c.person), note="")
    return make.current(c.own).tables.all()[0]


def _frozen(c: Cast) -> UUID:
    datasets.freeze(c.own, by=fresh(c.person), reason="Because.")
    return c.own.pk


def _reviewer(c: Cast) -> DatasetReviewer:
    found = c.own.reviewers.first()
    assert found is not None
    return found


def _registered() -> User:
    return make.user(name="New Person", state=User.State.PENDING)


def _suspended() -> User:
    person = make.user(name="Sus Pended")
    return people.suspend(person, by=make.admin(), reason="Because.")


def _invitation() -> UUID:
    return people.invite("guest@weir.example", by=make.admin(), roles=["scientist"])[0].pk


def _token(c: Cast) -> UUID:
    return tokens.make(by=c.person, name="odd", scopes=["read"])[0].pk


def _code() -> dict[str, str]:
    return {"code": programs.begin(name="odd", scopes=["read"], address="127.0.0.1")[0].user_code}


def _notification(c: Cast) -> UUID:
    found = Notification.objects.filter(user=c.person).first()
    assert found is not None
    return found.pk


def _unprotected(c: Cast) -> UUID:
    """A dataset of theirs without a promise."""
    return make.dataset(owner=c.person).pk


def _someone_to_give(c: Cast) -> dict[str, str]:
    grant = make.grant(c.own, make.scientist(name="Gus Given"))
    return {"scientist": str(grant.user_id), "epsilon": "0.3"}


def _question(**more: str) -> dict[str, str]:
    return {"source": "sql", "sql": ROWS_COUNTED, "goal": "epsilon", "epsilon": "0.3", **more}


def _asked(c: Cast) -> dict[str, str]:
    """A question as it is sent from the page on which it was priced."""
    declared = questions.declarations_of(c.budget)
    query = questions.read_sql(c.budget, ROWS_COUNTED, declared).query
    quoted = questions.quote(c.budget, query, by=c.person, epsilon=0.3, declared=declared)
    return _question(then="ask", agreed=price_panel.agreement(quoted), **_key())


def _with_second_step() -> User:
    person = make.user()
    TOTP.activate(person, "JBSWY3DPEHPK3PXP")
    return person


def _environment(state: str) -> UUID:
    made = CodeEnvironment.objects.create(
        name="extra", requirements="odd==1.0", by=make.admin(), sha256="0" * 64
    )
    CodeEnvironment.objects.filter(pk=made.pk).update(state=state)
    return made.pk


def _paused() -> User:
    admin = make.admin()
    Pause.objects.create(by=admin, reason="Because.")
    return admin


Clicks = dict[str, Callable[[Cast], Click]]

ACCOUNTS: Clicks = {
    "network:admit_guest": lambda c: Click(*network_clicks.waiting(c.own)),
    "network:refuse_guest": lambda c: Click(*network_clicks.waiting(c.own), REASON),
    "accounts:approve_registration": lambda c: Click(
        make.admin(), _registered().pk, {"roles": ["scientist"]}
    ),
    "accounts:refuse_registration": lambda c: Click(make.admin(), _registered().pk, REASON),
    "accounts:invite": lambda c: _pages(
        Click(make.admin(), data={"email": "guest@weir.example", "roles": ["scientist"]})
    ),
    "accounts:revoke_invitation": lambda c: Click(make.admin(), _invitation()),
    "accounts:grant_role": lambda c: Click(make.admin(), make.user().pk, {**REASON, "role": "scientist"}),
    "accounts:take_role": lambda c: Click(make.admin(), make.scientist().pk, {**REASON, "role": "scientist"}),
    "accounts:suspend": lambda c: Click(make.admin(), make.user().pk, REASON),
    "accounts:reinstate": lambda c: Click(make.admin(), _suspended().pk, REASON),
    "accounts:sign_out_person": lambda c: Click(make.admin(), make.user().pk),
    "accounts:reset_second_step": lambda c: Click(make.admin(), _with_second_step().pk, REASON),
    "accounts:profile": lambda c: Click(c.person, data={"name": "Evi Else", "time_zone": "UTC"}),
    "accounts:end_sessions": lambda c: Click(c.person),
    "accounts:read_all": lambda c: Click(c.person),
    "accounts:read_notification": lambda c: Click(c.person, _notification(c)),
    "accounts:make_token": lambda c: _pages(
        Click(c.person, data={"name": "odd", "scopes": ["read"], "reach": "all", "days": "30"})
    ),
    "accounts:revoke_token": lambda c: Click(c.person, _token(c)),
    "accounts:device": lambda c: _pages(Click(c.person, data=_code())),
    "accounts:allow_device": lambda c: Click(c.person, data=_code()),
    "accounts:refuse_device": lambda c: Click(c.person, data=_code()),
}
DATASETS: Clicks = {
    "datasets:create": lambda c: Click(c.person, data={"name": "odd", "title": "Odd"}),
    "datasets:describe": lambda c: Click(c.person, c.own.pk, {"title": "Odd"}),
    "datasets:policy": lambda c: Click(c.person, c.own.pk, {"text": "Be kind."}),
    "datasets:freeze": lambda c: Click(c.person, c.own.pk, REASON),
    "datasets:unfreeze": lambda c: Click(c.person, _frozen(c), REASON),
    "datasets:retire": lambda c: Click(c.person, c.own.pk, REASON),
    "datasets:begin_revision": lambda c: Click(c.person, c.own.pk, {"note": "More."}),
    "datasets:publish": lambda c: Click(c.person, _without_uploads(c), {"agreed": "1"}),
    "datasets:discard": lambda c: Click(c.person, make.draft(c.draft).pk),
    "datasets:retire_revision": lambda c: Click(c.person, make.current(c.own).pk, REASON),
    "datasets:codebook": lambda c: Click(
        c.person, _table(c).pk, {"text": "name,label\nwage,Wage per month\n", "then": "take"}
    ),
    "datasets:declare": lambda c: Click(c.person, _table(c).pk, _declared(c)),
    "datasets:keep_table": lambda c: Click(c.person, _with_new_draft(c).pk),
    "datasets:remove_table": lambda c: Click(c.person, _table(c).pk),
    "datasets:begin_upload": lambda c: _json(c.person, c.draft.pk, {"name": "more.csv", "size": 3}, 201),
    "datasets:plain_upload": lambda c: Click(
        c.person, c.draft.pk, {"file": SimpleUploadedFile("more.csv", b"a,b\n1,2\n")}
    ),
    "datasets:upload": lambda c: Click(
        c.person,
        c.upload.pk,
        {"chunk": b"a,b"},
        body="application/offset+octet-stream",
        method="patch",
        headers={"Upload-Offset": "0"},
        done=frozenset({204}),
    ),
    "datasets:retry_upload": lambda c: Click(c.person, _failed_upload(c).pk),
    "datasets:reading": lambda c: Click(c.person, _failed_upload(c).pk, _as_guessed()),
    "datasets:cancel_upload": lambda c: Click(c.person, c.upload.pk),
    "datasets:add_reviewer": lambda c: Click(c.person, c.own.pk, {"email": make.user().email}),
    "datasets:remove_reviewer": lambda c: Click(c.person, _reviewer(c).pk),
    "datasets:transfer": lambda c: Click(c.person, c.own.pk, {**REASON, "email": make.owner().email}),
    "datasets:ask": lambda c: Click(
        make.scientist(), make.dataset().pk, {"purpose": "To know.", "outputs": "Means."}
    ),
    "network:listing": lambda c: Click(c.person, c.own.pk, {"audience": "every"}),
    "datasets:decide": lambda c: Click(c.person, _wish(c.own).pk, {"verdict": "grant", "days": "30"}),
    "datasets:withdraw": lambda c: Click(c.person, c.person.access_requests.filter(state="pending")[0].pk),
    "datasets:revoke": lambda c: Click(c.person, make.grant(c.own).pk, REASON),
}
REQUESTS: Clicks = {
    "requests:new": lambda c: Click(c.person, c.used.pk, {"title": "Odd"}),
    "requests:edit": lambda c: Click(c.person, c.drafted.pk, _draft(c)),
    "requests:autosave": lambda c: _json(c.person, c.drafted.pk, _draft(c)),
    "requests:run_on_mock": lambda c: Click(c.person, c.drafted.pk, _key()),
    "requests:submit": lambda c: Click(c.person, c.drafted.pk, _key()),
    "requests:withdraw": lambda c: Click(c.person, c.submitted.pk),
    "requests:revoke": lambda c: Click(c.approved.dataset.owner, c.approved.pk, REASON),
    "requests:copy": lambda c: Click(c.person, c.submitted.pk),
    "requests:start_run": lambda c: Click(c.person, c.approved.pk, _key()),
    "requests:cancel_run": lambda c: Click(c.person, requests_.start(c.approved).pk),
    "requests:begin_review": lambda c: Click(c.submitted.dataset.owner, _submitted_version(c).pk),
    "requests:verdict": lambda c: Click(c.person, requests_.version(c.to_review).pk, _verdict(c)),
    "requests:try_on_mock": lambda c: Click(
        c.person, requests_.version(c.to_review).pk, {"parameters": '{"least": 1}', **_key()}
    ),
    "requests:comment": lambda c: Click(c.person, requests_.version(c.to_review).pk, {"text": "Odd."}),
    "requests:drop_comment": lambda c: Click(c.person, c.comment.pk),
    "requests:resolve": lambda c: Click(c.person, _published(c).pk),
    "requests:unresolve": lambda c: Click(c.person, _resolved(c).pk),
    "requests:begin_check": lambda c: Click(c.person, c.to_check.pk),
    "requests:output_verdict": lambda c: Click(c.person, _output(c).pk, {"verdict": "release"}),
    "requests:log_excerpt": lambda c: Click(c.person, c.to_check.run_id, {"text": "A line."}),
    "requests:decide": lambda c: Click(c.person, _checked(c).pk, {"decision": "release"}),
    "requests:recall": lambda c: Click(c.received.run.request.dataset.owner, c.received.pk, REASON),
    "requests:environments": lambda c: Click(make.admin(), data={"name": "odd", "requirements": "odd==1.0"}),
    "requests:build_environment": lambda c: Click(make.admin(), _environment("failed")),
    "requests:retire_environment": lambda c: Click(make.admin(), _environment("ready")),
    "requests:remove_environment": lambda c: Click(  # it has no files: it was never built here
        make.admin(), _environment("retired"), done=frozenset({409})
    ),
    "requests:drain": lambda c: Click(make.admin(), make.worker().pk),
    "requests:undrain": lambda c: Click(make.admin(), make.worker(draining=True).pk),
    "requests:pause": lambda c: Click(make.admin(), data=REASON),
    "requests:resume": lambda c: Click(_paused()),
}
ANSWERS: Clicks = {
    "privacy:protect": lambda c: Click(c.person, _unprotected(c), {**owner_clicks.PROMISE, "then": "make"}),
    "privacy:promise": lambda c: _pages(Click(c.person, _unprotected(c), owner_clicks.PROMISE)),
    "privacy:give": lambda c: Click(c.person, c.own.pk, _someone_to_give(c)),
    "privacy:rows": lambda c: Click(c.person, c.own.pk, {"rows_of_wages": "120"}),
    "privacy:mock": lambda c: Click(c.person, c.own.pk, owner_clicks.wanted_mock()),
    "privacy:replace_mock": lambda c: Click(c.person, c.own.pk, owner_clicks.released_mock(c)),
    "privacy:restore_mock": lambda c: Click(c.person, c.own.pk, owner_clicks.shown_mock(c)),
    "audit:export": lambda c: _pages(Click(c.person)),
    "log:ask": lambda c: Click(make.auditor()),
    "privacy:export": lambda c: _pages(Click(c.person, c.own.pk)),
    "privacy:change": lambda c: Click(c.person, c.given.pk, {"epsilon": "1.2"}),
    "privacy:close": lambda c: Click(c.person, c.given.pk, REASON),
    "privacy:ask_top_up": lambda c: Click(c.person, c.budget.pk, {**REASON, "epsilon": "1.5"}),
    "privacy:decide": lambda c: Click(c.person, c.top_up.pk, {"verdict": "decline", "note": "No."}),
    "privacy:price": lambda c: _pages(Click(c.person, c.budget.pk, _question())),
    "privacy:ask": lambda c: Click(c.person, c.budget.pk, _asked(c)),
    "privacy:code": lambda c: Click(c.person, code_clicks.for_code(c).pk, code_clicks.code_fields()),
    "privacy:stop_trial": lambda c: Click(c.person, code_clicks.waiting_trial(c).pk),
    "privacy:ask_code": lambda c: Click(c.person, code_clicks.tried(c).pk, _key()),
    "privacy:withdraw": lambda c: Click(c.person, coded.answer(code_clicks.tried(c)).pk),
}
OTHER_WAYS: Clicks = {
    "datasets:policy as a form": lambda c: Click(
        c.person, c.own.pk, {**model_to_dict(c.own, PolicyForm.Meta.fields), "max_runs": "7"}
    ),
    "datasets:decide by declining": lambda c: Click(
        c.person, _wish(c.own).pk, {"verdict": "decline", "note": "No."}
    ),
    "datasets:upload to cancel it": lambda c: Click(
        c.person, c.upload.pk, {"chunk": b""}, method="delete", done=frozenset({204})
    ),
    "requests:edit and run it": lambda c: Click(
        c.person, c.drafted.pk, {**_draft(c), "then": "try", **_key()}
    ),
    "requests:run_on_mock within the page": lambda c: _pages(
        Click(c.person, c.drafted.pk, _key(), headers={"HX-Request": "true", "HX-Target": "mock-panel"})
    ),
    "requests:verdict by rejecting": lambda c: Click(
        c.person, requests_.version(c.to_review).pk, _verdict(c, verdict="reject", comment="No.")
    ),
    "requests:try_on_mock within the page": lambda c: _pages(
        Click(c.person, requests_.version(c.to_review).pk, _key(), headers={"HX-Request": "true"})
    ),
    "requests:comment within the page": lambda c: _pages(
        Click(c.person, requests_.version(c.to_review).pk, {"text": "Odd."}, headers={"HX-Request": "true"})
    ),
    "requests:decide by rejecting": lambda c: Click(
        c.person, c.to_check.pk, {"decision": "reject", "comment": "No."}
    ),
    "privacy:decide by giving": lambda c: Click(c.person, c.top_up.pk, {"verdict": "grant"}),
}
"""Other ways through the same addresses, by "address and what is different"."""
CLICKS: Clicks = {
    **ACCOUNTS,
    **DATASETS,
    **REQUESTS,
    **ANSWERS,
    **network_clicks.NETWORK,
    **study_clicks.STUDIES,
    **OTHER_WAYS,
}
