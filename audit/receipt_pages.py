"""Receipts in the browser: a download or, until the log is signed again, a page that says when."""

import json
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from audit import receipts
from common.http import UserRequest


def sent(request: UserRequest, receipt: dict[str, Any] | None, *, name: str, about: str) -> HttpResponse:
    """Return a receipt as a download called `name`-receipt.json; a page about it while there is none yet."""
    if receipt is None:
        return render(request, "audit/receipt_later.html", {"about": about, "due": receipts.due()})
    return HttpResponse(
        json.dumps(receipt, ensure_ascii=False, indent=1),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}-receipt.json"'},
    )
