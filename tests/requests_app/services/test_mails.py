"""What mails say beside their subject: why, what to do, and by when; and nothing that was said of results."""

import pytest

from accounts.models import Mail, User
from accounts.notifications import day
from datasets import services as data
from requests_app import notifications, services
from requests_app.models import Approval, Release
from tests import make
from tests.makers import requests as lane

pytestmark = pytest.mark.django_db


def mails(person: User) -> dict[str, str]:
    """The mails to a person that have not been sent: their further texts by their first sentences."""
    return dict(Mail.objects.filter(address=person.email).values_list("text", "extra"))


def test_a_request_is_told_with_its_purpose_and_an_approval_with_its_end() -> None:
    item = make.code_request(at="approved", purpose="To know the mean wage.")
    (waiting,) = (
        extra for text, extra in mails(item.dataset.owner).items() if "waiting for your review" in text
    )
    assert "in its author's words:\n\nTo know the mean wage.\n" in waiting
    approval = Approval.objects.get()
    runs = f"{approval.runs_allowed} run{'s' * (approval.runs_allowed != 1)}"
    assert mails(item.author)["Your request “Mean wage” has been approved: you can run it."] == (
        f"The approval is for {runs}, until {day(approval.expires_at)}. Start one on this page:"
    )


def test_held_outputs_are_told_with_the_day_on_which_they_go() -> None:
    item = make.code_request(at="ran")
    (check,) = (extra for text, extra in mails(item.dataset.owner).items() if "for you to check" in text)
    assert f"by {day(Release.objects.get().expires_at)}, they are deleted" in check


def test_what_reviewers_write_of_a_version_stays_in_the_portal() -> None:
    item = make.code_request(at="submitted")
    version = lane.version(item)
    services.review(
        version,
        by=item.dataset.owner,
        seen=version.sha256,
        verdict="request_changes",
        comment="The mean is 7.",
    )
    told = mails(item.author)["Your request “Mean wage” needs changes."]
    assert told == "The reviewer's reasons, and what you can do, are on this page:"


@pytest.mark.parametrize("grant", [True, False])
def test_a_decision_on_access_is_told_with_its_note_and_its_end(grant: bool) -> None:
    item = make.access_request(make.dataset(title="Wages"))
    (asked,) = (extra for text, extra in mails(item.dataset.owner).items() if "has asked for access" in text)
    assert item.purpose in asked
    data.decide_access(item, by=item.dataset.owner, grant=grant, note="Bring the ethics vote.", days=30)
    (said,) = (extra for text, extra in mails(item.scientist).items() if "access to Wages" in text)
    assert said.startswith("The decision says:\n\nBring the ethics vote.")
    assert ("It lasts until" in said) is grant


@pytest.mark.parametrize(
    ("topic", "owners", "authors"),
    [
        (
            "work",
            {"asked for access", "waiting for your review", "for you to check them", "not checked in time"},
            set(),
        ),
        ("asked", set(), {"given access", "has been approved", "has run", "not checked in time"}),
        ("comments", {"New comments on"}, {"New comments on"}),
    ],
)
def test_an_event_is_work_for_those_who_decide_and_an_answer_for_its_author(
    topic: str, owners: set[str], authors: set[str]
) -> None:
    owner, author = make.owner(mail_topics=[topic]), make.scientist(mail_topics=[topic])
    item = make.code_request(dataset=make.dataset(owner=owner), author=author, at="ran")
    for person in (owner, author):
        services.comment(lane.version(item), by=person, text="Why the mean?")
    notifications.release_expired(Release.objects.get())
    for person, texts in ((owner, owners), (author, authors)):
        found = mails(person)
        assert len(found) == len(texts), found
        assert all(any(part in text for text in found) for part in texts)
