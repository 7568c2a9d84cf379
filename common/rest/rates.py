"""How many calls a person may make in a minute, by what the calls cost. Counted in each web process by itself."""

import time
from collections import OrderedDict
from threading import Lock

from rest_framework.exceptions import Throttled

from common.client_address import client_address, network_of
from common.rest.grants import Call

SECONDS = 60
REMEMBERED = 20_000
RATES = {
    "reads": 1200,
    "changes": 300,
    "chunks": 6000,
    "prices": 240,
    "streams": 60,
    "questions": 60,
    "batches": 20,
    "mock_runs": 20,
    "sign_in": 10,
    "failed": 60,
    "polls": 240,
}
"""Calls a minute: of one person, or of one network if nobody is signed in. As many polls as the programs that may wait
in one network (accounts.services.programs) need at their interval."""


class Counts:
    """Counts of the current minute, by person and rate. Thread-safe; remembers the newest 20,000."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()

    def one_more(self, who: str, rate: str, minute: int) -> int:
        """Count a call and return how many there have been in this minute."""
        with self._lock:
            seen, count = self._counts.pop((who, rate), (minute, 0))
            count = count + 1 if seen == minute else 1
            self._counts[who, rate] = (minute, count)
            while len(self._counts) > REMEMBERED:
                self._counts.popitem(last=False)
        return count

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()


counts = Counts()


AGAIN = "weir.again"
"""In the ASGI scope of a call that the portal repeats for somebody who waits: it was counted when it came."""


def admit(call: Call, rate: str) -> None:
    """Count the call. Raises Throttled, with the seconds to wait, if there were too many in this minute."""
    if getattr(call._request, "scope", {}).get(AGAIN):  # noqa: SLF001 -- a header could be forged, the scope cannot
        return
    _count(str(getattr(call.user, "pk", None) or network_of(client_address(call))), rate)


def admit_failure(call: Call) -> None:
    """Count a call that signs nobody in. Raises Throttled if there were too many from this network."""
    _count(network_of(client_address(call)), "failed")


def _count(who: str, rate: str) -> None:
    now = time.time()
    if counts.one_more(who, rate, int(now // SECONDS)) > RATES[rate]:
        raise Throttled(wait=SECONDS - now % SECONDS)
