"""A portal, as one person: datasets, answers, what waits for them, and a limit on what is spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from weir import limits
from weir.answers import Answer
from weir.asking import answer_of
from weir.datasets import Datasets
from weir.transport import Transport


class Answers:
    """Your answers, and those of your datasets, the newest first."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from self._transport.items("answers/")

    def __getitem__(self, answer: str) -> Answer:
        """Return an answer by its id. It costs nothing."""
        found = self._transport.get(f"answers/{answer}/")
        return answer_of(str(found["question"]), found)

    def __repr__(self) -> str:
        return "Answers: iterate over them, or take one by its id"


class Portal:
    """A portal that one person is signed in to. Threads can share it."""

    def __init__(self, transport: Transport, person: Mapping[str, Any], *, quiet: bool = False) -> None:
        self.transport, self.me = transport, dict(person)
        self.datasets = Datasets(transport, str(person["id"]), quiet=quiet)
        self.answers = Answers(transport)

    @property
    def inbox(self) -> list[dict[str, Any]]:
        """What waits for you: code to review, outputs to check, answers, drafts and so on."""
        return list(self.transport.get("inbox/")["items"])

    @property
    def budgets(self) -> list[dict[str, Any]]:
        """Your own budgets, and those of datasets that you own."""
        return list(self.transport.items("budgets/"))

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
