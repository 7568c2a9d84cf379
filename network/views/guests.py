"""The admins' page about people of other portals who ask for access here. Auditors may read it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.signin.reauthentication import confirmed_recently
from common.http import UserRequest, found
from common.pages import paginated
from network import rules
from network.forms import RefuseForm
from network.models import Admission
from network.services import guests as services
from network.views.access import for_overseers

SHOWN = 50


@require_safe
@for_overseers
def guests(request: UserRequest) -> HttpResponse:
    return _page(request)


def _page(
    request: UserRequest, *, form: RefuseForm | None = None, failed: UUID | None = None, status: int = 200
) -> HttpResponse:
    known = Admission.objects.visible_to(request.user).select_related("peer", "dataset__owner", "decided_by")
    page = paginated(request, known.waiting().order_by("created_at"))
    context = {
        "page": page,
        "waiting": [
            {
                "item": item,
                "refusal": rules.may_admit(request.user, item),
                "refuse_refusal": rules.may_refuse(request.user, item),
            }
            for item in page
        ],
        "decided": known.exclude(state=Admission.State.WAITING).order_by("-decided_at")[:SHOWN],
        "people": User.objects.visible_to(request.user).exclude(home=None).order_by("name")[:SHOWN],
        "form": form,
        "failed": failed,
    }
    return render(request, "network/guests.html", context, status=status)


def _admission(request: UserRequest, pk: UUID) -> Admission:
    return found(Admission.objects.visible_to(request.user).select_related("peer", "dataset"), pk=pk)


@require_POST
@for_overseers
@confirmed_recently("Admit a guest of another portal")
def admit(request: UserRequest, pk: UUID) -> HttpResponse:
    item = services.admit(_admission(request, pk), by=request.user)
    text = f"{item.name} is admitted. The owner of {item.dataset} decides on access."
    if item.state_reason:
        text = f"{item.name} is admitted. The owner could not be asked: {item.state_reason}"
    messages.success(request, text)
    return redirect("network:guests")


@require_POST
@for_overseers
@confirmed_recently("Refuse a guest of another portal")
def refuse(request: UserRequest, pk: UUID) -> HttpResponse:
    item = _admission(request, pk)
    form = RefuseForm(request.POST)
    if not form.is_valid():
        return _page(request, form=form, failed=item.pk, status=422)
    services.refuse(item, by=request.user, reason=form.cleaned_data["reason"])
    messages.success(request, f"{item.name} was refused. The other portal tells them why.")
    return redirect("network:guests")
