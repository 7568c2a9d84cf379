"""The signed log: a page for everybody, and what programs read to check it. None of it says who did what."""

import base64
from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audit import published, services, witnesses
from audit.models import Checkpoint, LogKey
from common.http import UserRequest, as_public
from common.pages import paginated

LATE = timedelta(hours=2)
"""After so long without a public checkpoint, the page tells admins and auditors that something is wrong."""
MINUTE, HOUR = 60, 3600


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Explain the log and list its checkpoints: the public ones, and all of them for admins and auditors."""
    context = {
        "address": settings.BASE_URL,
        "keys": list(LogKey.objects.order_by(F("retired_at").desc(nulls_first=True))),
        "page": paginated(
            request,
            Checkpoint.objects.visible_to(request.user).prefetch_related("cosignatures").order_by("-size"),
        ),
        "oversees": getattr(request.user, "oversees", False),
        "missing": witnesses.missing(),
        "is_late": not Checkpoint.objects.filter(public=True, at__gt=timezone.now() - LATE).exists(),
    }
    if request.user.is_authenticated:
        return render(request, "audit/log.html", context)
    # A page without forms. Without a token for them, nobody gets a cookie.
    shown = render(request, "audit/log.html", {**context, "csrf_token": ""})
    # With a cookie, it may show a message that is for one person.
    return shown if request.COOKIES else as_public(shown, seconds=MINUTE)


@require_POST
def ask(request: UserRequest) -> HttpResponse:
    """Ask for a checkpoint with the next tick."""
    services.ask_for_checkpoint(by=request.user)
    messages.success(request, "The log will be signed within a minute.")
    return redirect("log:page")


@login_not_required
@require_safe
def checkpoint(request: HttpRequest) -> HttpResponse:
    """Send the newest public checkpoint, a signed note, with the signatures of witnesses that have come by then."""
    newest = Checkpoint.objects.filter(public=True).newest()
    if newest is None:
        return _missing("The log has not been signed yet.")
    return as_public(_text(witnesses.note(newest)), seconds=MINUTE)


@login_not_required
@require_safe
def key(request: HttpRequest) -> HttpResponse:
    """Send the public key that signs, a line."""
    active = LogKey.objects.filter(retired_at=None).first()
    if active is None:
        return _missing("The log has no key yet.")
    return as_public(_text(f"{active.key.text}\n"), seconds=MINUTE)


@login_not_required
@require_safe
def tile(request: HttpRequest, level: int, place: str) -> HttpResponse:
    """Send a tile of hashes, 32 bytes each. What is sent once never changes."""
    data = published.tile(level, place)
    if data is None:
        return _missing("There is no such tile under the newest checkpoint.")
    return as_public(HttpResponse(data, content_type="application/octet-stream"))


@login_not_required
@require_safe
def consistency(request: HttpRequest, old: int, new: int) -> HttpResponse:
    """Send the proof that the log only grew from one size to another."""
    proof = published.consistency(old, new)
    if proof is None:
        return _missing("These are not two sizes of the log, the smaller one first.")
    return as_public(JsonResponse({"proof": [base64.b64encode(each).decode("ascii") for each in proof]}))


def _text(content: str, status: int = 200) -> HttpResponse:
    return HttpResponse(content, content_type="text/plain; charset=utf-8", status=status)


def _missing(why: str) -> HttpResponse:
    """Say that something is not there, without the page that would set a cookie."""
    return _text(f"{why}\n", status=404)
