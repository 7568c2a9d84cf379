"""Receipts in the browser: a download or, until the log is signed again, a message that says so."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from common.http import UserRequest, as_json

LATER = "The receipt needs a new signature of the log, which takes up to a minute. Try again then."


def sent(request: UserRequest, receipt: dict[str, Any] | None, *, name: str, back: str) -> HttpResponse:
    """Return a receipt as a file called `name`; before there is one, go back to an address and say so."""
    if receipt is not None:
        return as_json(receipt, name=name)
    messages.info(request, LATER)
    return redirect(back)
