"""Pages for people without an account: invitations, registration and confirming an address."""

from allauth.account.internal.flows.login import record_authentication
from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts import rules, services
from accounts.forms import FirstAdminForm, NewAccountForm, RegisterForm
from common.errors import Refused

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@login_not_required
@never_cache
@sensitive_post_parameters("password", "repeated")
@require_http_methods(["GET", "HEAD", "POST"])
def welcome(request: HttpRequest, secret: str) -> HttpResponse:
    """Accept an invitation. Opening the page does not use up the link."""
    invitation = services.find_invitation(secret)
    if invitation is None:
        raise Http404
    if why := rules.invitation_is_open(invitation):
        context = {"reason": why, "registration": settings.REGISTRATION}
        return render(request, "accounts/invitation_over.html", context, status=410)
    kind = NewAccountForm if invitation.email else FirstAdminForm
    form = kind(request.POST or None, initial={"email": invitation.email})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            user = services.accept(
                secret,
                email=given.get("email", ""),
                name=given["name"],
                password=given["password"],
                time_zone=given["time_zone"],
            )
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            login(request, user, backend=BACKEND)
            record_authentication(request, user, method="password")  # just chosen, so not asked for again
            messages.success(request, f"Welcome, {user}. Your account is ready.")
            return redirect("home")
    return render(request, "accounts/welcome.html", {"form": form, "invitation": invitation})


@login_not_required
@never_cache
@sensitive_post_parameters("password", "repeated")
@require_http_methods(["GET", "HEAD", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    """Ask for an account, if registration is open."""
    if not settings.REGISTRATION:
        return render(request, "accounts/registration_closed.html", status=403)
    form = RegisterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        if not ratelimit.consume(request, action="register", key=given["email"]):
            answer: HttpResponse = ratelimit.respond_429(request)
            return answer
        services.register(
            given["email"],
            name=given["name"],
            password=given["password"],
            affiliation=given["affiliation"],
            note=given["note"],
            time_zone=given["time_zone"],
        )
        return redirect("accounts:registered")
    return render(request, "accounts/register.html", {"form": form})


@login_not_required
@require_safe
def registered(request: HttpRequest) -> HttpResponse:
    """Show that the registration was received, in the same words whether or not the address was known."""
    return render(request, "accounts/registered.html")


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_address(request: HttpRequest, token: str) -> HttpResponse:
    """Confirm an address by a button: mail scanners follow links."""
    if request.method != "POST":
        return render(request, "accounts/confirm_address.html", {"token": token})
    services.confirm_address(token)
    messages.success(request, "Address confirmed. An admin will decide on your registration.")
    return redirect(settings.LOGIN_URL)
