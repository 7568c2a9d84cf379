"""A person's own pages: profile, sessions and notifications."""

from copy import copy
from uuid import UUID

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import queries, services
from accounts.forms import ProfileForm
from accounts.models import Notification
from common.errors import Conflict
from common.http import UserRequest, found
from common.pages import paginated

PER_PAGE = 25


@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: UserRequest) -> HttpResponse:
    """Show and change the profile; list roles and sessions; link to password and two-step sign-in."""
    form = ProfileForm(request.POST or None, instance=copy(request.user))
    if request.method == "POST" and form.is_valid():
        try:
            services.update_profile(request.user, by=request.user, **form.cleaned_data)
        except Conflict as refused:
            form.add_error("name", str(refused))
        else:
            messages.success(request, "Profile saved.")
            return redirect("accounts:profile")
    context = {
        "form": form,
        "grants": request.user.role_grants.select_related("granted_by"),
        "sessions": queries.sessions_of(request.user)[:PER_PAGE],
        "this_session": request.session.session_key,
        "has_second_step": is_mfa_enabled(request.user),
    }
    return render(request, "accounts/profile.html", context)


@require_POST
def end_sessions(request: UserRequest) -> HttpResponse:
    """Sign out everywhere, this session included."""
    services.end_sessions(request.user, by=request.user)
    request.session.flush()
    messages.success(request, "You have been signed out everywhere.")
    return redirect(settings.LOGIN_URL)


@require_safe
def notifications(request: UserRequest) -> HttpResponse:
    """List the person's notifications, newest first."""
    own = Notification.objects.visible_to(request.user)
    page = paginated(request, own)
    context = {"page": page, "unread": queries.unread_count(request.user)}
    return render(request, "accounts/notifications.html", context)


@require_safe
def unread(request: UserRequest) -> HttpResponse:
    """Render the number of unread notifications in the header. Pages fetch it again when it changes."""
    return render(request, "components/notifications.html", {"unread": queries.unread_count(request.user)})


@require_POST
def read_notification(request: UserRequest, pk: UUID) -> HttpResponse:
    """Mark one notification as read and redirect to its page."""
    own = Notification.objects.visible_to(request.user)
    item = services.read_notification(found(own, pk=pk), by=request.user)
    inside = url_has_allowed_host_and_scheme(item.url, allowed_hosts=None)
    return redirect(item.url if inside else "accounts:notifications")


@require_POST
def read_all(request: UserRequest) -> HttpResponse:
    services.read_all_notifications(by=request.user)
    return redirect("accounts:notifications")
