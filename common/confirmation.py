"""Steps that ask before they are taken, also where no script can: such a form carries its question."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from common.http import back

QUESTION = "confirm-text"
"""A hidden field with the question; `confirm-text:then=ask` asks when the button named `then` says `ask`."""
GIVEN = "confirm-given"
"""Sent by the dialog that scripts show, and by the page shown here."""
NOT_REPEATED = {"csrfmiddlewaretoken", GIVEN}


class ConfirmationMiddleware:
    """Answers a form that asks first with a page that asks. Stands behind the check against forged forms."""

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
    """What this form asks before it is carried out, given the button that sent it."""
    for name, text in posted.items():
        begins, _, button = name.partition(":")
        field, _, value = button.partition("=")
        if begins == QUESTION and text and (not button or posted.get(field) == value):
            return str(text)
    return None
