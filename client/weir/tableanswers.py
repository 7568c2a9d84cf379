"""Synthetic tables that were released: the shares they keep, and rows of made-up people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weir import cards, synthetic_rows
from weir.answers import Answer, MockAnswer
from weir.errors import NotOffered
from weir.frames import frame_or_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_PAIRS = 8


class TableAnswer(Answer):
    """A synthetic table that was released: noisy shares of values and pairs, from which any number of rows is drawn.

    `.table(rows=1000)` has rows of made-up people, `.pairs` says how well pairs of columns are kept, and `.to_pandas()`
    has the share of each value with its interval.

    >>> from weir import demo
    >>> made = demo.table().synthesize(["wage", "education", "union"], focus="union").mock()
    >>> rows = made.table(rows=5, seed=1)
    >>> len(rows["wage"])
    5
    """

    __slots__ = ()

    def table(self, rows: int = 1000, seed: int = 0) -> Any:
        """Return rows of made-up people: a DataFrame, or a dict of arrays without pandas.

        Drawn here, from the released shares and the seed alone: the same seed gives the same rows, as on the portal. It
        costs nothing, however often. At most a million rows.
        """
        if not _is_whole(rows) or not 0 < rows <= synthetic_rows.MOST_ROWS:
            raise NotOffered(f"Draw 1 to {synthetic_rows.MOST_ROWS:,} rows: table(rows=1000).")
        if not _is_whole(seed) or seed < 0:
            raise NotOffered("The seed is a whole number from 0 up: table(rows=1000, seed=1).")
        return synthetic_rows.frame(self.result["table"], rows, seed)

    @property
    def pairs(self) -> Any:
        """How strongly each two columns are associated: a DataFrame, or a dict of lists without pandas.

        From 0 to 1: `measured` in the noisy table of the pair, with half of the width of the 95 % interval as `error`,
        and `kept` in the rows that are drawn. Pairs `in_tree` are kept as they were measured.
        """
        return frame_or_arrays(
            {
                "first": [self._name(pair, 0) for pair in self._pairs],
                "second": [self._name(pair, 1) for pair in self._pairs],
                **{
                    name: [pair[name] for pair in self._pairs]
                    for name in ("measured", "error", "kept", "in_tree")
                },
            }
        )

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [str(each["name"]) for each in self.result["table"]["columns"]]

    @property
    def _pairs(self) -> list[Mapping[str, Any]]:
        return list(self.result["table"]["pairs"])

    def _name(self, pair: Mapping[str, Any], place: int) -> str:
        return self.columns[int(pair["columns"][place])]

    @property
    def _is_single(self) -> bool:
        return False

    @property
    def _facts(self) -> list[str]:
        found = self.result["table"]
        return [
            f"about {found['people']:,.0f} people, {len(self.columns)} columns; rows: .table(rows=1000)",
        ]

    @property
    def _pair_lines(self) -> list[tuple[str, str, str]]:
        """The strongest pairs in words."""
        strongest = sorted(self._pairs, key=lambda pair: -pair["measured"])[:MOST_PAIRS]
        return [
            (
                f"{self._name(pair, 0)} and {self._name(pair, 1)}",
                f"{pair['measured']:.3f}",
                f"{pair['kept']:.3f}",
            )
            for pair in strongest
        ]

    def __repr__(self) -> str:
        lines = [
            f"  {names}: association {measured}, kept {kept}" for names, measured, kept in self._pair_lines
        ]
        return "\n".join(
            [f"{self._prefix}{self.text}", *(f"  {fact}" for fact in self._facts), *lines, *self.notes]
        )

    def _repr_html_(self) -> str:
        pairs = cards.table(("pair", "association", "kept"), self._pair_lines)
        return cards.card(
            f"{self._prefix}{self.text}",
            cards.sentences(self._facts),
            pairs if self._pair_lines else "",
            cards.table(self._names, self._lines()),
            cards.sentences(self._below),
        )


class MockTableAnswer(MockAnswer, TableAnswer):
    """A synthetic table of the mock rows: made here, without noise, and no statement about anybody."""

    __slots__ = ()


def _is_whole(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)
