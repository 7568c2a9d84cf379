"""The list of studies, and the page of one with what its owners decide."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from common.http import UserRequest
from common.pages import paginated, show
from studies import queries, rules
from studies.forms import ReasonForm
from studies.models import JointAnswer, Member, Study
from studies.services import participations, studies
from studies.views.answers import rows_of
from studies.views.shared import about, the_study

ANSWERS = 10


@require_safe
def index(request: UserRequest) -> HttpResponse:
    """List the studies: first, for an owner, those that wait for a decision."""
    user = request.user
    rows = queries.listed(user)
    answers = JointAnswer.objects.visible_to(user).select_related("study", "scientist")
    context = {
        "page": paginated(request, rows),
        "found_refusal": rules.is_owner(user),
        "decides": user.is_owner,
        "answers": rows_of(answers[:ANSWERS]),
    }
    return show(request, "studies/index", context)


@require_safe
def study(request: UserRequest, pk: UUID) -> HttpResponse:
    return _page(request, the_study(request, pk))


def _page(
    request: UserRequest, item: Study, *, form: forms.Form | None = None, failed: str = "", status: int = 200
) -> HttpResponse:
    """Render the page of one study. `failed` names the form that has errors, which is `form`."""
    user = request.user
    own = queries.participation_of(item)
    answers = JointAnswer.objects.visible_to(user).filter(study=item).select_related("study", "scientist")
    context: dict[str, Any] = {
        **about(item),
        "members": members_of(item),
        "own_part": Member.State(state).label if (state := queries.own_state(item)) else queries.MOVED,
        "participation": own if own and (user.oversees or own.dataset.owner == user) else None,
        "relied_on": [queries.name_of(url) for url in own.relies_on] if own else [],
        "decides": user.is_owner,
        "refusals": {
            "join": rules.may_decide(user, item),
            "decline": rules.may_decline(user, item),
            "leave": rules.may_leave(user, item),
            "rely": rules.may_change_reliance(user, item),
            "end": rules.may_end(user, item),
            "ask": rules.may_ask_in(user, item),
        },
        "reason_forms": {
            name: form if failed == name else ReasonForm(auto_id=f"id_{name}_%s")
            for name in ("decline", "leave", "end")
        },
        "failed": failed,
        "answers": rows_of(answers[:ANSWERS]),
    }
    return show(request, "studies/study", context, parts={"study-live"}, status=status)


def members_of(item: Study) -> list[dict[str, Any]]:
    """Return the portals of a study as the page lists them, in the order of their addresses."""
    rows = item.members.select_related("peer").order_by("url")
    return [
        {
            "member": member,
            "name": queries.name_of(member.url),
            "is_home": member.url == settings.BASE_URL,
            "untold": member.trouble if member.url != settings.BASE_URL else "",
            "tone": TONES[Member.State(member.state)],
        }
        for member in rows
    ]


TONES = {
    Member.State.INVITED: "blue",
    Member.State.JOINED: "green",
    Member.State.DECLINED: "grey",
    Member.State.LEFT: "grey",
}


def _with_reason(name: str, service: Callable[..., object], message: str) -> Callable[..., HttpResponse]:
    """Return a view that calls `service` on a study with a reason."""

    @require_POST
    def view(request: UserRequest, pk: UUID) -> HttpResponse:
        item = the_study(request, pk)
        form = ReasonForm(request.POST, auto_id=f"id_{name}_%s")
        if not form.is_valid():
            return _page(request, item, form=form, failed=name, status=422)
        service(item, by=request.user, reason=form.cleaned_data["reason"])
        messages.success(request, message)
        return redirect("studies:study", pk)

    return view


decline = _with_reason("decline", participations.decline, "Declined. The other portals are notified.")
leave = _with_reason(
    "leave", participations.leave, "You have left the study. The other portals are notified."
)
end = _with_reason("end", studies.end, "Study ended. The other portals are notified.")
