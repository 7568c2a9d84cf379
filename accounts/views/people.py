"""Pages about people, roles and invitations, for admins. Auditors may read them."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
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
from common.pages import paginated

HISTORY = 20


def _only_overseers(request: UserRequest) -> None:
    if rules.is_overseer(request.user):
        raise Http404


def _person(request: UserRequest, pk: UUID) -> User:
    """Return the person of a page; raise Http404 unless an admin or auditor asks."""
    _only_overseers(request)
    return found(User.objects.visible_to(request.user), pk=pk)


@require_safe
def people(request: UserRequest) -> HttpResponse:
    _only_overseers(request)
    form = PeopleFilter(request.GET)
    chosen = form.chosen()
    page = paginated(request, queries.people(request.user, **chosen))
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
    """Render the page of one person. `failed` names the form that has errors."""
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
    message: str,
    *,
    step: str,
    form_class: type[ReasonForm] = ReasonForm,
) -> Callable[..., HttpResponse]:
    """Return a view that calls `service` on a person with a reason, after a recent reauthentication.

    `name` is the name of its form on the person's page, unless the form names a role. `message` is formatted with the
    person and the role.
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
        messages.success(request, message.format(shown, role))
        return redirect("accounts:person", pk)

    return view


grant_role = _with_reason(
    "grant", services.grant_role, "{} now has the role {}.", step="Grant a role", form_class=RoleForm
)
take_role = _with_reason(
    "take", services.take_role, "{} no longer has the role {}.", step="Revoke a role", form_class=RoleForm
)
suspend = _with_reason(
    "suspend",
    services.suspend,
    "{} has been suspended. All their sessions have ended.",
    step="Suspend an account",
)
reinstate = _with_reason("reinstate", services.reinstate, "{} is active again.", step="Reinstate an account")
reset_second_step = _with_reason(
    "second-step",
    services.reset_second_step,
    "Two-step sign-in of {} reset. They sign in with the password alone until they set it up again.",
    step="Reset two-step sign-in",
)


@require_POST
@confirmed_recently("Sign a person out everywhere")
def sign_out_person(request: UserRequest, pk: UUID) -> HttpResponse:
    shown = _person(request, pk)
    count = services.end_sessions(shown, by=request.user)
    messages.success(request, f"Sessions ended: {count}.")
    return redirect("accounts:person", pk)


@require_safe
def registrations(request: UserRequest) -> HttpResponse:
    """List the pending registrations, oldest first."""
    _only_overseers(request)
    return _registrations_page(request)


def _registrations_page(
    request: UserRequest,
    *,
    form: ApproveForm | ReasonForm | None = None,
    failed: UUID | None = None,
    status: int = 200,
) -> HttpResponse:
    page = paginated(request, queries.pending(request.user))
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
    messages.success(request, f"Registration approved. {shown} can now sign in.")
    return redirect("accounts:registrations")


@require_POST
@confirmed_recently("Refuse a registration")
def refuse_registration(request: UserRequest, pk: UUID) -> HttpResponse:
    shown = _person(request, pk)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _registrations_page(request, form=form, failed=pk, status=422)
    services.refuse_registration(shown, by=request.user, reason=form.cleaned_data["reason"])
    messages.success(request, f"Registration of {shown} refused.")
    return redirect("accounts:registrations")


@require_safe
def invitations(request: UserRequest) -> HttpResponse:
    _only_overseers(request)
    return _invitations_page(request, InviteForm(), link="")


def _invitations_page(
    request: UserRequest, form: InviteForm, *, link: str, status: int = 200
) -> HttpResponse:
    page = paginated(request, queries.invitations(request.user))
    refusal = None if link else rules.may_manage_people(request.user)
    context = {"page": page, "form": form, "link": link, "refusal": refusal}
    return render(request, "accounts/invitations.html", context, status=status)


@require_POST
@confirmed_recently("Invite somebody")
def invite(request: UserRequest) -> HttpResponse:
    """Invite somebody. The response shows the link once, in case the mail does not arrive."""
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
    messages.success(request, "Invitation withdrawn.")
    return redirect("accounts:invitations")
