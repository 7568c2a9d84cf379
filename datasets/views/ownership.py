"""The owner's pages about a dataset as a whole: description, policy, terms, freezing and retiring, activity."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.signin.reauthentication import confirmed_recently
from audit.models import Entry
from common.http import UserRequest
from common.pages import attempt, paginated
from datasets import rules, services
from datasets.forms import CreateForm, DescribeForm, PolicyForm, ReasonForm, TermsForm
from datasets.models import Dataset
from datasets.views.shared import owned, redirect_with_message, show_dataset, visible

ENTRIES = 50
page_with_form = require_http_methods(["GET", "HEAD", "POST"])


@page_with_form
def create(request: UserRequest) -> HttpResponse:
    form = CreateForm(request.POST or None)
    made: list[Dataset] = []
    if request.method == "POST" and attempt(
        form, lambda: made.append(services.create(by=request.user, **form.cleaned_data))
    ):
        return redirect_with_message(
            request, "Dataset created. Add its first file.", "datasets:content", made[0].pk
        )
    context = {"form": form, "refusal": rules.may_create(request.user)}
    return render(request, "datasets/create.html", context, status=400 if form.errors else 200)


@page_with_form
def describe(request: UserRequest, pk: UUID) -> HttpResponse:
    dataset = owned(request, pk)
    form = DescribeForm(request.POST or None, instance=owned(request, pk))
    if request.method == "POST" and attempt(
        form, lambda: services.update(dataset, by=request.user, **form.cleaned_data)
    ):
        return redirect_with_message(request, "Description saved.", "datasets:detail", pk)
    return show_dataset(
        request, "describe", dataset, {"form": form}, tab="describe", status=400 if form.errors else 200
    )


@page_with_form
@confirmed_recently("Change a dataset's rules or terms")
def policy(request: UserRequest, pk: UUID) -> HttpResponse:
    """Edit the policy or the terms: two forms on one page, distinguished by their fields."""
    dataset = owned(request, pk)
    posted = request.method == "POST"
    writes_terms = posted and "text" in request.POST
    terms = dataset.terms
    form = PolicyForm(request.POST if posted and not writes_terms else None, instance=owned(request, pk))
    terms_form = TermsForm(
        request.POST if writes_terms else None, initial={"text": terms.text if terms else ""}
    )
    if writes_terms and attempt(
        terms_form,
        lambda: services.write_terms(dataset, by=request.user, text=terms_form.cleaned_data["text"]),
    ):
        return redirect_with_message(request, "Terms saved.", "datasets:policy", pk, "terms")
    if (
        posted
        and not writes_terms
        and attempt(form, lambda: services.set_policy(dataset, by=request.user, **form.cleaned_data))
    ):
        return redirect_with_message(request, "Policy saved. It applies from now on.", "datasets:policy", pk)
    status = 400 if form.errors or terms_form.errors else 200
    context = {"form": form, "terms_form": terms_form, "terms": terms}
    return show_dataset(request, "policy", dataset, context, tab="policy", status=status)


@require_safe
def activity(request: UserRequest, pk: UUID) -> HttpResponse:
    dataset = owned(request, pk)
    entries = Entry.objects.filter(dataset_id=str(dataset.pk)).order_by("-id")
    page = paginated(request, entries, ENTRIES)
    return show_dataset(request, "activity", dataset, {"page": page}, tab="activity")


USE = {
    "freeze": (services.freeze, "Dataset frozen. Everything in progress on it is being cancelled."),
    "unfreeze": (services.unfreeze, "Freeze lifted."),
    "retire": (services.retire, "Dataset retired."),
}


@require_POST
@confirmed_recently("Freeze or retire a dataset, or lift a freeze")
def use(request: UserRequest, pk: UUID, verb: str) -> HttpResponse:
    """Freeze or retire a dataset, or lift a freeze, with a reason."""
    dataset = visible(request, pk)
    act, message = USE[verb]
    form = ReasonForm(request.POST)
    if attempt(form, lambda: act(dataset, by=request.user, reason=form.cleaned_data["reason"])):
        return redirect_with_message(request, message, "datasets:detail", pk)
    context = {"form": form, "verb": verb, "danger": verb != "unfreeze"}
    return show_dataset(request, "reason", dataset, context, status=400)
