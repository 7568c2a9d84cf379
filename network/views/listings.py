"""The owner's page of a dataset about the network: which other portals see it, and what they see."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.signin.reauthentication import confirmed_recently
from common.http import UserRequest
from common.pages import attempt
from datasets.queries import waiting_access
from datasets.views.shared import owned
from network import queries, rules
from network.forms import ListingForm
from network.services import listings


@require_http_methods(["GET", "HEAD", "POST"])
@confirmed_recently("Change which portals see a dataset")
def listing(request: UserRequest, pk: UUID) -> HttpResponse:
    dataset = owned(request, pk)
    now = queries.listing_of(dataset)
    form = ListingForm(request.POST or None, initial={"audience": now.audience, "portals": now.chosen})

    def act() -> None:
        given = form.cleaned_data
        listings.change(dataset, by=request.user, audience=given["audience"], peers=list(given["portals"]))

    if request.method == "POST" and attempt(form, act):
        messages.success(
            request, "Saved. Other portals see the change when they next ask, within 10 minutes."
        )
        return redirect("network:listing", pk)
    context = {
        "dataset": dataset,
        "tab": "network",
        "owns": True,
        "asking": waiting_access(dataset),
        "form": form,
        "listing": now,
        "refusal": rules.may_change_listing(request.user, dataset),
        "unseen": rules.is_shown(request.user, dataset),
    }
    return render(request, "network/listing.html", context, status=400 if form.errors else 200)
