"""The audit log: who did what, and who received what."""

from __future__ import annotations

from itertools import islice
from typing import Any

from weir.command.printed import Printed, table
from weir.command.session import portal_of

MOST_LISTED = 50
FILTERS = ("text", "person", "action", "since", "until")


def audit(options: Any) -> Printed:
    """List the newest entries of the audit log, or write all that match to a file."""
    filters = {name: getattr(options, name) for name in FILTERS if getattr(options, name)}
    with portal_of(options) as portal:
        found = portal.audit.where(dataset=options.name or "", received=options.received, **filters)
        if options.output:
            path = str(found.save(options.output))
            return Printed(path, path)
        entries = list(islice(found, MOST_LISTED))
        people = [each.receiver if options.received else each.person for each in entries]
        facts = ([each.details["at"], each.actor, each.words, each.on] for each in entries)
        lines = ([*fact, person] for fact, person in zip(facts, people, strict=True))
        text = table(("at", "actor", "what", "object", "receiver" if options.received else "concerns"), lines)
        return Printed([each.details for each in entries], text if entries else "No entry matches.")
