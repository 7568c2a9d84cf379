"""Confirmation before dangerous forms, with or without JavaScript: such a form contains its question."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from common.http import back

QUESTION = "confirm-text"
"""A hidden field with the question; `confirm-text:then=ask` asks if the button `then` was pressed with value `ask`."""
GIVEN = "confirm-given"
"""A field sent by the dialog that JavaScript shows, and by the confirmation page."""
NOT_REPEATED = {"csrfmiddlewaretoken", GIVEN}


class ConfirmationMiddleware:
    """Answer an unconfirmed form with a confirmation page. Has to come after CsrfViewMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponse | None:
        if request.method != "POST" or GIVEN in request.POST:
            return None
        text = question(request.POST)
        if text is None:
            return None
        fields = [
            (name, value)
            for name, values in request.POST.lists()
            if name not in NOT_REPEATED and not name.startswith(QUESTION)
            for value in values
        ]
        context = {"text": text, "fields": fields, "back": back(request), "given": GIVEN}
        return render(request, "confirm.html", context)


def question(posted: QueryDict) -> str | None:
    """Return the question that this form asks, given the button that sent it; None if it asks none."""
    for name, text in posted.items():
        begins, _, button = name.partition(":")
        field, _, value = button.partition("=")
        if begins == QUESTION and text and (not button or posted.get(field) == value):
            return str(text)
    return None
