"""What people do in the review lane. Views call these functions, and outputs.py and releases.py by name."""

from requests_app.code.template import template_code
from requests_app.services.comments import comment, drop_comment, resolve, unresolve
from requests_app.services.drafts import (
    Snapshot,
    copy_request,
    draft_of,
    new_request,
    save_draft,
    snapshot,
)
from requests_app.services.environments import (
    add_environment,
    build_again,
    remove_environment,
    retire_environment,
)
from requests_app.services.reviews import begin_review, review, revoke
from requests_app.services.runs import cancel_run, run_on_mock, start_run, try_on_mock
from requests_app.services.submissions import declared, submit, withdraw
from requests_app.services.workers import drain_worker, pause_runs, resume_runs, undrain_worker

__all__ = [
    "Snapshot",
    "add_environment",
    "begin_review",
    "build_again",
    "cancel_run",
    "comment",
    "copy_request",
    "declared",
    "draft_of",
    "drain_worker",
    "drop_comment",
    "new_request",
    "pause_runs",
    "remove_environment",
    "resolve",
    "resume_runs",
    "retire_environment",
    "review",
    "revoke",
    "run_on_mock",
    "save_draft",
    "snapshot",
    "start_run",
    "submit",
    "template_code",
    "try_on_mock",
    "undrain_worker",
    "unresolve",
    "withdraw",
]
