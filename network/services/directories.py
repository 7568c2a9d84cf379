"""Directories: portals that tell others of each other. They help to find a portal, and prove nothing about it.

A directory names addresses alone. Its word is kept until it says otherwise; whoever introduces such a portal compares
its fingerprint as with any other. What portals show of their datasets is not passed on: their owners chose who sees it.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import Http404

from common.errors import Refused
from network import calls, cards, documents
from network.identity import DIRECTORY
from network.models import Identity, Peer, SuggestedPortal
from network.services import pins

PATH = "/net/1/directory"
MOST = 500


def is_directory(peer: Peer) -> bool:
    """Return whether a portal's card says that it is a directory."""
    card = pins.card_of(peer)
    return card is not None and DIRECTORY in card.roles


def named_to(peer: Peer) -> dict[str, Any]:
    """Return the portals that this directory works with, except the one that asks. Raises Http404 if it is none."""
    if not Identity.objects.filter(is_directory=True).exists():
        raise Http404
    others = Peer.objects.active().exclude(pk=peer.pk).order_by("url")[:MOST]
    return {"portals": [{"url": each.url, "name": each.name} for each in others]}


def refresh(peer: Peer) -> None:
    """Read which portals a directory names. What a portal named before it stopped being one is forgotten.

    Raises Refused if it cannot be reached or read; then what it named before stays.
    """
    found = _read(calls.call(peer, "GET", PATH)) if is_directory(peer) else {}
    with transaction.atomic():
        peer.suggestions.exclude(url__in=found).delete()
        for url, name in found.items():
            SuggestedPortal.objects.update_or_create(directory=peer, url=url, defaults={"name": name})


def _read(reply: calls.Reply) -> dict[str, str]:
    """Return the name of each portal by its address. Raises Refused for anything else."""
    if reply.status == 404:
        return {}
    try:
        told = documents.Fields(reply.document, {"portals"}).many("portals", _portal, 0, MOST)
    except ValueError as bad:
        raise Refused(f"The directory answered in a way that this portal does not read: {bad}.") from bad
    return dict(told)


def _portal(value: Any) -> tuple[str, str]:
    fields = documents.Fields(value, {"url", "name"})
    url = fields.text("url", 1, 200)
    if not cards.is_address(url):
        raise ValueError("its field “url” is no address of a portal")
    return url, fields.text("name", 1, 100)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A portal that can be introduced. `by`: the directories that name it."""

    url: str
    name: str
    by: tuple[str, ...]


def suggestions() -> list[Suggestion]:
    """Return what active directories name and this portal does not know, by name."""
    known = {settings.BASE_URL, *Peer.objects.known().values_list("url", flat=True)}
    named: dict[str, list[SuggestedPortal]] = {}
    told = SuggestedPortal.objects.filter(directory__state=Peer.State.ACTIVE).exclude(url__in=known)
    for each in told.select_related("directory").order_by("name", "url", "directory__name")[:MOST]:
        named.setdefault(each.url, []).append(each)
    return [
        Suggestion(url, each[0].name, tuple(str(one.directory) for one in each))
        for url, each in named.items()
    ]
