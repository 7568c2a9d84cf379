"""Calls between witnesses: signing a checkpoint, telling which ones are signed, and the key for everybody."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from common.errors import Refused
from common.http import as_public
from crypto.tree import MAX_LEAVES
from network.incoming import PeerRequest, reply, signed_call
from network.services import witnesses
from network.services.witnesses import Ahead

MINUTE = 60


@signed_call("POST")
def add_checkpoint(request: PeerRequest) -> HttpResponse:
    """Sign a checkpoint of the caller's log, or tell from which one the proof has to lead (409)."""
    old, note = request.document.get("old"), request.document.get("checkpoint")
    if type(old) is not int or not 0 <= old <= MAX_LEAVES or not isinstance(note, str):
        raise Refused("The call needs “old”, the size that was signed last, and “checkpoint”, a signed note.")
    try:
        key, line = witnesses.cosign(request.peer, old, witnesses.hashes(request.document.get("proof")), note)
    except Ahead as ahead:
        last = ahead.last
        return reply({"size": last.size if last else 0, "note": last.note if last else ""}, 409)
    return reply({"key": key.text, "line": line})


@signed_call("GET")
def seen(request: PeerRequest) -> HttpResponse:
    """Tell what this portal has signed of every log, the caller's own too."""
    return reply({"checkpoints": witnesses.told(request.peer)})


@login_not_required
@require_safe
def witness_key(request: HttpRequest) -> HttpResponse:
    """Send this portal's key as a witness, a line, for files of pins."""
    key = witnesses.own_key()
    text = key.text if key else "This portal has not signed anything as a witness yet."
    answer = HttpResponse(f"{text}\n", content_type="text/plain; charset=utf-8", status=200 if key else 404)
    return as_public(answer, seconds=MINUTE)
