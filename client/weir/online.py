"""Prices and answers from a portal: how a question is asked, waited for and read."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir import limits
from weir.answers import Answer
from weir.codeanswers import CodeAnswer
from weir.codetrials import CodeTrial, CodeTrials
from weir.declarations import TableSpec
from weir.errors import NotOffered, PortalFailed, Refused, WeirError
from weir.modelanswers import ModelAnswer
from weir.prices import Price, Prices
from weir.progress import Progress
from weir.readings import Reading
from weir.tableanswers import TableAnswer
from weir.transport import Transport

if TYPE_CHECKING:
    from weir.mock.rows import MockRows
    from weir.questions import Question, Questions
    from weir.scopes import TermsByName

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

    def price(self, asked: Question, **terms: float) -> Price:
        return self.priced(asked.text, _body(asked), terms)

    def release(self, asked: Question, **terms: float) -> Answer:
        return self.released(asked.text, _body(asked), terms, asked.reading)

    def price_batch(self, asked: Questions, terms: TermsByName) -> Prices:
        found = self.transport.post(f"{self._batches}price/", _bodies(asked, terms)).content
        each = zip(asked.items(), found["questions"], strict=True)
        return Prices({name: Price(question.text, price) for (name, question), price in each}, found)

    def release_batch(self, asked: Questions, terms: TermsByName) -> dict[str, Answer]:
        share = 0.0
        if limits.is_limited():
            share = self.price_batch(asked, terms).share
            limits.check(share)
        made = self.transport.create(self._batches, _bodies(asked, terms), wait=WAIT).content
        limits.note(share)
        again = "ask the same questions again, which costs nothing"
        found = self._waited(asked.text, f"batches/{made['id']}/", made, again)
        each = zip(asked.items(), found["answers"], strict=True)
        return {
            name: answer_of(one.text, answer, one.reading, self.transport) for (name, one), answer in each
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
        charged = 0.0 if made.get("stored") else float(made.get("share") or 0.0)
        limits.note(charged)  # before the wait, which may be interrupted
        shown = {"display": json.dumps(made["display"], separators=(",", ":"))} if made.get("display") else {}
        again = f"portal.answers[{made['id']!r}]"
        found = self._waited(text, f"answers/{made['id']}/", made, again, shown)
        if found["state"] == "voided":
            limits.note(-charged)
        return answer_of(text, found, reading, self.transport)

    def try_code(self, asked: Mapping[str, Any], terms: Mapping[str, float]) -> CodeTrial:
        body = {"question": asked, **terms}
        made = self.transport.create(f"budgets/{self._budget}/code-trials/", body).content
        return CodeTrial(self.transport, made, quiet=self.quiet).wait()

    @property
    def trials(self) -> CodeTrials:
        """Code that was tried on mock data with the caller's budget."""
        return CodeTrials(self.transport, self._budget, quiet=self.quiet)

    @property
    def _budget(self) -> str:
        if not self.budget:
            raise NotOffered(
                f"You have no budget for {self.name}, so only .mock() works. Ask the owner for one, "
                "or submit code for review."
            )
        return self.budget

    @property
    def _batches(self) -> str:
        return f"budgets/{self._budget}/batches/"

    def _waited(
        self, text: str, path: str, found: Any, again: str, query: Mapping[str, str] | None = None
    ) -> Any:
        """Wait until each answer is there, or will never be. Ctrl-C leaves the questions alone.

        `again`: how to come back to them; `query`: what is shown of the answer.
        """
        with Progress(text, quiet=self.quiet) as progress:
            for _ in range(MOST_WAITS):
                if all(each["state"] != "pending" for each in found.get("answers", [found])):
                    return found
                progress.show("waiting for the answer")
                try:
                    found = self.transport.get(path, wait=WAIT, **(query or {}))
                except KeyboardInterrupt:
                    progress.stream.write(f"\nThe question continues without you: {again}\n")
                    raise
        raise WeirError(f"The answer has not come for a day. Look again later: {again}.")


def answer_of(
    text: str,
    found: Mapping[str, Any],
    reading: Reading | None = None,
    transport: Transport | None = None,
) -> Answer:
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
    notes = [str(found.get(name) or "") for name in ("shown", "counting", "beyond")]
    if found.get("mode") == "extended":
        notes.append("Some people may have been left out, because their limit is reached.")
    details = {**found, "notes": [note for note in notes if note]}
    result, rows = found["result"], found.get("rows")  # rows: what HAVING, ORDER BY and LIMIT in SQL show
    kind = _KINDS.get(str(found.get("kind")), Answer)
    shown = result if rows is None else {**result, "lines": rows}
    return kind(text, shown, reading=reading, details=details, transport=transport)


_KINDS: dict[str, type[Answer]] = {"code": CodeAnswer, "fit": ModelAnswer, "table": TableAnswer}
"""What an answer of each kind is; of other kinds, figures."""


def _body(question: Question) -> dict[str, Any]:
    return {"query": question.to_wire()}


def _bodies(asked: Questions, terms: TermsByName) -> dict[str, Any]:
    return {"questions": [{**_body(question), **terms[name]} for name, question in asked.items()]}


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
