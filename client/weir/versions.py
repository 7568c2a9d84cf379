"""Versions of a request, as reviewers read them: code, differences, comments and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weir import cards
from weir.runs import Run
from weir.things import Thing, Things, checked_id

if TYPE_CHECKING:
    from weir.transport import Transport


class Comment(Thing):
    """A comment on a version, or a reply."""

    path = "comments/"
    shown = ("line", "author", "created_at", "resolved_at")

    @property
    def text(self) -> str:
        return str(self.details["text"])

    @property
    def author(self) -> str:
        """Who wrote it; “a reviewer” if you may not know which."""
        return str((self.details.get("author") or {}).get("name") or "a reviewer")

    @property
    def line(self) -> int | None:
        """The line of the code that it is about, or None."""
        line = self.details.get("line")
        return None if line is None else int(line)

    def reply(self, text: str, *, private: bool = False) -> Comment:
        """Answer it."""
        body = {"text": text, "parent": self.id, "private": private}
        return Comment(
            self._transport,
            self._transport.create(f"versions/{self.details['version']['id']}/comments/", body).content,
        )

    def resolve(self) -> Comment:
        """Mark the thread as resolved."""
        return self._act("resolve")

    def unresolve(self) -> Comment:
        """Reopen the thread."""
        return self._act("unresolve")

    def delete(self) -> None:
        """Delete your own comment, as long as it is not published."""
        self._transport.delete(self._address)

    def __repr__(self) -> str:
        return f"Comment: {self.text[:80]}"


@dataclass(frozen=True)
class Thread:
    """A comment with its replies. `line`: where it is in the code now, or None."""

    line: int | None
    comment: Comment
    replies: list[Comment]
    quoted: str = ""
    """The line that it was written on, if that is no longer in the code."""


def threads_of(transport: Transport, path: str) -> list[Thread]:
    """Return the threads at an address, by their lines."""
    return [
        Thread(
            each["line"],
            Comment(transport, each["comment"]),
            [Comment(transport, reply) for reply in each["replies"]],
            str(each["quoted"]),
        )
        for each in transport.get(path)["threads"]
    ]


class Version(Thing):
    """One submission of a request. A verdict is for the code as it was read here, and for nothing newer.

    version.approve(runs=3, days=30), version.request_changes("Round the means.")
    """

    path = "versions/"
    shown = ("author", "purpose", "context", "outputs", "parameters", "environment", "created_at", "sha256")

    @property
    def number(self) -> int:
        return int(self.details["number"])

    @property
    def code(self) -> str:
        return str(self.details["code"])

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self.details["parameters"])

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The places in the code that a reviewer should look at."""
        return list(self.details["findings"])

    @property
    def mock_run(self) -> Run | None:
        """The author's last run of this code on mock data, with its results and log. None if there was none."""
        run = self.details.get("mock_run")
        found = self._transport.get(f"runs/{run['id']}/") if run else None
        return Run(self._transport, found, quiet=self._quiet) if found else None

    def run_on_mock(self, parameters: Mapping[str, Any] | None = None) -> Run:
        """Run this code on mock data as a reviewer, with parameters of your own or the version's, and wait for the end.

        version.run_on_mock({"year": 1990}). The author does not see it. Raises RunFailed, with what it wrote to stderr.
        """
        body = {} if parameters is None else {"parameters": dict(parameters)}
        made = self._transport.create(f"{self._address}mock-runs/", body, wait=1).content
        return Run(self._transport, made, quiet=self._quiet).wait()

    @property
    def reviews(self) -> list[dict[str, Any]]:
        """The verdicts that you may read."""
        return list(self.details["reviews"])

    def diff(self, against: Version | str | None = None) -> str:
        """Return the differences from another version; without one, from the last that was approved or submitted.

        What else than the code differs, such as a parameter, comes first: `# parameter year: 1984 -> 1987`.
        """
        other = against.id if isinstance(against, Version) else against
        query = {} if other is None else {"against": checked_id(other)}
        found = self._transport.call("GET", f"{self._address}diff/", query=query).content
        others = (f"# {each['name']}: {each['before']} -> {each['after']}\n" for each in found["others"])
        return "".join(others) + str(found["text"])

    @property
    def comments(self) -> list[Comment]:
        """The comments that you may read, the newest first."""
        return list(Things(self._transport, f"{self._address}comments/", self._commented))

    @property
    def threads(self) -> list[Thread]:
        """The comments by their lines, with open ones on earlier versions, on the lines that the code has now."""
        return threads_of(self._transport, f"{self._address}threads/")

    def comment(self, text: str, *, line: int | None = None, private: bool = False) -> Comment:
        """Comment on a line or on the whole version. `private`: for owner and reviewers only.

        A reviewer's comments are sent with the verdict.
        """
        body = {"text": text, "private": private, **({} if line is None else {"line": line})}
        return self._commented(self._transport.create(f"{self._address}comments/", body).content)

    def _commented(self, found: Any) -> Comment:
        return Comment(self._transport, found)

    def begin(self) -> Version:
        """Say that you are reading it. The author sees that the review has begun."""
        return self._act("begin")

    def approve(self, *, runs: int | None = None, days: int | None = None, comment: str = "") -> Version:
        """Approve the code that you have read, for a number of runs and days. Without them, for what the policy allows.

        The last approval that is needed allows the runs.
        """
        scope = {name: value for name, value in (("runs", runs), ("days", days)) if value is not None}
        return self._judged("approve", comment, **scope)

    def reject(self, reason: str) -> Version:
        """Reject the request. The author reads the reason."""
        return self._judged("reject", reason)

    def request_changes(self, reason: str) -> Version:
        """Ask the author for changes. They read what you write."""
        return self._judged("request_changes", reason)

    def _judged(self, verdict: str, comment: str, **scope: int) -> Version:
        body = {"seen": self.details["sha256"], "verdict": verdict, "comment": comment, **scope}
        self._transport.create(f"{self._address}review/", body)
        return self.refresh()

    def _repr_html_(self) -> str:
        said = [
            f"{each['reviewer']['name'] if each.get('reviewer') else 'A reviewer'}: "
            f"{each['verdict'].replace('_', ' ')}. {each['comment']}"
            for each in self.reviews
        ]
        return cards.facts(repr(self), self._facts, cards.code(self.code), cards.sentences(said))

    def __repr__(self) -> str:
        return f"Version: {self.number} of {cards.called(self.details['request'])}"
