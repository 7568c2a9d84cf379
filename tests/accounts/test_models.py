"""Rows of people in the words of tracebacks and shells: who it is about, and no secret."""

import pytest

from accounts.models import Mail, Notification, Role, RoleGrant, Session
from tests import make

pytestmark = pytest.mark.django_db


def test_rows_name_their_person() -> None:
    person = make.user(name="Mei Lin")
    grant = RoleGrant(user=person, role=Role.OWNER)
    assert (str(grant), str(Session(user=person)), str(Session())) == (
        f"{Role.OWNER.label}: Mei Lin",
        "Session of Mei Lin",
        "Session of a visitor",
    )
    assert str(Notification(user=person, text="Your access was granted.")) == "Your access was granted."


def test_a_mail_is_named_without_its_link() -> None:
    item = Mail(address="mei@weir.example", url="/people/welcome/secret/", text="secret")
    assert str(item) == "An e-mail to mei@weir.example"
