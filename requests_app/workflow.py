"""The state machines of the review lane as tables, and the one function that takes a step.

Whose turn it is in each state is part of the table: every state has exactly one side that has to act.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from accounts.models import User
from common import live
from common.access import require
from common.errors import Conflict
from requests_app import rules
from requests_app.audit_entries import record
from requests_app.models import CodeRequest, Release, Run

Item = TypeVar("Item", CodeRequest, Run, Release)


class Side(StrEnum):
    """Who has to act next."""

    AUTHOR = "the author"
    REVIEWER = "the owner and reviewers"
    SYSTEM = "the portal"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow: from these states to that one, if the rule allows it."""

    sources: frozenset[str]
    target: str
    rule: Callable[[User, Any], str | None]


def _step(sources: set[str], target: str, rule: Callable[[User, Any], str | None]) -> Step:
    return Step(frozenset(sources), target, rule)


R, U, L = CodeRequest.State, Run.State, Release.State

REQUEST: dict[str, Step] = {
    "submit": _step(
        {R.DRAFT, R.CHANGES_REQUESTED, R.SUBMITTED, R.IN_REVIEW, R.APPROVED, R.EXPIRED},
        R.SUBMITTED,
        rules.may_submit,
    ),
    "begin_review": _step({R.SUBMITTED, R.IN_REVIEW}, R.IN_REVIEW, rules.may_begin_review),
    "endorse": _step({R.SUBMITTED, R.IN_REVIEW}, R.IN_REVIEW, rules.may_approve),
    "approve": _step({R.SUBMITTED, R.IN_REVIEW}, R.APPROVED, rules.may_approve),
    "request_changes": _step({R.SUBMITTED, R.IN_REVIEW}, R.CHANGES_REQUESTED, rules.may_review),
    "reject": _step({R.SUBMITTED, R.IN_REVIEW}, R.REJECTED, rules.may_review),
    "withdraw": _step(
        {R.DRAFT, R.SUBMITTED, R.IN_REVIEW, R.CHANGES_REQUESTED}, R.WITHDRAWN, rules.may_withdraw
    ),
    "revoke": _step({R.APPROVED}, R.REVOKED, rules.may_revoke),
    "expire": _step({R.APPROVED}, R.EXPIRED, rules.expire),
}
RUN: dict[str, Step] = {
    "start": _step({U.QUEUED}, U.STARTING, rules.is_system),
    "running": _step({U.STARTING}, U.RUNNING, rules.is_system),
    "collect": _step({U.STARTING, U.RUNNING}, U.COLLECTING, rules.is_system),
    "end": _step({U.STARTING, U.RUNNING, U.COLLECTING}, U.ENDING, rules.is_system),
    "succeed": _step({U.ENDING}, U.SUCCEEDED, rules.is_system),
    "fail": _step({U.ENDING}, U.FAILED, rules.is_system),
    "cancel_queued": _step({U.QUEUED}, U.CANCELLED, rules.may_cancel_run),
    "cancel": _step({U.STARTING, U.RUNNING, U.COLLECTING, U.ENDING}, U.CANCELLING, rules.may_cancel_run),
    "cancelled": _step({U.CANCELLING}, U.CANCELLED, rules.is_system),
}
QUIET = frozenset({"collect", "end"})
"""Steps of a run whose moment depends on what the code read and wrote. No page is notified of them, and no entry is
recorded, because even the numbers of the entries would reveal it. The step that announces the end is recorded."""
PUBLIC_STATE: dict[str, str] = {U.COLLECTING: U.RUNNING, U.ENDING: U.RUNNING}
"""What the audit log, and pages for those who may not read the log of a run, call the states after a quiet step."""
RELEASE: dict[str, Step] = {
    "begin_check": _step({L.HELD}, L.CHECKING, rules.may_check_output),
    "release": _step({L.HELD, L.CHECKING}, L.RELEASED, rules.may_check_output),
    "reject": _step({L.HELD, L.CHECKING}, L.REJECTED, rules.may_check_output),
    "request_changes": _step({L.HELD, L.CHECKING}, L.CHANGES_REQUESTED, rules.may_check_output),
    "recall": _step({L.RELEASED}, L.RECALLED, rules.may_recall),
    "expire": _step({L.HELD, L.CHECKING}, L.EXPIRED, rules.is_system),
}
TURN: dict[str, dict[str, Side]] = {
    "request": {
        R.DRAFT: Side.AUTHOR,
        R.SUBMITTED: Side.REVIEWER,
        R.IN_REVIEW: Side.REVIEWER,
        R.CHANGES_REQUESTED: Side.AUTHOR,
        R.APPROVED: Side.AUTHOR,
        R.REJECTED: Side.NOBODY,
        R.WITHDRAWN: Side.NOBODY,
        R.REVOKED: Side.NOBODY,
        R.EXPIRED: Side.AUTHOR,
    },
    "run": {
        U.QUEUED: Side.SYSTEM,
        U.STARTING: Side.SYSTEM,
        U.RUNNING: Side.SYSTEM,
        U.COLLECTING: Side.SYSTEM,
        U.ENDING: Side.SYSTEM,
        U.CANCELLING: Side.SYSTEM,
        U.SUCCEEDED: Side.NOBODY,
        U.FAILED: Side.NOBODY,
        U.CANCELLED: Side.NOBODY,
    },
    "release": {
        L.HELD: Side.REVIEWER,
        L.CHECKING: Side.REVIEWER,
        L.RELEASED: Side.NOBODY,
        L.REJECTED: Side.NOBODY,
        L.CHANGES_REQUESTED: Side.AUTHOR,
        L.RECALLED: Side.NOBODY,
        L.EXPIRED: Side.AUTHOR,
    },
}
MACHINES: dict[str, dict[str, Step]] = {"request": REQUEST, "run": RUN, "release": RELEASE}
_MACHINE_OF: dict[type[models.Model], str] = {CodeRequest: "request", Run: "run", Release: "release"}


def refusal(name: str, item: CodeRequest | Run | Release, *, by: User) -> str | None:
    """Return why `by` cannot take this step now, or None. Pages show it on the disabled button."""
    return refusals([name], item, by=by)[name]


def refusals(names: Iterable[str], item: CodeRequest | Run | Release, *, by: User) -> dict[str, str | None]:
    """Return the refusal of each of these steps. Steps with the same rule ask it once."""
    machine = MACHINES[_MACHINE_OF[type(item)]]
    steps = {name: machine[name] for name in names}
    now = f"Not possible in this state: {item.get_state_display().lower()}."
    asked = {step.rule for step in steps.values() if item.state in step.sources}
    why = {rule: rule(by, item) for rule in asked}
    return {name: why[step.rule] if item.state in step.sources else now for name, step in steps.items()}


def take(name: str, item: Item, *, by: User, **changes: object) -> Item:
    """Take one step with one object: lock it, ask the rule, check its state, write and record, in one transaction.

    Returns the object as it is now. Raises Denied when the rule refuses and Conflict when the step does not
    lead on from the state the object is in.
    """
    with transaction.atomic():
        locked: Item = type(item)._default_manager.select_for_update(of=("self",)).get(pk=item.pk)
        return move(name, locked, by=by, **changes)


def move(name: str, locked: Item, *, by: User, **changes: object) -> Item:
    """Do the same for an object that the caller has locked, in the caller's transaction."""
    require(MACHINES[_MACHINE_OF[type(locked)]][name].rule, by, locked)
    return proceed(name, locked, by=by, **changes)


def proceed(name: str, locked: Item, *, by: User, **changes: object) -> Item:
    """Do the same for an object that the caller has locked and then asked the step's rule about."""
    kind = _MACHINE_OF[type(locked)]
    step = MACHINES[kind][name]
    if locked.state not in step.sources:
        raise Conflict(f"This is no longer possible: {locked.get_state_display().lower()}.")
    _write(name, kind, locked, step, by, changes)
    return locked


def _write(name: str, kind: str, item: Item, step: Step, by: User, changes: dict[str, object]) -> None:
    now = timezone.now()
    old = item.state
    stamp: dict[str, object] = {} if kind == "run" else {"state_changed_at": now}
    for field, value in {"state": step.target, **stamp, **changes}.items():
        setattr(item, field, value)
    item.save(update_fields=["state", *stamp, *changes])
    if kind == "run" and name in QUIET:
        return
    request = request_of(item)
    states = PUBLIC_STATE.get(old, old) if kind == "run" else old, step.target
    record(f"{kind}.{name}", request, by=by, on=item, changes={"state": states}, **_reason(name, changes))
    refresh_pages(item)


_REASONS = {"recall": "recall_reason", "revoke": "state_reason"}
"""The field with the reason for a step. Comments of verdicts are left out, because admins read the audit log."""


def _reason(name: str, changes: dict[str, object]) -> dict[str, object]:
    field = _REASONS.get(name)
    return {"reason": changes[field]} if field in changes else {}


def request_of(item: CodeRequest | Run | Release) -> CodeRequest:
    match item:
        case CodeRequest():
            return item
        case Run():
            return item.request
        case Release():
            return item.run.request


def refresh_pages(item: CodeRequest | Run | Release) -> None:
    """Refresh every open page that shows this object. The request's own page, which its author may have open, shows
    nothing of what a reviewer tries, and must not tell when they do."""
    request = request_of(item)
    if isinstance(item, Run):
        live.changed("run", item.pk)
        if not item.is_by_reviewer:
            live.changed("request", request.pk)
        return
    live.changed("request", request.pk)
    if isinstance(item, Release):
        live.changed("run", item.run_id)
    live.changed("user", *_inboxes(request))


def _inboxes(request: CodeRequest) -> set[UUID]:
    """Return the people whose inbox a step of a request or a release may change."""
    return {request.author_id, *request.dataset.reviewing_people().values_list("pk", flat=True)}
