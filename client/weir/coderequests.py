"""Requests to run code on private data: their versions, runs and what was said about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weir.errors import NotOffered, Refused
from weir.releases import Release
from weir.results import Results
from weir.runs import Run
from weir.things import Thing
from weir.versions import Thread, Version, threads_of
from weir.waits import Wait, waited

UNDECIDED = frozenset({"submitted", "in_review"})
INSTEAD = {
    "draft": "It was not submitted. Submit it: request.submit().",
    "changes_requested": "The reviewers request changes: {reason} Send it again with request={id!r}.",
    "rejected": "It was rejected: {reason}",
    "withdrawn": "It was withdrawn. Send it again as a new request.",
    "revoked": "Its approval was revoked: {reason}",
    "expired": "Its approval has expired. Submit it again.",
}
"""What to do with a request that is not approved."""


class CodeRequest(Thing):
    """A request to run code on private data.

    request = portal.requests[id]; request.wait().results["answer.json"]
    """

    path = "requests/"
    shown = ("turn", "dataset", "author", "created_at")

    @property
    def title(self) -> str:
        return str(self.details["title"])

    @property
    def again(self) -> str:
        """How to come back to it, as code."""
        return f"portal.requests[{self.id!r}]"

    @property
    def version(self) -> Version:
        """The version that was submitted last."""
        latest = self.details.get("latest")
        if not latest:
            raise NotOffered("This request has not been submitted. Submit it: request.submit().")
        return self._version(latest["id"])

    @property
    def versions(self) -> list[Version]:
        """All versions, the newest first."""
        return [self._version(each["id"]) for each in self._transport.items(f"{self._address}versions/")]

    def _version(self, id: str) -> Version:  # noqa: A002 -- its name everywhere
        return Version(self._transport, self._transport.get(f"versions/{id}/"), quiet=self._quiet)

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What reviewers will be pointed to in your draft, with its line."""
        return list(self._transport.get(f"{self._address}findings/")["findings"])

    @property
    def history(self) -> list[dict[str, Any]]:
        """What has happened to it, the newest first: `at`, `who`, `what` and a `note`."""
        return list(self._transport.get(f"{self._address}history/")["events"])

    @property
    def threads(self) -> list[Thread]:
        """The open comments on your request, on the lines that your draft has now."""
        return threads_of(self._transport, f"{self._address}threads/")

    @property
    def snapshot(self) -> dict[str, Any]:
        """What submitting your draft would freeze: `sha256`, `revision`, `environment` and so on."""
        return dict(self._transport.get(f"{self._address}snapshot/"))

    @property
    def runs(self) -> list[Run]:
        """Its runs, the newest first."""
        found = self._transport.items(f"{self._address}runs/")
        return [
            Run(self._transport, self._transport.get(f"runs/{each['id']}/"), quiet=self._quiet)
            for each in found
        ]

    def run_on_mock(self) -> Run:
        """Run the draft on mock data, and wait for the end. Raises RunFailed, with what it wrote to stderr."""
        made = self._transport.create(f"{self._address}mock-runs/", wait=1).content
        return Run(self._transport, made, quiet=self._quiet).wait()

    def submit(self) -> Version:
        """Submit the draft for review, as a new version."""
        made = self._transport.create(f"{self._address}submit/").content
        self.refresh()
        return Version(self._transport, made, quiet=self._quiet)

    def run(self) -> Run:
        """Start an approved run on the private data. Each one counts: approvals are for a number of runs."""
        if self.state != "approved":
            self._check_approved()
        made = self._transport.create(f"{self._address}runs/").content
        return Run(self._transport, made, quiet=self._quiet)

    def wait_for_verdict(self) -> CodeRequest:
        """Wait until it is approved. Raises Refused, with the reviewers' words, if it is not."""
        self.refresh()
        wait = Wait(
            f"request:{self.id}", self._address, self.title or "request", self.again,
            lambda found: found["state"] not in UNDECIDED, lambda found: f"waits for {found['turn']}", is_held=False,
        )  # fmt: skip
        self.details = dict(waited(self._transport, wait, self.details, quiet=self._quiet))
        self._check_approved()
        return self

    def wait(self) -> CodeRequest:
        """Wait for the verdict, run the approved version if it has not been run, and wait until results are released.

        Raises Refused if it is not approved or not released, and RunFailed if the run fails. Ctrl-C leaves everything
        alone; call it again to continue.
        """
        self.wait_for_verdict()
        run = self._private_run() or self.run()
        run.wait(released=True)
        return self

    @property
    def results(self) -> Results:
        """What was released of the last run on private data."""
        return self._last_run.results

    @property
    def release(self) -> Release | None:
        """The decision about the outputs of the last run on private data. Its `record` says how they were made."""
        return self._last_run.release

    @property
    def _last_run(self) -> Run:
        run = self._private_run()
        if run is None:
            raise NotOffered(
                "It has not been run on private data. Wait for its verdict and run it: request.wait()."
            )
        return run

    def _private_run(self) -> Run | None:
        """Return the last run of the version that was submitted last."""
        latest = self.details.get("latest") or {}
        found = self._transport.items(f"{self._address}runs/", kind="private", limit=20)
        for each in found:
            if (each.get("version") or {}).get("id") == latest.get("id"):
                return Run(self._transport, self._transport.get(f"runs/{each['id']}/"), quiet=self._quiet)
        return None

    def _check_approved(self) -> None:
        if self.state in UNDECIDED:
            raise NotOffered("It waits for its verdict: request.wait_for_verdict().")
        if self.state in INSTEAD:
            raise Refused(INSTEAD[self.state].format(reason=self._reason(), id=self.id))

    def _reason(self) -> str:
        """Return what the reviewers said, or why the state is what it is."""
        latest = self.details.get("latest")
        said = [each.get("comment") or "" for each in self.version.reviews] if latest else []
        return (
            " ".join(filter(None, [str(self._detail("state_reason") or ""), *said])) or "No reason was given."
        )

    def withdraw(self) -> CodeRequest:
        """Withdraw your request before it is decided."""
        return self._act("withdraw")

    def copy(self) -> CodeRequest:
        """Begin a new request with a copy of this one's draft."""
        made = self._transport.create(f"{self._address}copy/").content
        return CodeRequest(self._transport, made, quiet=self._quiet)

    def revoke(self, reason: str) -> CodeRequest:
        """End the approval, as owner or admin, and cancel its runs. The author reads the reason."""
        return self._act("revoke", {"reason": reason})

    def save(self, **fields: Any) -> CodeRequest:
        """Save fields of the draft: code, parameters, purpose, context, outputs, title, environment."""
        read = self._transport.call("GET", self._address)
        self.details = dict(self._transport.patch(self._address, fields, read.etag))
        return self


def new_request(parent: Any, dataset: str, title: str, *, quiet: bool = False) -> CodeRequest:
    """Begin a draft. `parent`: the transport of the portal."""
    made: Mapping[str, Any] = parent.create("requests/", {"dataset": dataset, "title": title}).content
    return CodeRequest(parent, made, quiet=quiet)
