"""Who is notified of what in the review lane. The texts reach mailboxes, so they contain nothing of private data."""

from django.urls import reverse

from accounts.models import User
from accounts.notifications import day, notify
from accounts.topics import Topic
from requests_app.models import CodeRequest, Release, Review, Run, Version


def reviewers_of(item: CodeRequest) -> list[User]:
    """Return the owner and the reviewers, except the author."""
    return [person for person in item.dataset.reviewing_people() if person != item.author]


def _author_and(
    deciding: list[User], item: CodeRequest, text: str, *, url: str, by: User | None = None
) -> None:
    """Notify the author of what they asked for, and those who decide on it of their work."""
    notify([item.author], text, about=Topic.ASKED, url=url, by=by)
    notify([person for person in deciding if person != item.author], text, about=Topic.WORK, url=url, by=by)


def _page(item: CodeRequest) -> str:
    return reverse("requests:detail", args=[item.pk])


def submitted(version: Version, *, by: User) -> None:
    item = version.request
    text = f"“{item.title}” on {item.dataset.title} is waiting for your review (version {version.number})."
    more = f"Its purpose, in its author's words:\n\n{version.purpose}\n\nGive your verdict on this page:"
    url = reverse("requests:review", args=[version.pk])
    notify(reviewers_of(item), text, about=Topic.WORK, url=url, by=by, more=more)


def reviewed(review: Review) -> None:
    item = review.version.request
    approved = item.state == CodeRequest.State.APPROVED
    words = {
        Review.Verdict.APPROVE: "has been approved: you can run it"
        if approved
        else "has received an approval",
        Review.Verdict.REQUEST_CHANGES: "needs changes",
        Review.Verdict.REJECT: "has been rejected",
    }[Review.Verdict(review.verdict)]
    notify(
        [item.author],
        f"Your request “{item.title}” {words}.",
        about=Topic.ASKED,
        url=_page(item),
        by=review.reviewer,
        more=_after(review, approved=approved),
    )


def _after(review: Review, *, approved: bool) -> str:
    """Return what its author can do after a verdict. The comment stays in the portal: it may speak of results."""
    if approved:
        approval = review.version.approval
        runs = f"{approval.runs_allowed} run{'s' * (approval.runs_allowed != 1)}"
        return f"The approval is for {runs}, until {day(approval.expires_at)}. Start one on this page:"
    if review.verdict == Review.Verdict.APPROVE:
        return "You are notified when the others have decided."
    return "The reviewer's reasons, and what you can do, are on this page:"


def approval_ended(item: CodeRequest, *, by: User, why: str) -> None:
    text = f"The approval of “{item.title}” has ended: {why}"
    notify([item.author], text, about=Topic.ASKED, url=_page(item), by=by)


def withdrawn(item: CodeRequest, *, by: User) -> None:
    text = f"“{item.title}” has been withdrawn by its author."
    notify(reviewers_of(item), text, about=Topic.WORK, url=_page(item), by=by)


def commented(version: Version, *, by: User) -> None:
    item = version.request
    people = [item.author] if by != item.author else reviewers_of(item)
    url = reverse("requests:review", args=[version.pk]) if by == item.author else _page(item)
    notify(people, f"New comments on “{item.title}”.", about=Topic.COMMENTS, url=url, by=by)


def run_finished(run: Run) -> None:
    item = run.request
    if run.kind == Run.Kind.MOCK:
        return
    url = reverse("requests:run", args=[run.pk])
    match run.state:
        case Run.State.SUCCEEDED:
            text = f"“{item.title}” has run. Its outputs are waiting to be checked."
            notify([item.author], text, about=Topic.ASKED, url=url)
            check = reverse("requests:check", args=[run.release.pk])
            text = f"The outputs of “{item.title}” are waiting for you to check them."
            more = f"If nobody has decided by {day(run.release.expires_at)}, they are deleted. Decide on this page:"
            notify(reviewers_of(item), text, about=Topic.WORK, url=check, more=more)
        case Run.State.FAILED:
            text = f"The run of “{item.title}” failed ({run.close_code})."
            _author_and(reviewers_of(item), item, text, url=url)
        case Run.State.CANCELLED:
            text = f"The run of “{item.title}” was cancelled."
            _author_and([item.dataset.owner], item, text, url=url, by=run.cancelled_by)
        case _:
            raise ValueError(f"This run has not ended: {run.state}.")


def release_decided(release: Release) -> None:
    item = release.run.request
    words = {
        Release.State.RELEASED: "Outputs of “{}” have been released: you can download them.",
        Release.State.REJECTED: "The outputs of “{}” were checked and not released.",
        Release.State.CHANGES_REQUESTED: "The outputs of “{}” need changes before they can be released.",
    }[Release.State(release.state)].format(item.title)
    url = reverse("requests:run", args=[release.run_id])
    notify([item.author], words, about=Topic.ASKED, url=url, by=release.decided_by)


def release_recalled(release: Release) -> None:
    item = release.run.request
    text = f"The release of “{item.title}” has been recalled. Delete your copies and stop using them."
    url = reverse("requests:run", args=[release.run_id])
    _author_and(reviewers_of(item), item, text, url=url, by=release.recalled_by)


def release_expired(release: Release) -> None:
    item = release.run.request
    text = (
        f"The outputs of “{item.title}” were not checked in time and have been deleted. It can be run again."
    )
    _author_and(reviewers_of(item), item, text, url=reverse("requests:run", args=[release.run_id]))
