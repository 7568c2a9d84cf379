"""Admins' pages for people and privileges; auditors read them."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts import queries, rules, services
from accounts.forms import ApproveForm, InviteForm, PeopleFilter, ReasonForm, RoleForm
from accounts.models import ROLE_HELP, Invitation, Role, User
from accounts.signin.reauthentication import confirmed_recently
from audit import queries as audit_queries
from common.errors import Conflict, Refused
from common.http import UserRequest, found

PER_PAGE = 25
HISTORY = 20


def _only_overseers(request: UserRequest) -> None:
    if rules.is_overseer(request.user):
        raise Http404


def _person(request: UserRequest, pk: UUID) -> User:
    """The person of a page, if this admin or auditor may know of them."""
    _only_overseers(request)
    return found(User.objects.visible_to(request.user), pk=pk)


@require_safe
def people(request: UserRequest) -> HttpResponse:
    _only_overseers(request)
    form = PeopleFilter(request.GET)
    chosen = form.chosen()
    page = Paginator(queries.people(request.user, **chosen), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "filtered": any(chosen.values()),
        "waiting": queries.pending(request.user).count(),
        "refusal": rules.may_manage_people(request.user),
    }
    return render(request, "accounts/people.html", context)


@require_safe
def person(request: UserRequest, pk: UUID) -> HttpResponse:
    return _person_page(request, _person(request, pk))


def _person_page(
    request: UserRequest, shown: User, *, form: ReasonForm | None = None, failed: str = "", status: int = 200
) -> HttpResponse:
    """The page of one person; `failed` names the form that came back with errors."""
    user = request.user
    grants = {grant.role: grant for grant in shown.role_grants.select_related("granted_by")}
    context = {
        "person": shown,
        "roles": [
            {
                "value": role.value,
                "label": role.label,
                "help": ROLE_HELP[role],
                "grant": grants.get(role),
                "refusal": (rules.may_take_role if role in grants else rules.may_grant_role)(
                    user, shown, role
                ),
            }
            for role in Role
        ],
        "sessions": queries.sessions_of(shown).count(),
        "refusals": {
            "suspend": rules.may_suspend(user, shown),
            "reinstate": rules.may_reinstate(user, shown),
            "change": rules.may_change(user, shown),
            "second_step": rules.may_reset_second_step(user, shown),
        },
        "invitations": queries.invitations(user).filter(accepted_by=shown),
        "history": audit_queries.about_person(user, shown.pk)[:HISTORY],
        "form": form,
        "failed": failed,
    }
    return render(request, "accounts/person.html", context, status=status)


def _with_reason(
    name: str,
    service: Callable[..., object],
    told: str,
    *,
    step: str,
    form_class: type[ReasonForm] = ReasonForm,
) -> Callable[..., HttpResponse]:
    """A view that does one thing to a person for a reason, once it is clear who asks for it.

    `name` is that of its form on their page, unless the form names a role; `told` has room for the person and the role.
    """

    @require_POST
    @confirmed_recently(step)
    def view(request: UserRequest, pk: UUID) -> HttpResponse:
        shown = _person(request, pk)
        form = form_class(request.POST)
        if not form.is_valid():
            failed = request.POST.get("role", name) if "role" in form.fields else name
            return _person_page(request, shown, form=form, failed=failed, status=422)
        given = form.cleaned_data
        service(shown, by=request.user, **given)
        role = Role(given["role"]).label.lower() if "role" in given else ""
        messages.success(request, told.format(shown, role))
        return redirect("accounts:person", pk)

    return view


grant_role = _with_reason(
    "grant", services.grant_role, "{} is {} now.", step="Give somebody a role", form_class=RoleForm
)
take_role = _with_reason(
    "take", services.take_role, "{} is no longer {}.", step="Take a role from somebody", form_class=RoleForm
)
suspend = _with_reason(
    "suspend",
    services.suspend,
    "{} is suspended: every session of theirs has ended.",
    step="Suspend an account",
)
reinstate = _with_reason(
    "reinstate", services.reinstate, "{} can sign in again.", step="Let a suspended person in again"
)
reset_second_step = _with_reason(
    "second-step",
    services.reset_second_step,
    "{} signs in with the password alone, and can set up a new second step.",
    step="Reset somebody's two-step sign-in",
)


@require_POST
@confirmed_recently("Sign somebody out everywhere")
def sign_out_person(request: UserRequest, pk: UUID) -> HttpResponse:
    shown = _person(request, pk)
    count = services.end_sessions(shown, by=request.user)
    messages.success(request, f"Sessions ended: {count}.")
    return redirect("accounts:person", pk)


@require_safe
def registrations(request: UserRequest) -> HttpResponse:
    """People who asked for an account, oldest first."""
    _only_overseers(request)
    return _registrations_page(request)


def _registrations_page(
    request: UserRequest,
    *,
    form: ApproveForm | ReasonForm | None = None,
    failed: UUID | None = None,
    status: int = 200,
) -> HttpResponse:
    page = Paginator(queries.pending(request.user), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "refusal": rules.may_manage_people(request.user),
        "roles": [(role.value, role.label, ROLE_HELP[role]) for role in Role],
        "form": form,
        "failed": failed,
    }
    return render(request, "accounts/registrations.html", context, status=status)


@require_POST
@confirmed_recently("Approve a registration")
def approve_registration(request: UserRequest, pk: UUID) -> HttpResponse:
    shown = _person(request, pk)
    form = ApproveForm(request.POST)
    if not form.is_valid():
        return _registrations_page(request, form=form, failed=pk, status=422)
    try:
        shown = services.approve_registration(shown, by=request.user, **form.cleaned_data)
    except Conflict as refused:
        form.add_error("name", str(refused))
        return _registrations_page(request, form=form, failed=pk, status=refused.status)
    messages.success(request, f"{shown} can sign in now.")
    return redirect("accounts:registrations")


@require_POST
@confirmed_recently("Refuse a registration")
def refuse_registration(request: UserRequest, pk: UUID) -> HttpResponse:
    shown = _person(request, pk)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _registrations_page(request, form=form, failed=pk, status=422)
    services.refuse_registration(shown, by=request.user, reason=form.cleaned_data["reason"])
    messages.success(request, f"The registration of {shown} is refused.")
    return redirect("accounts:registrations")


@require_safe
def invitations(request: UserRequest) -> HttpResponse:
    _only_overseers(request)
    return _invitations_page(request, InviteForm(), link="")


def _invitations_page(
    request: UserRequest, form: InviteForm, *, link: str, status: int = 200
) -> HttpResponse:
    page = Paginator(queries.invitations(request.user), PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "form": form, "link": link, "refusal": rules.may_manage_people(request.user)}
    return render(request, "accounts/invitations.html", context, status=status)


@require_POST
@confirmed_recently("Invite somebody")
def invite(request: UserRequest) -> HttpResponse:
    """Invite somebody; the answer shows the link this once, for when mail does not arrive."""
    _only_overseers(request)
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _invitations_page(request, form, link="", status=422)
    given = form.cleaned_data
    try:
        _, link = services.invite(given["email"], by=request.user, roles=given["roles"])
    except Refused as refused:
        form.add_error(None, str(refused))
        return _invitations_page(request, form, link="", status=refused.status)
    return _invitations_page(request, InviteForm(), link=link)


@require_POST
def revoke_invitation(request: UserRequest, pk: UUID) -> HttpResponse:
    _only_overseers(request)
    known = Invitation.objects.visible_to(request.user)
    services.revoke_invitation(found(known, pk=pk), by=request.user)
    messages.success(request, "The invitation does not work any more.")
    return redirect("accounts:invitations")
