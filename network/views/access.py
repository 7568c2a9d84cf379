"""Who finds the pages of the network: admins and auditors. For everybody else they do not exist."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse

from common.http import UserRequest, found
from network import rules
from network.models import Peer

View = Callable[..., HttpResponse]


def for_overseers(view: View) -> View:
    """Answer 404 unless an admin or an auditor asks."""

    @wraps(view)
    def guarded(request: UserRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if rules.may_read(request.user):
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def peer_of(request: UserRequest, pk: UUID) -> Peer:
    """Return the portal of a page, removed ones included; raise Http404 if there is none."""
    return found(Peer.objects.visible_to(request.user).select_related("suspended_by", "confirmed_by"), pk=pk)
