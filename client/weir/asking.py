"""Prices and answers from a portal: how a question is asked, waited for and read."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir import limits
from weir.answers import Answer
from weir.declarations import TableSpec
from weir.errors import BudgetExceeded, NotOffered, PortalFailed, Refused, WeirError
from weir.prices import Price, Prices
from weir.progress import Progress
from weir.questions import Asked, Questions
from weir.readings import Reading
from weir.transport import Transport

if TYPE_CHECKING:
    from weir.mock.rows import MockRows

WAIT = 20
MOST_WAITS = 5000
"""How often one waits for an answer, 20 s each: a day."""


class Online:
    """A dataset of a portal, as the source of its tables. `budget`: the id of the caller's own, or "" without one."""

    def __init__(
        self, transport: Transport, dataset: Mapping[str, Any], budget: str = "", *, quiet: bool = False
    ) -> None:
        self.transport, self.dataset, self.budget, self.quiet = transport, dataset, budget, quiet
        self._mocks: dict[str, MockRows] = {}

    @property
    def name(self) -> str:
        return str(self.dataset["name"])

    def mock(self, spec: TableSpec) -> MockRows:
        """Return a table's mock rows, which are downloaded once."""
        if spec.name not in self._mocks:
            from weir.mock.rows import mock_rows  # noqa: PLC0415 -- it brings pyarrow

            self._mocks[spec.name] = mock_rows(spec, self.mock_table(spec.name))
        return self._mocks[spec.name]

    def mock_table(self, name: str) -> Any:
        """Download a table's mock rows as an Arrow table."""
        import pyarrow.parquet as pq  # noqa: PLC0415 -- it takes a tenth of a second

        with tempfile.TemporaryDirectory(prefix="weir-") as folder:
            path = Path(folder) / "mock.parquet"
            self.transport.download(f"datasets/{self.dataset['id']}/mock/{name}.parquet", path)
            return pq.read_table(path)

    def price(self, asked: Asked, **terms: Any) -> Price | Prices:
        if isinstance(asked, Questions):
            return Prices({name: self.priced(each.text, _body(each), terms) for name, each in asked.items()})
        return self.priced(asked.text, _body(asked), terms)

    def release(self, asked: Asked, **terms: Any) -> Answer | dict[str, Answer]:
        if not isinstance(asked, Questions):
            return self.released(asked.text, _body(asked), terms, asked.reading)
        prices = self.price(asked, **terms)
        if isinstance(prices, Prices):
            self._check_together(prices)
        return {
            name: self.released(each.text, _body(each), terms, each.reading) for name, each in asked.items()
        }

    def priced(self, text: str, body: Mapping[str, Any], terms: Mapping[str, Any]) -> Price:
        """Price the question of a body."""
        return Price(text, self.transport.post(f"budgets/{self._budget}/price/", {**body, **terms}).content)

    def released(
        self, text: str, body: Mapping[str, Any], terms: Mapping[str, Any], reading: Reading | None = None
    ) -> Answer:
        """Ask the question of a body and wait for the answer."""
        if limits.is_limited():
            price = self.priced(text, body, terms)
            limits.check(0.0 if price.is_free else price.share)
        made = self.transport.create(f"budgets/{self._budget}/answers/", {**body, **terms}, wait=WAIT).content
        found = self._waited(text, made)
        if not made.get("stored"):
            limits.note(float(found.get("share") or 0.0))
        return answer_of(text, found, reading)

    @property
    def _budget(self) -> str:
        if not self.budget:
            raise NotOffered(
                f"You have no budget for {self.name}, so only .mock() works. Ask the owner for one, "
                "or submit code for review."
            )
        return self.budget

    def _check_together(self, prices: Prices) -> None:
        """Refuse several questions that cannot all be paid, before the first one is asked."""
        limits.check(prices.share)
        left = min(price.share_left for price in prices.values())
        if prices.share > left:
            raise BudgetExceeded(
                f"Together these questions cost {prices.share:.2%} of the budget, but {left:.2%} is left. Nothing was "
                "asked. Leave some out, or ask for a larger error.",
                code="budget_exceeded",
                problem={"costs": prices.share, "left": left},
            )

    def _waited(self, text: str, found: Any) -> Any:
        """Wait until an answer is there, or will never be. Ctrl-C leaves the question alone."""
        with Progress(text, quiet=self.quiet) as progress:
            for _ in range(MOST_WAITS):
                if found["state"] != "pending":
                    return found
                progress.show("waiting for the answer")
                try:
                    found = self.transport.get(f"answers/{found['id']}/", wait=WAIT)
                except KeyboardInterrupt:
                    progress.stream.write(
                        f"\nThe question goes on without you: portal.answers[{found['id']!r}]\n"
                    )
                    raise
        raise WeirError(
            f"The answer has not come for a day. Look again later: portal.answers[{found['id']!r}]."
        )


def answer_of(text: str, found: Mapping[str, Any], reading: Reading | None = None) -> Answer:
    """Return the answer that the portal's JSON holds. Raises a WeirError if nothing was released."""
    state = found["state"]
    if state == "voided":
        reason = found.get("reason") or "The portal could not compute it."
        raise Refused(f"{reason} The question was given back and costs nothing.", code="voided")
    if state == "lost":
        raise PortalFailed(
            "The answer was lost after the data had been opened, so it stays charged. Ask again, and tell the admin.",
            code="lost",
        )
    if state == "pending":
        raise NotOffered("This answer is not there yet. Look again later.")
    notes = [str(found.get(name) or "") for name in ("counting", "beyond")]
    if found.get("mode") == "extended":
        notes.append("Some people may have been left out, because their limit is reached.")
    details = {**found, "notes": [note for note in notes if note]}
    return Answer(text, found["result"], reading=reading, details=details)


def _body(question: Any) -> dict[str, Any]:
    return {"query": question.to_wire()}


class Written:
    """A question that was written as SQL or JSON. It can be priced and released, but not computed here."""

    __slots__ = ("body", "source", "text")

    def __init__(self, source: Online, text: str, body: Mapping[str, Any]) -> None:
        self.source, self.text, self.body = source, text, dict(body)

    def price(self, **terms: float) -> Price:
        """Return what the answer would cost: give error=, epsilon= or share=."""
        return self.source.priced(self.text, self.body, _one(terms))

    def release(self, **terms: float) -> Answer:
        """Ask, and return the answer: give error=, epsilon= or share=. This spends your budget."""
        return self.source.released(self.text, self.body, _one(terms))

    def mock(self) -> Any:
        raise NotOffered(
            "Questions in SQL or JSON are not computed here. Write it with columns: table.wage.mean().mock()."
        )

    def __repr__(self) -> str:
        return f"Question: {self.text}. Not asked yet: .price(…), .release(…)"


def _one(terms: Mapping[str, float]) -> dict[str, float]:
    if len(terms) != 1 or not set(terms) <= {"error", "epsilon", "share"}:
        raise NotOffered("Say what the answer may cost, in one way: error=0.5, epsilon=0.1 or share=0.02.")
    return dict(terms)
