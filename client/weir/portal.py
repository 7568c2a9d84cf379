"""A portal, as one person: datasets, questions, code for review, what waits, what happened, and a limit on spending."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir import handed, limits
from weir.answers import Answer
from weir.audit import AuditLog
from weir.coderequests import CodeRequest
from weir.datasets import Dataset, Datasets
from weir.inbox import Inbox
from weir.online import answer_of
from weir.people import Person
from weir.receipts import Receipt
from weir.releases import Release
from weir.results import plain_name
from weir.runs import Run
from weir.submissions import About, Submitter
from weir.things import Things, checked_id
from weir.transport import Transport

if TYPE_CHECKING:
    from weir.network import Network
    from weir.studies import Studies


class Answers:
    """Your answers, and those of your datasets, the newest first."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from self._transport.items("answers/")

    def __getitem__(self, answer: str) -> Answer:
        """Return an answer by its id. It costs nothing."""
        found = self._transport.get(f"answers/{answer}/")
        return answer_of(str(found["question"]), found, transport=self._transport)

    def receipt(self, answer: str, wait: float = 90) -> Receipt:
        """Return the receipt of an answer by its id: its figures, its charge, and the proof that the log holds both. Of
        an answer that is not there, or lost, that of the charge.

        Waits at most `wait` seconds for the log to be signed. Raises NotOffered if it is not there by then.
        """
        return handed.receipt(self._transport, f"answers/{checked_id(answer)}/", wait)

    def withdraw(self, answer: str) -> None:
        """Withdraw code whose turn has not come, by the id of its answer, and get its charge back.

        Raises Conflict afterwards: it is answered all the same.
        """
        self._transport.post(f"answers/{checked_id(answer)}/withdraw/")

    def save(self, answer: str, folder: Path | str) -> list[Path]:
        """Download an answer into a folder, which is made if need be: its table as CSV, and everything as JSON."""
        found = self[answer]
        to = Path(folder)
        to.mkdir(parents=True, exist_ok=True)
        id = str(found.details["id"])  # noqa: A001 -- its name everywhere
        names = {form: plain_name(f"answer-{id}.{form}") for form in ("csv", "json")}
        return [
            self._transport.download(f"answers/{id}/files/{form}/", to / name) for form, name in names.items()
        ]

    def __repr__(self) -> str:
        return "Answers: iterate over them, or take one by its id"


class Portal:
    """A portal that one person is signed in to. Threads can share it."""

    def __init__(self, transport: Transport, person: Mapping[str, Any], *, quiet: bool = False) -> None:
        self.transport, self.me, self._quiet = transport, dict(person), quiet
        self._network: Network | None = None
        self.datasets = Datasets(transport, str(person["id"]), quiet=quiet)
        self.answers = Answers(transport)
        self.audit = AuditLog(transport, self.datasets)
        self.people = Things(transport, "people/", lambda found: Person(transport, found))
        self.requests = Things(transport, "requests/", self._request)
        self.runs = Things(transport, "runs/", lambda found: Run(transport, found, quiet=quiet))
        self.releases = Things(transport, "releases/", lambda found: Release(transport, found, quiet=quiet))

    @property
    def network(self) -> Network:
        """The other portals that this one knows, and your work there: `portal.network["b.example"].datasets`."""
        if self._network is None:
            from weir.network import Network  # noqa: PLC0415 -- a portal of it is a portal too

            self._network = Network(self.transport, quiet=self._quiet)
        return self._network

    @property
    def studies(self) -> Studies:
        """Studies over the datasets of several portals, and your joint answers: `portal.studies["wages-north"]`."""
        from weir.studies import Studies  # noqa: PLC0415 -- few need it

        return Studies(self.transport, quiet=self._quiet)

    def _request(self, found: Mapping[str, Any]) -> CodeRequest:
        return CodeRequest(self.transport, found, quiet=self._quiet)

    @property
    def inbox(self) -> Inbox:
        """What waits for you: code to review, outputs to check, answers, drafts and so on."""
        return Inbox(self.transport, quiet=self._quiet)

    @property
    def budgets(self) -> list[dict[str, Any]]:
        """Your own budgets, and those of datasets that you own."""
        return list(self.transport.items("budgets/"))

    def submit(  # noqa: PLR0913 -- the parts of a submission
        self,
        dataset: Dataset | str,
        *,
        purpose: str | None = None,
        about: str | None = None,
        outputs: str | None = None,
        title: str | None = None,
        environment: str | None = None,
        helpers: Sequence[Callable[..., Any]] = (),
        request: CodeRequest | str | None = None,
    ) -> Submitter:
        """Prepare code for review: a function called main, which this decorates, or a file that defines one.

        Arguments of main without a default are tables, those with one are parameters. `purpose`, `about`, `outputs` and
        `title` are what reviewers read besides. `request`: the one that this is a new version of.

        @portal.submit(data, purpose="How wages differ by region", about="For our report")
        def main(wages, year=1985): return wages[wages.year > year].groupby("region").wage.mean()

        main.run_on_mock(); main.send().wait().results["result.parquet"]
        portal.submit(data, purpose="…").file("analysis.py", year=1990).send()
        """
        data = self.datasets[dataset] if isinstance(dataset, str) else dataset
        words = About(purpose, about, outputs, title, environment)
        return Submitter(self.transport, data.details, words, tuple(helpers), request, quiet=self._quiet)

    def spending(self, at_most: float) -> AbstractContextManager[limits.Limit]:
        """Let the questions in a block spend at most this share of a budget together.

        with portal.spending(at_most=0.1): …
        """
        return limits.spending(at_most)

    def close(self) -> None:
        """Close the connections. The token stays kept."""
        self.transport.close()

    def __enter__(self) -> Portal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Portal: {self.transport.origin}, as {self.me.get('name') or self.me.get('email')}"
