"""The page about the tunnel, and the file for wg-quick."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from common.errors import Refused
from common.http import UserRequest
from network import wireguard
from network.views.access import for_overseers


@require_safe
@for_overseers
def page(request: UserRequest) -> HttpResponse:
    """Show who is in the tunnel, or how to begin one."""
    context: dict[str, object] = {"key_file": wireguard.KEY_FILE, "port": wireguard.PORT}
    try:
        if wireguard.own() is not None:
            context["tunnel"] = wireguard.tunnel()
    except Refused as wrong:
        context["wrong"] = str(wrong)
    return render(request, "network/wireguard.html", context)


@require_safe
@for_overseers
def download(request: UserRequest) -> HttpResponse:
    """Send the file for wg-quick. It holds no private key."""
    answer = HttpResponse(wireguard.tunnel().quick_file(), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="weir.conf"'
    answer["Cache-Control"] = "no-store"
    return answer
