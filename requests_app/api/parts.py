"""What several resources of the review lane share: references, and which scope is needed for which side."""

from rest_framework import serializers

from common.rest.bodies import Item
from common.rest.grants import Call, allows, require_scope
from requests_app import rules
from requests_app.models import CodeRequest, Output, Release, Run

SIDES = ("work", "review")
"""Scopes of steps that both sides take; `require_side` says which one a call needs."""
READERS = ("read", *SIDES)
"""Scopes of what a run wrote; `require_reader` says which one a call needs."""


class RequestReference(Item):
    """A request, by its title."""

    id = serializers.UUIDField()
    title = serializers.CharField()


class RunReference(Item):
    """A run, by its kind."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(Run.Kind.choices)


class ReleaseReference(Item):
    """A release, by its state."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(Release.State.choices)


class LaneFinding(Item):
    """A place in the code that a reviewer should look at."""

    line = serializers.IntegerField()
    level = serializers.CharField()
    code = serializers.CharField()
    text = serializers.CharField()


def require_side(call: Call, item: CodeRequest) -> None:
    """Raise TokenScope unless the token is for what this person is here: the author (`work`), or not (`review`)."""
    require_scope(call, "work" if item.author_id == call.user.pk else "review")


def reads_private(call: Call, run: Run) -> bool:
    """Return whether the call reads what depends on the rows of a run. On private data, tokens need `review`."""
    if rules.may_read_log(call.user, run) is not None:
        return False
    return run.kind == Run.Kind.MOCK or allows(call, "review")


def require_reader(call: Call, run: Run) -> None:
    """Raise TokenScope unless the token is for what this run wrote: held things need `review`, mock runs no more than
    `read`."""
    require_scope(call, READERS if run.kind == Run.Kind.MOCK else "review")


def require_downloader(call: Call, output: Output) -> None:
    """Raise TokenScope unless the token is for this file: a released one needs `work` if it is one's own."""
    if output.run.kind == Run.Kind.MOCK:
        require_scope(call, READERS)
    else:
        require_side(call, output.run.request)
