"""Home page, error pages and the component gallery."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_http_methods, require_safe

from common.http import UserRequest, back
from portal import gallery


@require_safe
def home(request: UserRequest) -> HttpResponse:
    return redirect("inbox")


@login_not_required
@require_safe
def sign_up(request: UserRequest) -> HttpResponse:
    """Redirect allauth's sign-up to the registration page."""
    return redirect("accounts:register")


@login_not_required
def closed(request: UserRequest) -> HttpResponse:
    """Respond 404 for an allauth page that would change an account without an audit entry."""
    raise Http404


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "errors/400.html", {"back": back(request)}, status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "errors/403.html", {"back": back(request)}, status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "errors/404.html", {"back": back(request)}, status=404)


def too_many(request: HttpRequest) -> HttpResponse:
    """Render the error page for too many attempts in a short time."""
    return render(request, "errors/429.html", {"back": back(request)}, status=429)


def out_of_date(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Render the error page for a form whose CSRF token does not match the session."""
    return render(request, "errors/csrf.html", {"back": back(request)}, status=403)


def failed(request: HttpRequest) -> HttpResponse:
    """Render the error page without the person, the menu or the database: any of them may have failed."""
    return HttpResponse(render_to_string("errors/500.html"), status=500)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def components(request: HttpRequest) -> HttpResponse:
    """Render every component on one page, for developers and the accessibility test; only in the demo or debugging."""
    if not (settings.DEBUG or settings.DEMO):
        raise Http404
    return render(request, "components/gallery.html", gallery.context(request))
