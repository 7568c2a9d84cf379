"""A person's own pages about access at other portals: asking for it, and what has become of it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.http import UserRequest, found
from common.pages import attempt, paginated
from network import rules
from network.forms import AskElsewhereForm
from network.models import AskedElsewhere, Peer
from network.services import elsewhere as services


@require_safe
def elsewhere(request: UserRequest) -> HttpResponse:
    """List what this person has asked for at other portals."""
    items = AskedElsewhere.objects.visible_to(request.user).select_related("peer")
    context = {"page": paginated(request, items), "again": AskedElsewhere.AGAIN}
    return render(request, "network/elsewhere.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: UserRequest, pk: UUID, dataset: UUID) -> HttpResponse:
    """Ask another portal for access to one of its datasets."""
    peer = found(Peer.objects.visible_to(request.user), pk=pk)
    if refusal := rules.may_ask_elsewhere(request.user, peer):
        return render(request, "network/ask_elsewhere.html", {"peer": peer, "refusal": refusal})
    offer = services.look(peer, dataset, by=request.user)
    form = AskElsewhereForm(
        request.POST or None, initial={"terms": offer.terms}, with_terms=offer.terms is not None
    )

    def act() -> None:
        given = form.cleaned_data
        wish = services.Wish(given["purpose"], given["outputs"], given["terms"], given["agreed"])
        services.ask(peer, dataset, wish, by=request.user)

    if request.method == "POST" and attempt(form, act):
        messages.success(request, f"Request sent to {peer}. You will be notified of the decision.")
        return redirect("network:elsewhere")
    context = {"peer": peer, "offer": offer, "form": form, "told": services.told_of(request.user)}
    return render(request, "network/ask_elsewhere.html", context, status=400 if form.errors else 200)


@require_POST
def refresh(request: UserRequest, pk: UUID) -> HttpResponse:
    """Ask the other portal now what has become of it."""
    item = services.refresh(
        found(AskedElsewhere.objects.visible_to(request.user).select_related("peer", "user"), pk=pk)
    )
    messages.success(request, f"{item.title}: {item.get_state_display().lower()}.")
    return redirect("network:elsewhere")
