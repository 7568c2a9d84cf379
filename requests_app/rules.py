"""Who may do what in the review lane. A rule returns the reason why not, or None."""

from django.db.models import Count, Q
from django.utils import timezone

from accounts.models import EXCLUSIVE_ROLES, User
from accounts.rules import is_active, is_admin, is_free_for_duties
from common import code_environments
from common.access import all_of, any_of
from common.errors import Refused
from datasets import rules as dataset_rules
from datasets.models import Dataset, Revision
from requests_app.code import fingerprint
from requests_app.models import (
    Approval,
    CodeEnvironment,
    CodeRequest,
    Comment,
    Output,
    Release,
    Run,
    Version,
)


def is_system(user: User, item: object) -> str | None:
    return None if user.state == User.State.SYSTEM else "Only the portal itself can do this."


def is_author(user: User, item: CodeRequest) -> str | None:
    """Allow the author, unless they now hold an overseeing role: then they have no rights of an author any more."""
    if user != item.author:
        return "Only the author of this request can do this."
    return is_free_for_duties(user)


def is_not_author(user: User, item: CodeRequest) -> str | None:
    return "Somebody else has to review your request and its outputs." if user == item.author else None


def is_reviewer(user: User, item: CodeRequest) -> str | None:
    return dataset_rules.is_reviewer(user, item.dataset)


def is_owner(user: User, item: CodeRequest) -> str | None:
    return dataset_rules.is_dataset_owner(user, item.dataset)


def may_use_dataset(user: User, item: CodeRequest) -> str | None:
    """Check that the request's author may still use the dataset."""
    return dataset_rules.may_use(item.author, item.dataset)


def has_not_reviewed(user: User, item: CodeRequest) -> str | None:
    if item.latest is not None and item.latest.reviews.filter(reviewer=user).exists():
        return "You have already given your verdict on this version."
    return None


def is_complete(user: User, item: CodeRequest) -> str | None:
    """Check that everything a reviewer needs is filled in."""
    missing = [
        label
        for label, text in (
            ("a title", item.title),
            ("the code", item.code),
            ("the purpose", item.purpose),
            ("the context", item.context),
        )
        if not text.strip()
    ]
    return f"Still missing: {', '.join(missing)}." if missing else None


def dataset_is_not_frozen(user: User, item: CodeRequest) -> str | None:
    frozen = item.dataset.state == Dataset.State.FROZEN
    return dataset_rules.frozen_words(item.dataset) if frozen else None


RUN_IS_LIVE = "A run of this request is in progress. Wait until it has ended, or cancel it."
NOT_APPROVED = "There is no approval to run this request. It has to be reviewed first."
REVISION_RETIRED = "The approved data revision has been retired. Submit the request again for review."
MOST_LOST = 5
"""Runs that may be lost under one approval without counting. Each ending tells its author something, so there is a
limit to them."""
ENDED = (
    CodeRequest.State.WITHDRAWN,
    CodeRequest.State.REJECTED,
    CodeRequest.State.REVOKED,
)


def may_read_code(user: User, item: CodeRequest) -> str | None:
    if user.is_auditor or is_author(user, item) is None:
        return None
    return is_reviewer(user, item)


def has_part(user: User, version: Version) -> str | None:
    if user == version.request.author:
        return dataset_rules.is_scientist(user, version.request)
    return is_reviewer(user, version.request)


def settles_thread(user: User, comment: Comment) -> str | None:
    return has_part(user, comment.version)


def is_open_to_edit(user: User, item: CodeRequest) -> str | None:
    """Allow edits as long as the draft may still be submitted."""
    if item.state in ENDED:
        return f"This request has ended: {item.get_state_display().lower()}. Copy it into a new one."
    return None


def no_run_is_live(user: User, item: CodeRequest) -> str | None:
    if item.runs.live().filter(kind=Run.Kind.PRIVATE).exists():
        return RUN_IS_LIVE
    return None


def latest_revision_is_current(user: User, item: CodeRequest) -> str | None:
    """Check that what is approved could run: its data revision is still published."""
    if item.latest is not None and item.latest.revision.state != Revision.State.PUBLISHED:
        return (
            "The data revision of this version has been retired. The author has to submit the request again."
        )
    return None


def reviews_version(user: User, version: Version) -> str | None:
    return all_of(is_not_author, is_reviewer)(user, version.request)


def is_under_review(user: User, version: Version) -> str | None:
    """Check that this is the newest version, and that it waits for verdicts."""
    item = version.request
    if item.latest_id != version.pk:
        return "A newer version has been submitted. Only the newest one can be tried."
    if item.state not in CodeRequest.OPEN:
        return f"This version is not under review: {item.get_state_display().lower()}."
    return None


may_edit = all_of(is_active, is_author, dataset_rules.is_scientist, is_open_to_edit)
may_withdraw = all_of(is_active, is_author)
may_run_on_mock = all_of(may_edit, may_use_dataset)
may_try_on_mock = all_of(is_active, reviews_version, is_under_review)
may_submit = all_of(is_active, is_author, may_use_dataset, is_complete, no_run_is_live)
may_begin_review = all_of(is_active, is_not_author, is_reviewer)
may_review = all_of(is_active, is_not_author, is_reviewer, has_not_reviewed)
may_approve = all_of(may_review, latest_revision_is_current)
may_comment = all_of(is_active, has_part)
may_resolve = all_of(is_active, settles_thread)
may_revoke = all_of(is_active, any_of(is_owner, is_admin))
expire = is_system


def approval_is_live(approval: Approval) -> str | None:
    """Check that the approval is in force: not ended, not expired, for the latest version and published data."""
    version = approval.version
    if version.request.state != CodeRequest.State.APPROVED:
        return f"This request is not approved: {version.request.get_state_display().lower()}."
    if approval.ended_at is not None:
        return "The approval has ended."
    if approval.expires_at <= timezone.now():
        return "The approval has expired. Submit the request again to ask for a new one."
    if approval.sha256 != version.sha256:
        return "The approval is for different code. Submit the request again for review."
    if version.request.latest_id != version.pk:
        return "The approval is for an older version. The latest one has to be reviewed first."
    if version.revision.state != version.revision.State.PUBLISHED:
        return REVISION_RETIRED
    return None


def may_run_again(user: User, item: CodeRequest) -> str | None:
    """Allow one run at a time, and no more than approved. Both are counted in one query, because pages ask too."""
    approval = live_approval(item)
    if approval is None:
        return NOT_APPROVED
    runs = item.runs.filter(kind=Run.Kind.PRIVATE).aggregate(
        live=Count("pk", filter=Q(state__in=Run.LIVE)),
        used=Count("pk", filter=Run.COUNTED & Q(approval=approval)),
        lost=Count("pk", filter=Run.LOST & Q(approval=approval)),
    )
    if runs["live"]:
        return RUN_IS_LIVE
    if runs["used"] >= approval.runs_allowed:
        return (
            f"All {approval.runs_allowed} approved runs are used. Submit the request again to ask for more."
        )
    if runs["lost"] >= MOST_LOST:
        return (
            f"{runs['lost']} runs of this approval were lost. Tell an admin, then submit the request again."
        )
    return None


def may_open_data(run: Run) -> str | None:
    """Return why this run may not open private data now. It is asked again at the moment of opening."""
    if run.approval is None or run.version_id is None:
        return "This run has no approval."
    if why := approval_is_live(run.approval):
        return why
    seen = fingerprint.of(
        code=run.code,
        parameters=run.parameters,
        revision=str(run.revision_id),
        revision_sha256=run.revision.sha256,
        environment=run.environment,
    )
    if not seen == run.sha256 == run.approval.sha256:
        return "This run differs from what was approved."
    if why := environment_has_changed(run.environment, run.approval.version.environment_sha256):
        return why
    if run.lease is None or run.state != Run.State.STARTING:
        return "This run is not starting."
    return may_use_dataset(run.request.author, run.request)


def may_continue(run: Run) -> str | None:
    """Return why a run that has started properly must end now. The expiry of its approval alone does not end it."""
    if run.is_by_reviewer and run.version is not None:
        return may_try_on_mock(run.asked_by, run.version)
    if run.approval is not None and run.approval.ended_at is not None:
        return "The approval has ended."
    if run.kind == Run.Kind.PRIVATE and run.revision.state != Revision.State.PUBLISHED:
        return REVISION_RETIRED
    return may_use_dataset(run.request.author, run.request)


def is_author_or_owner(user: User, item: CodeRequest) -> str | None:
    if is_author(user, item) is None or is_owner(user, item) is None:
        return None
    return "Only the author and the owner of the dataset can start a run."


def has_live_approval(user: User, item: CodeRequest) -> str | None:
    approval = live_approval(item)
    if approval is None:
        return NOT_APPROVED
    return approval_is_live(approval)


def approved_environment_stands(user: User, item: CodeRequest) -> str | None:
    approval = live_approval(item)
    if approval is None:
        return NOT_APPROVED
    return environment_has_changed(approval.version.environment, approval.version.environment_sha256)


def environment_is_retired(name: str) -> str | None:
    """Check that the environment is not retired. The default one, and those built from the console, have no row."""
    if name == code_environments.DEFAULT:
        return None
    own = CodeEnvironment.objects.filter(name=name).exclude(state=CodeEnvironment.State.READY)
    if own.exists():
        return f"The code environment {name} is no longer available. Choose another one and submit again."
    return None


def environment_has_changed(name: str, sha256: str) -> str | None:
    """Check that the environment still has the hash that its version was submitted with."""
    if why := environment_is_retired(name):
        return why
    try:
        now = code_environments.get(name)
    except Refused as gone:
        return str(gone)
    if now.sha256 == sha256:
        return None
    return f"The code environment {name} has changed since this was submitted. Submit it again for review."


may_start_run = all_of(
    is_active,
    is_author_or_owner,
    dataset_is_not_frozen,
    may_use_dataset,
    has_live_approval,
    approved_environment_stands,
    may_run_again,
)


def live_approval(item: CodeRequest) -> Approval | None:
    """Return the approval of the latest version, if there is one."""
    approval: Approval | None = getattr(item.latest, "approval", None)
    return approval


def may_cancel_run(user: User, run: Run) -> str | None:
    """Allow the portal, the author, and for private data the owner and admins. A reviewer's own run is theirs alone."""
    if user.state == User.State.SYSTEM:
        return None
    if run.is_by_reviewer:
        return None if user == run.asked_by else "Only the reviewer who started this run can stop it."
    if is_author(user, run.request) is None:
        return None
    if run.kind == Run.Kind.PRIVATE and any_of(is_owner, is_admin)(user, run.request) is None:
        return None
    return "Only the author, the owner of the dataset or an admin can cancel a run."


def may_read_log(user: User, run: Run) -> str | None:
    """A log is as private as its data. On private data reviewers read it, never the author; on mock data the author
    does, and reviewers once the run belongs to a submitted version. What a reviewer tried is for reviewers."""
    if run.kind == Run.Kind.PRIVATE or run.is_by_reviewer:
        return all_of(is_not_author, is_reviewer)(user, run.request)
    if user == run.request.author or run.version is None:
        return is_author(user, run.request)
    return is_reviewer(user, run.request)


def may_read_output(user: User, run: Run) -> str | None:
    """Held outputs follow the rule of the log."""
    return may_read_log(user, run)


def may_open_output(user: User, output: Output) -> str | None:
    """Allow who may read what the run wrote; a released file, also who may download it. To others it does not exist."""
    if may_read_output(user, output.run) is None:
        return None
    return is_let_out(user, output)


def is_let_out(user: User, output: Output) -> str | None:
    """Check that the file is released, and to this person."""
    release: Release | None = getattr(output.run, "release", None)
    if release is None or output.verdict != Output.Verdict.RELEASE:
        return "There is no file here that you can open."
    return may_download_release(user, release)


def may_download_held(user: User, run: Run) -> str | None:
    """Allow reviewers to download a held file before the decision, where the dataset's policy does."""
    if run.kind != Run.Kind.PRIVATE:
        return "Only outputs of runs on private data are held."
    if not run.request.dataset.held_downloads:
        return "This dataset's policy does not allow held files to be downloaded. Read the file on this page instead."
    return all_of(is_active, is_not_author, is_reviewer)(user, run.request)


def may_add_log_excerpt(user: User, run: Run) -> str | None:
    """Allow a reviewer to add an edited part of a private log to the outputs, once the run has ended."""
    if run.kind != Run.Kind.PRIVATE or run.state not in (Run.State.SUCCEEDED, Run.State.FAILED):
        return "An excerpt can be made only from the log of a run on private data that has ended."
    return all_of(is_active, is_not_author, is_reviewer)(user, run.request)


def may_check_output(user: User, release: Release) -> str | None:
    return all_of(is_active, is_not_author, is_reviewer)(user, release.run.request)


def may_download_release(user: User, release: Release) -> str | None:
    if release.state != Release.State.RELEASED:
        return "There is nothing to download: the outputs are not released."
    if is_author(user, release.run.request) is None:
        return None
    return is_reviewer(user, release.run.request)


def may_read_record(user: User, release: Release) -> str | None:
    """Allow the author, reviewers and auditors to read the record of a release, also after a recall."""
    if not release.record:
        return "There is no record: nothing was released."
    if user.is_auditor or is_author(user, release.run.request) is None:
        return None
    return is_reviewer(user, release.run.request)


def may_recall(user: User, release: Release) -> str | None:
    return all_of(is_active, any_of(is_owner, is_admin))(user, release.run.request)


def may_manage_workers(user: User, item: object = None) -> str | None:
    return all_of(is_active, is_admin)(user, item)


def may_manage_environments(user: User, item: object = None) -> str | None:
    return all_of(is_active, is_admin)(user, item)


def keeps_duties_apart(person: User, role: str) -> str | None:
    """Return why an author cannot be given an overseeing role yet: a request, run or release of theirs is open."""
    if role not in EXCLUSIVE_ROLES:
        return None
    if person.code_requests.filter(state__in=CodeRequest.UNDECIDED).exists():
        return f"{person} has a request in progress. It has to be withdrawn, decided or revoked first."
    if Run.objects.live().filter(Q(request__author=person) | Q(asked_by=person)).exists():
        return f"A run of {person} is in progress. Wait until it has ended, or cancel it."
    if Release.objects.filter(author=person, state__in=Release.OPEN).exists():
        return f"Outputs of {person} are held. They have to be checked first."
    return None


def may_see_workers(user: User, item: object = None) -> str | None:
    return None if user.oversees else "Only admins and auditors can see the workers."
