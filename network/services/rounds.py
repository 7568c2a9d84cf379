"""Rounds: what this portal asks of all other portals now and then, of a few at a time.

One round runs at a time, in one thread of a worker and threads of its own. So however many portals do not answer, no
answer to a scientist waits for them.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

from django.db import connection
from django.db.models import F

from common import locks
from common.errors import Refused
from network.models import Peer
from network.models.peers import PeerQuerySet

logger = logging.getLogger(__name__)

ROUND = UUID("6e657477-6f72-4b2e-8f72-6f756e647300")
"""The lock of whoever calls all portals."""
MOST = 500
AT_ONCE = 8
"""Portals that are called at a time, so that one that does not answer delays no other."""


def of(peers: PeerQuerySet, act: Callable[[Peer], object]) -> bool:
    """Call `act` with each of these peers, first those that were called least recently.

    Returns False, and calls nobody, if another round is running. What a peer refuses, and faults of ours, are logged.
    """
    with locks.if_free(ROUND) as is_free:
        if is_free:
            wanted = peers.order_by(F("tried_at").asc(nulls_first=True))
            pks = list(wanted.values_list("pk", flat=True)[:MOST])
            with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
                list(pool.map(partial(_in_a_thread, act), pks))
        return is_free


def alone(act: Callable[[], object]) -> None:
    """Run something else that calls portals, unless a round is running: it comes again soon."""
    with locks.if_free(ROUND) as is_free:
        if is_free:
            act()


def _in_a_thread(act: Callable[[Peer], object], pk: UUID) -> None:
    try:
        peer = Peer.objects.known().filter(pk=pk).first()
        if peer is not None:
            act(peer)
    except Refused as why:
        logger.warning("peer_refused", extra={"peer": str(pk), "why": str(why)})
    except Exception:
        logger.exception("peer_not_called", extra={"peer": str(pk)})
    finally:
        connection.close()
