"""Who is in the tunnel: this portal, from its settings, and the active peers, from their cards."""

from dataclasses import dataclass

from django.conf import settings

from common.errors import Refused
from network import cards, tunnels
from network.models import Peer
from network.tunnels import Member

PORT, KEY_FILE = 51820, "/etc/wireguard/weir.key"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """This portal and the others in the tunnel. `left_out`: peers whose key somebody else claims too."""

    own: Member
    members: tuple[tuple[Peer, Member], ...]
    left_out: tuple[Peer, ...]

    @property
    def port(self) -> int:
        """Where this portal's WireGuard listens."""
        return self.own.endpoint.port if self.own.endpoint else PORT

    @property
    def peers_file(self) -> str:
        """The part of the configuration that changes."""
        return tunnels.peers_file([member for _, member in self.members])

    def quick_file(self, key_file: str = KEY_FILE) -> str:
        """The whole configuration for wg-quick. Raises ValueError for a path that a shell would read otherwise."""
        return tunnels.quick_file(
            self.own.public, self.port, key_file, [member for _, member in self.members]
        )


def own() -> Member | None:
    """Return this portal's key and endpoint from its settings, None if it has none. Raises Refused for wrong ones."""
    if not settings.WIREGUARD_PUBLIC_KEY:
        return None
    try:
        where = settings.WIREGUARD_ENDPOINT
        return Member(tunnels.key(settings.WIREGUARD_PUBLIC_KEY), tunnels.endpoint(where) if where else None)
    except ValueError as bad:
        raise Refused(f"WEIR_WIREGUARD_PUBLIC_KEY or WEIR_WIREGUARD_ENDPOINT is wrong. {bad}") from bad


def tunnel() -> Tunnel:
    """Return who is in the tunnel. Raises Refused if this portal has no key in its settings."""
    mine = own()
    if mine is None:
        raise Refused("This portal has no key of WireGuard. Its host sets WEIR_WIREGUARD_PUBLIC_KEY.")
    found = [(peer, member) for peer in Peer.objects.active() if (member := of(peer)) is not None]
    good, _ = tunnels.distinct(mine.public, [member for _, member in found])
    inside = {member.public for member in good}
    return Tunnel(
        mine,
        tuple((peer, member) for peer, member in found if member.public in inside),
        tuple(peer for peer, member in found if member.public not in inside),
    )


def of(peer: Peer) -> Member | None:
    """Return the key and endpoint in a peer's card; None if it has none that can be read."""
    try:
        card = cards.read(peer.card)
        if card.wireguard_public is None:
            return None
        where = card.wireguard_endpoint
        return Member(card.wireguard_public, tunnels.endpoint(where) if where else None)
    except ValueError:
        return None
