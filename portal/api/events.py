"""Which objects a caller may hear of: the part of a stream of events that Django decides."""

from uuid import UUID

from rest_framework.response import Response

from common.rest.endpoints import LIVE_HEADER, Endpoint, sends
from common.rest.grants import Call, within
from common.rest.problems import Invalid
from privacy.models import Answer
from requests_app.consumers import VISIBLE

WATCHED = 100
KINDS = {**VISIBLE, "answer": Answer.objects.visible_to}
DATASET = {
    "answer": "budget__promise__dataset",
    "dataset": "pk",
    "request": "dataset",
    "run": "request__dataset",
    "upload": "revision__dataset",
}
"""The path from an object to its dataset, for tokens that reach only some datasets. Of people there is none."""


class Events(Endpoint):
    """Changes as they happen."""

    @sends("text/event-stream", parameters=("about",))
    def get(self, call: Call) -> Response:
        """Follow objects: `about=run:ID,answer:ID`. An event says that an object has changed; fetch it to see how.

        On connecting there is one event for every object. The stream ends after an hour, and when you may no longer
        call: connect again.
        """
        keys = [key for key in call.query_params.get("about", "").split(",") if key]
        if not 1 <= len(keys) <= WATCHED:
            raise Invalid(f"Name from 1 to {WATCHED} objects: about=run:ID,answer:ID.")
        known = list(dict.fromkeys(key for key in keys if _is_known(call, key)))
        response = Response({"about": known})
        response[LIVE_HEADER] = ",".join([f"user:{call.user.pk}", *known])
        return response


def _is_known(call: Call, key: str) -> bool:
    """Return whether the caller may know that this object changes."""
    kind, _, text = key.partition(":")
    if kind not in KINDS:
        raise Invalid(f"“{key[:60]}” is not an object to follow. The kinds are: {', '.join(KINDS)}.")
    try:
        rows = KINDS[kind](call.user).filter(pk=UUID(text))
    except ValueError as bad:
        raise Invalid(f"“{key[:60]}” is not an object to follow. Write it as run:ID.") from bad
    return (rows if kind not in DATASET else within(call, rows, DATASET[kind])).exists()
