"""Code for review: mock runs, submitting, running, and its results."""

from __future__ import annotations

import json
from typing import Any

from weir.coderequests import CodeRequest
from weir.command.printed import Printed, UsageError, facts, table
from weir.command.session import portal_of
from weir.errors import NotFound, NotOffered
from weir.portal import Portal
from weir.receipts import Receipt
from weir.runs import Run
from weir.submissions import Submission

MOST_LISTED = 50
WORDS = ("purpose", "about", "outputs", "title", "request")


def mock_run(options: Any) -> Printed:
    """Run a file on mock data."""
    with portal_of(options) as portal:
        code = _submission(portal, options)
        run = code.run_on_mock()
        results = run.results
        if options.output:
            return _files(results.save(options.output))
        request = code.request.id if code.request else ""
        words = [
            f"It works. It wrote: {', '.join(results) or 'nothing'}.",
            f"Submit it with --request {request}.",
        ]
        return Printed({"run": run.details, "request": request, "files": list(results)}, "\n".join(words))


def submit(options: Any) -> Printed:
    """Submit a file for review."""
    with portal_of(options) as portal:
        request = _submission(portal, options).send()
        words = f"Submitted: {request.id}. Follow it with weir status {request.id} --follow."
        return Printed(request.details, words)


def _submission(portal: Portal, options: Any) -> Submission:
    words = {name: getattr(options, name) for name in WORDS if getattr(options, name) is not None}
    return portal.submit(portal.datasets[options.name], **words).file(
        options.file, **_parameters(options.param)
    )


def _parameters(given: list[str]) -> dict[str, Any]:
    """Return parameters by name. A value is JSON, otherwise a text."""
    found: dict[str, Any] = {}
    for each in given:
        name, is_given, text = each.partition("=")
        if not is_given or not name.isidentifier():
            raise UsageError(f"“{each}” is not a parameter. Write it as --param year=1990.")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


def run(options: Any) -> Printed:
    """Start an approved run."""
    with portal_of(options) as portal:
        started = portal.requests[options.id].run()
        return _shown(started.wait() if options.follow else started)


def status(options: Any) -> Printed:
    """Show how a request or run is."""
    with portal_of(options) as portal:
        if options.id is None:
            return _requests(portal)
        found = _found(portal, options.id)
        return _shown(_followed(found) if options.follow else found)


def _followed(found: CodeRequest | Run) -> CodeRequest | Run:
    """Wait for a run's end, or for a request's verdict. Nothing is started."""
    return found.wait() if isinstance(found, Run) else found.wait_for_verdict()


def _requests(portal: Portal) -> Printed:
    every = [each.details for _, each in zip(range(MOST_LISTED), portal.requests, strict=False)]
    shown = ("id", "state", "title", "turn")
    text = table(shown, ([each[name] for name in shown] for each in every))
    return Printed(every, text if every else "There are no requests.")


def _found(portal: Portal, id: str) -> CodeRequest | Run:  # noqa: A002 -- its name everywhere
    try:
        return portal.requests[id]
    except NotFound:
        return portal.runs[id]


def _shown(found: CodeRequest | Run) -> Printed:
    names = (
        "id",
        "title",
        "kind",
        "state",
        "turn",
        "state_reason",
        "close_code",
        "error_class",
        "error_line",
    )
    return Printed(found.details, facts((name, found.details.get(name)) for name in names))


def result(options: Any) -> Printed:
    """Download the results of a request or run, or an answer."""
    with portal_of(options) as portal:
        try:
            found = _found(portal, options.id)
        except NotFound:
            return _files(portal.answers.save(options.id, options.output))
        return _files(found.results.save(options.output))


def _files(paths: list[Any]) -> Printed:
    names = [str(path) for path in paths]
    return Printed(names, "\n".join(names))


def receipt(options: Any) -> Printed:
    """Download the receipt of an answer, a release or a run."""
    with portal_of(options) as portal:
        found = _receipt(portal, options.id)
        path = found.save(options.output or f"{options.id}.receipt.json")
        return Printed(found.details, f"{path}: verify it with weir verify {path} --pins pins.json.")


def _receipt(portal: Portal, id: str) -> Receipt:  # noqa: A002 -- its name everywhere
    try:
        return portal.answers.receipt(id)
    except NotFound:
        pass
    try:
        return portal.releases[id].receipt()
    except NotFound:
        release = portal.runs[id].release
    if release is None:
        raise NotOffered("Nothing of this run has been released, so there is no receipt.")
    return release.receipt()
