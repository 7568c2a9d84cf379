"""The code environments that submitted code can use. Admins add, retire and remove them here."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from accounts.signin.reauthentication import confirmed_recently
from common import code_environments
from common.errors import Refused
from common.http import UserRequest, found
from common.pages import show
from requests_app import rules, services
from requests_app.forms import EnvironmentForm
from requests_app.models import CodeEnvironment


@require_http_methods(["GET", "HEAD", "POST"])
@confirmed_recently("Add a code environment")
def environments(request: UserRequest) -> HttpResponse:
    form = EnvironmentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.add_environment(by=request.user, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(
                request, f"{made.name} is waiting to be built. You will be notified when the build ends."
            )
            return redirect("requests:environment", pk=made.pk)
    status = 400 if form.errors else 200
    return show(
        request,
        "requests/environments",
        _page(request.user, form),
        parts={"environments-live"},
        status=status,
    )


def _page(user: User, form: EnvironmentForm) -> dict[str, object]:
    return {
        "environments": CodeEnvironment.objects.visible_to(user).select_related("by"),
        "default": code_environments.described(),
        "manage_refusal": rules.may_manage_environments(user),
        "form": form,
    }


@require_safe
def environment(request: UserRequest, pk: UUID) -> HttpResponse:
    item = found(CodeEnvironment.objects.visible_to(request.user).select_related("by"), pk=pk)
    context = {
        "item": item,
        "is_on_disk": code_environments.is_installed(item.name),
        "manage_refusal": rules.may_manage_environments(request.user),
        "log_refusal": rules.may_see_workers(request.user),
    }
    return show(request, "requests/environment", context, parts={"environment-live"})


@require_POST
@confirmed_recently("Build a code environment again")
def build_again(request: UserRequest, pk: UUID) -> HttpResponse:
    item = found(CodeEnvironment.objects.visible_to(request.user), pk=pk)
    services.build_again(item, by=request.user)
    return redirect("requests:environment", pk=pk)


@require_POST
@confirmed_recently("Retire a code environment")
def retire(request: UserRequest, pk: UUID) -> HttpResponse:
    item = found(CodeEnvironment.objects.visible_to(request.user), pk=pk)
    services.retire_environment(item, by=request.user)
    return redirect("requests:environment", pk=pk)


@require_POST
@confirmed_recently("Delete the files of a code environment")
def remove(request: UserRequest, pk: UUID) -> HttpResponse:
    item = found(CodeEnvironment.objects.visible_to(request.user), pk=pk)
    services.remove_environment(item, by=request.user)
    messages.success(request, f"The files of {item.name} have been deleted. Its list and its hash are kept.")
    return redirect("requests:environment", pk=pk)
