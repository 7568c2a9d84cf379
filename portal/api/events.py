"""Which objects a caller may hear of: the part of a stream of events that Django decides."""

from uuid import UUID

from rest_framework import serializers
from rest_framework.response import Response

from common.rest.bodies import Parameters
from common.rest.endpoints import LIVE_HEADER, Endpoint, parameters_of, sends
from common.rest.grants import Call, within
from common.rest.problems import Invalid
from privacy.models import Answer, CodeTrial
from requests_app.consumers import VISIBLE

WATCHED = 100
KINDS = {**VISIBLE, "answer": Answer.objects.visible_to, "trial": CodeTrial.objects.visible_to}
DATASET = {
    "answer": "budget__promise__dataset",
    "dataset": "pk",
    "request": "dataset",
    "run": "request__dataset",
    "trial": "budget__promise__dataset",
    "upload": "revision__dataset",
}
"""The path from an object to its dataset, for tokens that reach only some datasets. Of people there is none."""


class Followed(Parameters):
    """Which objects to follow."""

    about = serializers.CharField(help_text=f"At most {WATCHED} objects, such as run:ID,answer:ID.")


class Events(Endpoint):
    """Changes as they happen."""

    @sends("text/event-stream", parameters=Followed, rate="streams")
    def get(self, call: Call) -> Response:
        """Follow objects: `about=run:ID,answer:ID`. An event says that an object has changed; fetch it to see how.

        On connecting there is one event for every object. The stream ends after an hour, and when you may no longer
        call: connect again.
        """
        keys = list(dict.fromkeys(key for key in parameters_of(call, Followed)["about"].split(",") if key))
        if not 1 <= len(keys) <= WATCHED:
            raise Invalid(f"Name from 1 to {WATCHED} objects: about=run:ID,answer:ID.")
        known = _known(call, keys)
        response = Response({"about": known})
        response[LIVE_HEADER] = ",".join([f"user:{call.user.pk}", *known])
        return response


def _known(call: Call, keys: list[str]) -> list[str]:
    """Return those of the objects that the caller may know to change, by one query a kind."""
    wanted: dict[str, dict[UUID, str]] = {}
    for key in keys:
        kind, pk = _parsed(key)
        wanted.setdefault(kind, {})[pk] = key
    known = {key for kind, by_pk in wanted.items() for key in _of_kind(call, kind, by_pk)}
    return [key for key in keys if key in known]


def _parsed(key: str) -> tuple[str, UUID]:
    kind, _, text = key.partition(":")
    if kind not in KINDS:
        raise Invalid(f"“{key[:60]}” is not an object to follow. The kinds are: {', '.join(KINDS)}.")
    try:
        return kind, UUID(text)
    except ValueError as bad:
        raise Invalid(f"“{key[:60]}” is not an object to follow. Write it as run:ID.") from bad


def _of_kind(call: Call, kind: str, by_pk: dict[UUID, str]) -> list[str]:
    rows = KINDS[kind](call.user).filter(pk__in=list(by_pk))
    if kind in DATASET:
        rows = within(call, rows, DATASET[kind])
    elif call.auth is not None and call.auth.dataset_ids is not None:
        return []  # what changes for a person may be about any dataset
    return [by_pk[pk] for pk in rows.values_list("pk", flat=True)]
