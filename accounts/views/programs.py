"""Pages about programs that act for a person: their access tokens, and signing in a program by its code."""

from uuid import UUID

from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import hooks, secrets
from accounts.forms import DeviceForm, TokenForm
from accounts.models import AccessToken, DeviceSignIn
from accounts.services import programs
from accounts.services import tokens as verbs
from accounts.signin.reauthentication import confirmed_recently
from common.client_address import client_address
from common.errors import Refused
from common.http import UserRequest, found
from common.pages import paginated
from common.rest.grants import SCOPES


class TooManyTries(Refused):
    """This person has typed too many wrong codes."""

    code = "too_many"


@require_safe
def tokens(request: UserRequest) -> HttpResponse:
    """List the person's access tokens, newest first, beside the form that makes one."""
    return _page(request, _form(request))


def _form(request: UserRequest) -> TokenForm:
    return TokenForm(request.POST or None, titles=hooks.dataset_titles(request.user))


def _page(
    request: UserRequest,
    form: TokenForm,
    *,
    made: AccessToken | None = None,
    secret: str = "",
    status: int = 200,
) -> HttpResponse:
    page = paginated(request, AccessToken.objects.visible_to(request.user))
    context = {
        "page": page,
        "rows": _with_datasets(request, list(page.object_list)),
        "form": form,
        "made": made,
        "secret": secret,
        "base": settings.BASE_URL,
        "api": f"{settings.BASE_URL}{settings.API}",
    }
    return render(request, "accounts/tokens.html", context, status=status)


def _with_datasets(
    request: UserRequest, shown: list[AccessToken]
) -> list[tuple[AccessToken, list[str], int]]:
    """Return each token with the titles of its datasets, and how many others its person no longer sees."""
    ids = {UUID(text) for token in shown for text in token.dataset_ids or ()}
    titles = hooks.dataset_titles(request.user, ids) if ids else {}
    rows = []
    for token in shown:
        limited = token.dataset_ids or []
        known = sorted(titles[pk] for pk in limited if pk in titles)
        rows.append((token, known, len(limited) - len(known)))
    return rows


@require_POST
@confirmed_recently("Make an access token")
def make_token(request: UserRequest) -> HttpResponse:
    """Make a token. The response shows its secret, which nobody can read again."""
    form = _form(request)
    if not form.is_valid():
        return _page(request, form, status=422)
    given = form.cleaned_data
    try:
        made, secret = verbs.make(
            by=request.user,
            name=given["name"],
            scopes=given["scopes"],
            days=given["days"],
            dataset_ids=form.dataset_ids(),
        )
    except Refused as refused:
        form.add_error(None, str(refused))
        return _page(request, form, status=refused.status)
    return _page(request, TokenForm(titles=hooks.dataset_titles(request.user)), made=made, secret=secret)


@require_POST
def revoke_token(request: UserRequest, pk: UUID) -> HttpResponse:
    token = found(AccessToken.objects.visible_to(request.user), pk=pk)
    verbs.revoke(token, by=request.user)
    messages.success(request, f"Token “{token.name}” revoked.")
    return redirect("accounts:tokens")


@require_http_methods(["GET", "HEAD", "POST"])
def device(request: UserRequest) -> HttpResponse:
    """Ask for the code that a program shows; show what the program is and wants before the person decides.

    No link carries the code: whoever sends somebody a link cannot make them sign in a program by following it.
    """
    form, status = DeviceForm(request.POST or None), 422 if request.method == "POST" else 200
    if request.method == "POST" and form.is_valid():
        try:
            item = _waiting(request)
        except Refused as refused:
            form.add_error("code", str(refused))
            status = refused.status
        else:
            return _consent(request, item)
    return render(request, "accounts/device.html", {"form": form}, status=status)


def _waiting(request: UserRequest) -> DeviceSignIn:
    """Return the sign-in whose code was posted. Wrong codes are counted: after some of them the person has to wait."""
    if not ratelimit.consume(request, action="device_code", dry_run=True):
        raise TooManyTries("Too many wrong codes. Wait ten minutes, then start again in the program.")
    item = programs.find(request.POST.get("code", ""))
    if item is None:
        ratelimit.consume(request, action="device_code")
        raise Refused("No program waits with this code. Compare it, or start again in the program.")
    return item


def _consent(request: UserRequest, item: DeviceSignIn) -> HttpResponse:
    context = {
        "item": item,
        "code": secrets.shown(item.user_code),
        "own": client_address(request),
        "scopes": [(name, SCOPES[name]) for name in item.scopes],
        "days": verbs.DAYS,
    }
    return render(request, "accounts/device_consent.html", context)


@require_POST
@confirmed_recently("Sign in a program")
def allow_device(request: UserRequest) -> HttpResponse:
    item = programs.allow(_waiting(request), by=request.user)
    messages.success(request, f"“{item.name}” is signed in. Return to the program.")
    return redirect("accounts:tokens")


@require_POST
def refuse_device(request: UserRequest) -> HttpResponse:
    item = programs.refuse(_waiting(request), by=request.user)
    messages.success(request, f"“{item.name}” was refused. It gets no token.")
    return redirect("accounts:tokens")
