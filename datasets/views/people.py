"""Pages about people: asking for access, deciding on it, revoking it, reviewers, and the transfer to a new owner."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.signin.reauthentication import confirmed_recently
from common.access import require
from common.errors import Denied
from common.http import UserRequest, found
from common.pages import attempt, paginated
from datasets import rules, services
from datasets.forms import AccessForm, DecisionForm, ReasonForm, ReviewerForm, TransferForm
from datasets.models import AccessRequest, Dataset, DatasetReviewer, Grant
from datasets.views.shared import owned, redirect_with_message, show_dataset, visible


@require_safe
def people(request: UserRequest, pk: UUID) -> HttpResponse:
    return _people(request, owned(request, pk))


def _people(request: UserRequest, dataset: Dataset, *, status: int = 200, **forms: object) -> HttpResponse:
    grants = dataset.grants.live().select_related("user", "granted_by", "access_request")
    decided = dataset.access_requests.exclude(state=AccessRequest.State.PENDING)
    context = {
        "pending": AccessRequest.objects.pending().filter(dataset=dataset).select_related("scientist"),
        "decided": decided.select_related("scientist", "decided_by")[:20],
        "page": paginated(request, grants),
        "reviewers": dataset.reviewers.select_related("user", "granted_by"),
        "reviewer_form": ReviewerForm(),
        "transfer_form": TransferForm(),
        "transfer_refusal": rules.may_edit(request.user, dataset),
        **forms,
    }
    return show_dataset(request, "people", dataset, context, tab="people", status=status)


@require_POST
@confirmed_recently("Add a reviewer")
def add_reviewer(request: UserRequest, pk: UUID) -> HttpResponse:
    dataset = owned(request, pk)
    form = ReviewerForm(request.POST)

    def act() -> None:
        trusted = form.cleaned_data["decides_access"]
        services.add_reviewer(
            dataset,
            by=request.user,
            user=services.person_with(form.cleaned_data["email"]),
            decides_access=trusted,
        )

    if attempt(form, act):
        return redirect_with_message(request, "Reviewer added.", "datasets:people", pk, "reviewers")
    return _people(request, dataset, status=400, reviewer_form=form)


@require_POST
@confirmed_recently("Remove a reviewer")
def remove_reviewer(request: UserRequest, pk: UUID) -> HttpResponse:
    own = Dataset.objects.owned_by(request.user).order_by().values("pk")
    reviewer = found(
        DatasetReviewer.objects.filter(dataset__in=own).select_related("dataset__owner", "user"), pk=pk
    )
    services.remove_reviewer(reviewer, by=request.user)
    return redirect_with_message(
        request, "Reviewer removed.", "datasets:people", reviewer.dataset_id, "reviewers"
    )


@require_POST
@confirmed_recently("Transfer a dataset to another owner")
def transfer(request: UserRequest, pk: UUID) -> HttpResponse:
    dataset = owned(request, pk)
    form = TransferForm(request.POST)

    def act() -> None:
        given = form.cleaned_data
        services.transfer(
            dataset, by=request.user, to=services.person_with(given["email"]), reason=given["reason"]
        )

    if attempt(form, act):
        return redirect("datasets:list")
    return _people(request, dataset, status=400, transfer_form=form)


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: UserRequest, pk: UUID) -> HttpResponse:
    """Ask for access, with a purpose and intended outputs, and accept the current terms."""
    dataset = visible(request, pk)
    terms = dataset.terms
    start = {"terms": terms.pk if terms else None}
    form = AccessForm(request.POST or None, initial=start, with_terms=terms is not None)

    def act() -> None:
        given = form.cleaned_data
        shown = dataset.terms_versions.filter(pk=given["terms"]).first() if "terms" in given else None
        services.ask_access(
            dataset, by=request.user, purpose=given["purpose"], outputs=given["outputs"], terms=shown
        )

    if request.method == "POST" and attempt(form, act):
        message = "Request sent. You will be notified of the decision."
        return redirect_with_message(request, message, "datasets:detail", pk)
    refusal = rules.may_ask_access(request.user, dataset)
    context = {"form": form, "terms": terms, "refusal": refusal}
    return show_dataset(request, "ask", dataset, context, status=400 if form.errors else 200)


def _asked(request: UserRequest, pk: UUID) -> AccessRequest:
    items = AccessRequest.objects.visible_to(request.user)
    return found(items.select_related("dataset__owner", "scientist", "terms", "decided_by"), pk=pk)


@require_safe
def access(request: UserRequest, pk: UUID) -> HttpResponse:
    return _access(request, _asked(request, pk), DecisionForm())


def _access(
    request: UserRequest, item: AccessRequest, form: DecisionForm, *, status: int = 200
) -> HttpResponse:
    earlier = item.dataset.access_requests.filter(scientist=item.scientist).exclude(pk=item.pk)
    context = {
        "item": item,
        "form": form,
        "refusal": rules.may_decide_access(request.user, item),
        "is_pending": item.state == AccessRequest.State.PENDING,
        "is_own": item.scientist_id == request.user.pk,
        "earlier": earlier[:5],
    }
    return show_dataset(request, "access", item.dataset, context, status=status)


@require_POST
@confirmed_recently("Decide on access to a dataset")
def decide(request: UserRequest, pk: UUID) -> HttpResponse:
    item = _asked(request, pk)
    form = DecisionForm(request.POST)
    grant = request.POST.get("verdict") == "grant"

    def act() -> None:
        given = form.cleaned_data
        services.decide_access(item, by=request.user, grant=grant, note=given["note"], days=given["days"])

    if attempt(form, act, raising=Denied):
        message = "Access granted." if grant else "Request declined."
        return redirect_with_message(request, message, "datasets:access", pk)
    require(rules.may_decide_access, request.user, item)
    return _access(request, item, form, status=400)


@require_POST
def withdraw(request: UserRequest, pk: UUID) -> HttpResponse:
    items = AccessRequest.objects.visible_to(request.user).filter(scientist=request.user)
    item = services.withdraw_access(found(items, pk=pk), by=request.user)
    return redirect_with_message(request, "Request withdrawn.", "datasets:detail", item.dataset_id)


@require_http_methods(["GET", "HEAD", "POST"])
@confirmed_recently("Revoke access to a dataset")
def revoke(request: UserRequest, pk: UUID) -> HttpResponse:
    """Revoke access, with a reason."""
    grants = Grant.objects.visible_to(request.user).select_related("dataset__owner", "user")
    grant = found(grants, pk=pk)
    form = ReasonForm(request.POST or None)

    def act() -> None:
        services.revoke_access(grant, by=request.user, reason=form.cleaned_data["reason"])

    if request.method == "POST" and attempt(form, act, raising=Denied):
        return redirect_with_message(request, "Access revoked.", "datasets:detail", grant.dataset_id)
    require(rules.may_revoke_access, request.user, grant.dataset)
    context = {"form": form, "verb": "revoke", "grant": grant, "danger": True}
    return show_dataset(request, "reason", grant.dataset, context, status=400 if form.errors else 200)
