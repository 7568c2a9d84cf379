"""Pages about the API, which anybody may read."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from common.errors import CODES
from common.rest.advice import ADVICE


@login_not_required
@require_safe
def errors(request: HttpRequest) -> HttpResponse:
    """Explain every code of a problem. The `type` of a problem leads here."""
    rows = [(code, status, title, ADVICE[code]) for code, (status, title) in CODES.items()]
    return render(request, "api/errors.html", {"rows": sorted(rows, key=lambda row: row[1])})
