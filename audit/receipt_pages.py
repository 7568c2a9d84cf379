"""Receipts in the browser: a download or, until the log is signed again, a message that says when."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from audit import receipts
from common.http import UserRequest, as_json
from common.templatetags.weir import exact


def sent(request: UserRequest, receipt: dict[str, Any] | None, *, name: str, back: str) -> HttpResponse:
    """Return a receipt as a file called `name`; before there is one, go back to an address and say when."""
    if receipt is not None:
        return as_json(receipt, name=name)
    messages.info(
        request,
        "The receipt needs a new signature of the log, which takes up to a minute. "
        f"Try again at {exact(receipts.due())}.",
    )
    return redirect(back)
