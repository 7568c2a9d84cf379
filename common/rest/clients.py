"""Which versions of the Python client this portal answers."""

from django.conf import settings

from common.errors import Refused
from common.rest.grants import Call

HEADER = "Weir-Client"
PARTS = 3
LONGEST_PART = 5


class ClientTooOld(Refused):
    """The Python client is older than the oldest one that this portal answers."""

    code = "client_too_old"


def check_version(call: Call) -> None:
    """Raise ClientTooOld for a Python client that is too old. Other programs do not say a version."""
    given = call.headers.get(HEADER, "")
    parts = given.split(".")[:PARTS]
    if not given or not all(part.isdecimal() and len(part) <= LONGEST_PART for part in parts):
        return
    if tuple(map(int, parts)) < settings.CLIENT_MINIMUM:
        oldest = ".".join(map(str, settings.CLIENT_MINIMUM))
        raise ClientTooOld(f"This portal needs version {oldest} or newer of the client. Install it again.")
