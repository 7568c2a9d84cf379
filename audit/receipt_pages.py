"""Receipts in the browser: a download or, until the log is signed again, a message that says so."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from common.http import UserRequest, as_json

LATER = "The log will be signed with this within a minute: then there is a receipt. Try again then."


def sent(request: UserRequest, receipt: dict[str, Any] | None, *, name: str, back: str) -> HttpResponse:
    """Return a receipt as a file called `name`; before there is one, go back to an address and say so."""
    if receipt is not None:
        return as_json(receipt, name=name)
    messages.info(request, LATER)
    return redirect(back)
