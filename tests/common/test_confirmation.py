"""Confirmation of dangerous forms without JavaScript, and addresses that only receive forms."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from requests_app.models import CodeRequest
from tests import make

pytestmark = pytest.mark.django_db


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def hidden(html: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', html))


def part(pattern: str, html: str) -> str:
    found = re.search(pattern, html, re.DOTALL)
    assert found is not None
    return found[0]


def main(answer) -> str:
    return part(r"<main.*?</main>", answer.content.decode())


@pytest.fixture
def withdrawing():
    item = make.code_request(at="submitted")
    client = signed_in(item.author)
    page = client.get(reverse("requests:detail", args=[item.pk])).content.decode()
    url = reverse("requests:withdraw", args=[item.pk])
    return item, client, url, hidden(part(rf'<form method="post" action="{url}".*?</form>', page))


def state_of(item) -> str:
    return CodeRequest.objects.get(pk=item.pk).state


def test_a_step_that_asks_is_not_taken_before_it_is_confirmed(withdrawing):
    item, client, url, fields = withdrawing
    answer = client.post(url, fields)
    assert answer.status_code == 200
    assert "Withdraw this request? This ends it." in main(answer)
    assert state_of(item) == "submitted"


def test_confirmed_it_is_taken_with_what_was_sent(withdrawing):
    item, client, url, fields = withdrawing
    answer = client.post(url, {**fields, "note": 'with "quotes" & <signs>'})
    assert answer.context["fields"] == [("note", 'with "quotes" & <signs>')]
    again = hidden(main(answer))
    assert set(again) == {"csrfmiddlewaretoken", "note"}
    client.post(url, {**again, "confirm-given": "yes"})
    assert state_of(item) == "withdrawn"


def test_a_script_that_has_asked_is_not_asked_again(withdrawing):
    item, client, url, fields = withdrawing
    client.post(url, {**fields, "confirm-given": "yes"})
    assert state_of(item) == "withdrawn"


def test_only_the_button_that_asks_is_asked_about(withdrawing):
    item, client, url, _ = withdrawing
    question = {"confirm-text:then=end": "Really end it?"}
    assert "Really end it?" in main(client.post(url, {**question, "then": "end"}))
    assert state_of(item) == "submitted"
    client.post(url, {**question, "then": "look"})
    assert state_of(item) == "withdrawn"


def test_a_question_does_not_pass_the_check_against_forgery(withdrawing):
    item, _, url, fields = withdrawing
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(item.author)
    answer = strict.post(url, {**fields, "csrfmiddlewaretoken": "x" * 64})
    assert answer.status_code == 403
    assert "Withdraw this request" not in answer.content.decode()


def test_text_in_a_question_stays_text(withdrawing):
    _, client, url, _ = withdrawing
    assert "<b>bold</b>" not in main(client.post(url, {"confirm-text": "<b>bold</b>"}))


def test_an_address_that_takes_a_form_says_so_and_leads_back(withdrawing):
    item, client, url, _ = withdrawing
    answer = client.get(url)
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"
    assert "This address only accepts form submissions." in main(answer)
    assert f'href="{reverse("requests:detail", args=[item.pk])}"' in main(answer)


def test_it_leads_back_to_where_one_came_from(withdrawing):
    _, client, url, _ = withdrawing
    answer = client.get(url, HTTP_REFERER="http://testserver/requests/")
    assert 'href="http://testserver/requests/"' in main(answer)


def test_a_script_is_told_in_json(withdrawing):
    _, client, url, _ = withdrawing
    answer = client.get(url, HTTP_ACCEPT="application/json")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert answer.json() == {
        "code": "method_not_allowed",
        "detail": "This address only accepts form submissions.",
    }


def test_a_page_that_takes_no_form_says_so():
    client = signed_in(make.scientist())
    answer = client.post(reverse("inbox"))
    assert answer.status_code == 405
    assert "This address does not take POST. Use GET, HEAD." in main(answer)
