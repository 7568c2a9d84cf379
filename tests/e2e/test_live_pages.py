"""What changes on an open page by itself: notifications, by socket or by polling, and the end of a session."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import expect

from accounts import notifications, services
from accounts.topics import Topic
from tests import make

pytestmark = pytest.mark.e2e


def elsewhere(act: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Do it in another thread: this one has the browser's event loop, in which nothing may be sent to sockets."""

    def do() -> None:
        act(*args, **kwargs)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(do).result()


def count(page: Any) -> Any:
    return page.locator("#unread .count")


def test_the_header_counts_without_a_reload(open_as: Callable[..., Any]) -> None:
    person = make.scientist()
    page = open_as(person, "/people/me/")
    page.wait_for_selector("html[data-socket=open]")
    assert count(page).count() == 0
    elsewhere(
        notifications.notify, [person], "Your request was approved.", url="/requests/", about=Topic.ASKED
    )
    count(page).wait_for()
    assert (count(page).inner_text(), page.get_by_label("Notifications: 1 unread").count()) == ("1", 1)


def test_without_a_socket_the_page_asks_again(open_as: Callable[..., Any]) -> None:
    person = make.scientist()
    page = open_as(person, "/people/me/")
    page.route_web_socket("**/ws/live/", lambda socket: socket.close())
    page.reload()
    page.wait_for_selector("html[data-socket=closed]")
    elsewhere(
        notifications.notify, [person], "Your request was approved.", url="/requests/", about=Topic.ASKED
    )
    count(page).wait_for()
    assert count(page).inner_text() == "1"


def test_what_somebody_types_is_not_swept_away(open_as: Callable[..., Any]) -> None:
    person = make.scientist()
    page = open_as(person, "/people/me/")
    page.wait_for_selector("html[data-socket=open]")
    page.fill("#id_affiliation", "An institute")
    elsewhere(
        notifications.notify, [person], "Your request was approved.", url="/requests/", about=Topic.ASKED
    )
    count(page).wait_for()
    assert page.input_value("#id_affiliation") == "An institute"


def test_a_suspended_person_is_put_out_of_the_open_page(open_as: Callable[..., Any]) -> None:
    person = make.scientist()
    page = open_as(person, "/people/me/")
    page.wait_for_selector("html[data-socket=open]")
    elsewhere(services.suspend, person, by=make.admin(), reason="Left the institute.")
    # Two parts of the page may find out at once and leave together: wait for where it ends, not for one way there.
    expect(page).to_have_url(re.compile("/account/login/"), timeout=10_000)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_menu_opens_on_a_small_screen(open_as: Callable[..., Any]) -> None:
    page = open_as(make.scientist(), "/people/me/", width=390)
    link = page.get_by_role("navigation", name="Main").get_by_role("link", name="Datasets")
    assert not link.is_visible()
    page.get_by_role("button", name="Main menu").click()
    assert link.is_visible()


def test_times_can_be_shown_exactly(open_as: Callable[..., Any]) -> None:
    page = open_as(make.scientist(), "/people/me/")
    session = page.locator("#sessions time").first
    title = session.get_attribute("title")
    page.locator(".menu summary").click()
    page.get_by_label("Times").select_option("exact")
    assert session.inner_text() == title
