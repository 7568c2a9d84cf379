"""Who is offered on the sign-in page, and when."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from portal.demo import people
from tests import make

pytestmark = pytest.mark.django_db


def test_the_sign_in_page_lists_the_demos_people(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.DEMO, settings.STATE = True, tmp_path
    assert people.shown() == []  # the demo is not finished
    people.write_file()
    page = client.get("/account/login/").content.decode()
    assert all(one.email in page for one in people.SHOWN)


def test_outside_the_demo_nobody_is_listed(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.DEMO, settings.STATE = False, tmp_path
    people.write_file()
    page = client.get("/account/login/").content.decode()
    assert (people.shown(), people.PASSWORD in page) == ([], False)


def test_the_demo_is_not_mixed_with_people() -> None:
    make.user()
    with pytest.raises(CommandError, match="database of its own"):
        call_command("seed_demo")


def test_the_demo_is_for_this_machine(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["weir.example"]
    with pytest.raises(CommandError, match="this machine only"):
        call_command("seed_demo")
