"""The verbs of the review lane, as one list: pages, API and client call these and nothing below them."""

from requests_app.drafts import Frozen, draft_of, frozen, new_request, save_draft, template_code, try_on_mock
from requests_app.packages import add_environment, build_again, remove_environment, retire_environment
from requests_app.reviewing import (
    begin_review,
    comment,
    drop_comment,
    resolve,
    review,
    revoke,
    unresolve,
)
from requests_app.running import cancel_run, start_run
from requests_app.submitting import declared, submit, withdraw
from requests_app.workers import drain_worker, pause_runs, resume_runs, undrain_worker

__all__ = [
    "Frozen",
    "add_environment",
    "begin_review",
    "build_again",
    "cancel_run",
    "comment",
    "declared",
    "draft_of",
    "drain_worker",
    "drop_comment",
    "frozen",
    "new_request",
    "pause_runs",
    "remove_environment",
    "resolve",
    "resume_runs",
    "retire_environment",
    "review",
    "revoke",
    "save_draft",
    "start_run",
    "submit",
    "template_code",
    "try_on_mock",
    "undrain_worker",
    "unresolve",
    "withdraw",
]
