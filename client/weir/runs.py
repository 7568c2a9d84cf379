"""Runs of submitted code: waiting for them, their failures and their results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weir.errors import Gone, NotOffered, Refused, RunFailed
from weir.releases import Output, Release
from weir.results import Results
from weir.things import Thing
from weir.waits import Wait, waited

ENDED = frozenset({"succeeded", "failed", "cancelled"})
UNDECIDED = frozenset({"held", "checking"})
LOG_LINES = 20
REASONS = {
    "TIME_LIMIT": "It took longer than {wall_seconds} s. Make it faster, or ask the owner for more time.",
    "MEMORY_LIMIT": "It needed more than {memory_mb} MB. Read fewer columns, or work in parts.",
    "DISK_LIMIT": "It wrote too much. Write fewer or smaller files.",
    "PROCESS_LIMIT": "It started too many processes or threads.",
    "EXIT_NONZERO": "The code ended itself with an error.",
    "EXCEPTION": "The code raised {error_class}{at}.",
    "OUTPUT_MISSING": "The code returned nothing and wrote no file. Return the result from main().",
    "OUTPUT_TOO_BIG": "A file that it wrote is too large. Write less, such as an aggregate.",
    "OUTPUT_TYPE": "It wrote a file that cannot leave a run. Write CSV, JSON, text, PNG or Parquet.",
    "POLICY_BLOCKED": "It did something that the sandbox does not allow, such as opening a connection.",
    "WORKER_LOST": "The worker was lost. Nothing is wrong with the code: run it again.",
    "INTERNAL": "The portal failed. Run it again, and tell the admin if that does not help.",
}
"""What each failure code means, and what to do."""


class Run(Thing):
    """A run, on mock data or on private data.

    run.wait().results["answer.json"]
    """

    path = "runs/"
    shown = ("kind", "state", "close_code", "created_at", "started_at", "finished_at", "environment")

    @property
    def kind(self) -> str:
        """`mock` or `private`."""
        return str(self.details["kind"])

    @property
    def is_over(self) -> bool:
        return self.state in ENDED

    @property
    def again(self) -> str:
        """How to come back to it, as code."""
        return f"portal.runs[{self.id!r}]"

    def wait(self, *, released: bool = False) -> Run:
        """Wait until it has ended; with `released`, until somebody has decided on its outputs besides.

        Raises RunFailed if it did not succeed. Ctrl-C leaves the run alone.
        """
        self.details = self._waited(lambda found: found["state"] in ENDED, _words, is_held=True)
        if self.state != "succeeded":
            raise self.failure()
        if released:
            self._detail("release")
            self.details = self._waited(
                _is_decided, lambda _: "its outputs wait to be checked", is_held=False
            )
        return self

    def _waited(self, is_over: Any, says: Any, *, is_held: bool) -> dict[str, Any]:
        wait = Wait(f"run:{self.id}", self._address, f"{self.kind} run", self.again, is_over, says, is_held)
        return dict(waited(self._transport, wait, self.details, quiet=self._quiet))

    def failure(self) -> RunFailed:
        """Return why it ended without a result. For a mock run, with the end of what it wrote to stderr."""
        code, line = str(self.details.get("close_code") or ""), self.details.get("error_line")
        name = str(self.details.get("error_class") or "")
        if self.state == "cancelled":
            text = "The run was cancelled."
        else:
            at = f" in line {line}" if line else ""
            known = {**self.details, "error_class": name or "an error", "at": at}
            text = f"The run failed: {REASONS[code].format(**known) if code in REASONS else code}"
        if self.kind == "mock" and code in {"EXCEPTION", "EXIT_NONZERO"}:
            text = "\n".join([text, *self.log["stderr"].splitlines()[-LOG_LINES:]])
        return RunFailed(text, code=code or self.state.upper(), error_class=name, line=line)

    @property
    def log(self) -> dict[str, str]:
        """What it wrote to `stdout` and `stderr`: of your mock runs, and for reviewers of private ones."""
        return dict(self._transport.get(f"{self._address}log/"))

    def add_log_excerpt(self, text: str) -> Output:
        """Add a part of the log to the held files, as a reviewer. Remove first whatever reveals something of the data.

        It is decided on like any other file: release.refresh().outputs.
        """
        made = self._transport.create(f"{self._address}log/excerpt/", {"text": text}).content
        return Output(self._transport, made)

    @property
    def results(self) -> Results:
        """The files that you may have: all of a mock run, the released ones of a run on private data."""
        if not self.is_over:
            raise NotOffered("The run has not ended. Wait for it: run.wait().results.")
        if self.state != "succeeded":
            raise self.failure()
        if self.kind != "mock":
            self._check_released()
        return Results(self._transport, list(self._transport.items(f"{self._address}outputs/")))

    @property
    def release(self) -> Release | None:
        """The decision about its outputs, with the record of how they were made. None if there are no outputs."""
        release = self._detail("release")
        if release is None:
            return None
        found = self._transport.get(f"releases/{release['id']}/")
        return Release(self._transport, found, quiet=self._quiet)

    def _check_released(self) -> None:
        release = self._detail("release") or {}
        state = str(release.get("state", "released"))
        if state in UNDECIDED:
            raise NotOffered(
                "The outputs wait to be checked. Wait for the decision: run.wait(released=True)."
            )
        if state in {"recalled", "expired"}:
            raise Gone(f"The outputs were {state}. portal.releases[{release['id']!r}] may say why.")
        if state != "released":
            comment = (
                self._transport.get(f"releases/{release['id']}/").get("comment") or "No reason was given."
            )
            raise Refused(f"The outputs were not released: {comment}")

    def cancel(self) -> Run:
        """Cancel it: at once while it is queued, otherwise within seconds."""
        return self._act("cancel")


def _words(found: Mapping[str, Any]) -> str:
    waits = found.get("waits") or {}
    state = "running" if found["state"] == "ending" else str(found["state"])
    return " — ".join(
        each for each in (state, str(waits.get("reason") or waits.get("estimate") or "").rstrip(".")) if each
    )


def _is_decided(found: Mapping[str, Any]) -> bool:
    return (found.get("release") or {}).get("state") not in UNDECIDED
