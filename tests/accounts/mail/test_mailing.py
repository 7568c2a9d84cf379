"""Mail is queued in rows: the task carries no content, each mail is sent once, and a failing one holds up no other."""

import inspect
from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.utils import timezone

from accounts import services, tasks
from accounts.mail import delivery
from accounts.mail.letters import Letter, letter
from accounts.models import Mail, User
from accounts.notifications import notify, write_letter, write_to
from accounts.topics import Topic
from tests import make

pytestmark = pytest.mark.django_db


def sent() -> list[tuple[str, ...]]:
    return [(*item.to, item.subject) for item in mail.outbox]


def test_what_is_sent_is_what_the_row_says_and_it_is_sent_once() -> None:
    write_to("noor@weir.example", "You are invited.", url="/x/")
    for _ in range(3):
        tasks.send_mail()
    assert sent() == [("noor@weir.example", "[Weir] You are invited.")]
    assert not Mail.objects.exists()


def test_a_bell_rung_by_a_stranger_sends_nothing() -> None:
    notify([make.scientist()], "Shown in the portal only.", about=Topic.WORK, url="/")
    Mail.objects.all().delete()
    tasks.send_mail()
    assert sent() == []
    assert inspect.signature(tasks.send_mail.run).parameters == {}


@pytest.mark.parametrize("unwanted", Topic)
def test_of_an_unwanted_topic_no_mail_comes_but_the_notification_does(unwanted: Topic) -> None:
    wanted = {topic.value for topic in Topic} - {unwanted}
    person, other = make.scientist(mail_topics=sorted(wanted)), make.scientist()
    for topic in Topic:
        notify([person, other], topic, about=topic, url="/")
    mails = set(Mail.objects.values_list("address", "text"))
    assert {text for address, text in mails if address == person.email} == wanted
    assert {text for address, text in mails if address == other.email} == set(Topic.values)
    assert set(person.notifications.values_list("text", flat=True)) == set(Topic.values)


def test_people_who_want_no_mail_still_get_letters_about_their_account() -> None:
    quiet, admin = make.scientist(mail_topics=[]), make.admin()
    services.suspend(quiet, by=admin, reason="Left.")
    services.reinstate(quiet, by=admin, reason="Is back.")
    assert list(Mail.objects.values_list("text", flat=True)) == ["Your account was suspended."]
    assert quiet.notifications.get().text == "Your account is active again."


def test_nothing_is_sent_of_what_was_taken_back() -> None:
    with transaction.atomic():
        write_to("noor@weir.example", "You are invited.")
        transaction.set_rollback(True)
    tasks.send_mail()
    assert sent() == []


def test_a_mail_that_cannot_be_sent_waits_and_the_others_go(settings, caplog) -> None:
    write_to("bad\nBcc: evil@weir.example", "Forged.")
    write_to("noor@weir.example", "Good.")
    delivery.send_due()
    assert sent() == [("noor@weir.example", "[Weir] Good.")]
    left = Mail.objects.get()
    assert left.tries == 1
    assert left.due_at > timezone.now() + timedelta(seconds=30)
    assert "evil" not in caplog.text


def test_a_mail_that_the_database_refuses_to_make_holds_up_no_other(monkeypatch) -> None:
    def failing(item: Mail) -> Letter | None:
        if item.kind == Mail.Kind.RESET:
            User.objects.create(email=item.address, pk=make.scientist().pk)
        return letter(item)

    monkeypatch.setattr(delivery, "letter", failing)
    write_letter(make.scientist().email, Mail.Kind.RESET)
    write_to("noor@weir.example", "Good.")
    delivery.send_due()
    assert sent() == [("noor@weir.example", "[Weir] Good.")]
    assert Mail.objects.get().tries == 1


def test_a_slow_server_does_not_keep_the_worker(monkeypatch) -> None:
    monkeypatch.setattr(delivery, "AT_ONCE_SECONDS", 0.0)
    write_to("noor@weir.example", "Later.")
    delivery.send_due()
    assert (sent(), Mail.objects.count()) == ([], 1)


def test_it_is_given_up_in_the_end(caplog) -> None:
    write_to("bad\nBcc: evil@weir.example", "Forged.")
    for number in range(delivery.TRIES):
        assert Mail.objects.get().tries == number
        Mail.objects.update(due_at=timezone.now())
        delivery.send_due()
    assert not Mail.objects.exists()
    assert "was dropped after 8 failed tries" in caplog.text


def test_a_waiting_invitation_lies_in_the_database_without_its_link() -> None:
    item, link = services.invite("noor@weir.example", by=make.admin(), roles=[])
    secret = link.rpartition("/people/welcome/")[2].strip("/")
    assert secret
    waiting = Mail.objects.get()
    assert secret not in "".join(str(value) for value in vars(waiting).values())
    tasks.send_mail()
    assert secret in mail.outbox[0].body
    assert services.find_invitation(secret) == item


def test_a_revoked_invitation_is_not_mailed_any_more() -> None:
    admin = make.admin()
    item, _ = services.invite("noor@weir.example", by=admin, roles=[])
    services.revoke_invitation(item, by=admin)
    tasks.send_mail()
    assert (sent(), Mail.objects.count()) == ([], 0)
