"""Pages about witnesses: alarms about the logs of other portals."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from common.http import UserRequest, found
from common.pages import paginated
from network.models import LogAlarm
from network.services import witnesses
from network.views.access import for_overseers


@require_safe
@for_overseers
def alarms(request: UserRequest) -> HttpResponse:
    """List what this portal has found wrong with the logs of other portals, with the notes that prove it."""
    every = LogAlarm.objects.select_related("peer", "seen_by").order_by("-created_at")
    context = {
        "page": paginated(request, every),
        "key": witnesses.own_key(),
        "may_act": request.user.is_admin,
    }
    return render(request, "network/alarms.html", context)


@require_POST
@for_overseers
def mark_seen(request: UserRequest, pk: UUID) -> HttpResponse:
    """Note that an admin has dealt with an alarm."""
    witnesses.mark_seen(found(LogAlarm.objects.all(), pk=pk), by=request.user)
    messages.success(request, "Marked as dealt with. This portal still signs nothing of that log.")
    return redirect("network:alarms")
