"""Pages about this portal's own identity: set it up, rename it, replace its key, recover it."""

from collections.abc import Callable

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.signin.reauthentication import confirmed_recently
from common.errors import Conflict
from common.http import UserRequest
from common.pages import attempt
from network import identity, queries, rules
from network.cards import key_id
from network.forms import DirectoryForm, KeptForm, NameForm, RecoverForm
from network.services import own
from network.views.access import for_overseers


@require_http_methods(["GET", "HEAD", "POST"])
@confirmed_recently("Set up this portal's identity")
@for_overseers
def set_up(request: UserRequest) -> HttpResponse:
    """Make this portal's identity. The response shows the private recovery key, which nobody can read again."""
    form = NameForm(request.POST or None)
    made: list[str] = []
    if request.method == "POST" and attempt(
        form,
        lambda: made.append(own.set_up(form.cleaned_data["name"], by=request.user)),
        raising=Conflict,
    ):
        return _recovery_key(request, KeptForm(), key=made[0])
    context = {
        "form": form,
        "own": queries.identity(),
        "address": settings.BASE_URL,
        "refusal": rules.may_manage(request.user),
    }
    return render(request, "network/set_up.html", context, status=422 if form.errors else 200)


def _recovery_key(request: UserRequest, form: KeptForm, *, key: str, status: int = 200) -> HttpResponse:
    context = {"form": form, "key": key, "own": queries.identity(), "address": settings.BASE_URL}
    return render(request, "network/recovery_key.html", context, status=status)


@require_POST
@for_overseers
def keep(request: UserRequest) -> HttpResponse:
    """Confirm that the recovery key is kept, which finishes set-up."""
    form = KeptForm(request.POST)
    if not attempt(form, lambda: own.keep_recovery_key(by=request.user)):
        return _recovery_key(request, form, key="", status=422)
    messages.success(request, "This portal has an identity. Introduce the first other portal.")
    return redirect("network:list")


@require_safe
@for_overseers
def page(request: UserRequest) -> HttpResponse:
    return _page(request)


def _page(request: UserRequest, *, failed: forms.Form | None = None, status: int = 200) -> HttpResponse:
    """Render the page of the identity. `failed` is the form that has errors."""
    mine = queries.identity()
    if mine is None:
        return redirect("network:set_up")
    context = {
        "own": mine,
        "address": settings.BASE_URL,
        "fingerprint": identity.fingerprint(),
        "keys": [(key_id(bytes(key.public)), key) for key in queries.identity_keys()],
        "refusal": rules.may_manage(request.user),
        "name_form": failed if isinstance(failed, NameForm) else NameForm(initial={"name": mine.name}),
        "directory_form": failed
        if isinstance(failed, DirectoryForm)
        else DirectoryForm(initial={"is_directory": mine.is_directory}),
        "recover_form": failed if isinstance(failed, RecoverForm) else RecoverForm(),
    }
    return render(request, "network/identity.html", context, status=status)


def _change(
    form_class: type[forms.Form], act: Callable[..., None], *, step: str, message: str
) -> Callable[..., HttpResponse]:
    """Return a view that changes the identity by a form, after a recent reauthentication."""

    @require_POST
    @confirmed_recently(step)
    @for_overseers
    def view(request: UserRequest) -> HttpResponse:
        form = form_class(request.POST)
        if not attempt(form, lambda: act(by=request.user, **form.cleaned_data)):
            return _page(request, failed=form, status=422)
        messages.success(request, message)
        return redirect("network:identity")

    return view


rename = _change(
    NameForm,
    own.rename,
    step="Rename this portal",
    message="Name changed. The admins of other portals are asked to accept it.",
)
be_directory = _change(
    DirectoryForm,
    own.be_directory,
    step="Change whether this portal is a directory",
    message="Saved. Other portals see the change when they next read this portal's card, within 10 minutes.",
)
rotate = _change(
    forms.Form,
    own.rotate,
    step="Replace this portal's key",
    message="Key replaced. Other portals take over the new one by themselves.",
)
recover = _change(
    RecoverForm,
    own.recover,
    step="Recover this portal's identity",
    message="Key replaced with the recovery key. Call the other admins: they compare the fingerprint again.",
)
