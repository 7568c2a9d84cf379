"""Blocks of people: the tables that submitted code is called on, cut out of a table in subject order."""

from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from privacy.engine.language.expressions import Predicate
from privacy.engine.language.schema import ColumnSpec, Kind
from privacy.engine.measure.blocks import block_numbers
from privacy.engine.measure.contributions import Integers
from privacy.engine.measure.evaluate import Bools, Values, kept_rows
from privacy.engine.release import SortedTable
from runner.contract import Block, BlockColumn, ColumnKind

KINDS: dict[Kind, ColumnKind] = {
    Kind.INTEGER: "whole",
    Kind.NUMBER: "number",
    Kind.CATEGORY: "category",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "date",
}
"""How a column is handed to the code. Text is not: its values are not declared, so they are as private as the rows."""


class PeopleBlocks(Sequence[Block]):
    """Blocks of a table, each cut when it is used.

    `people`: for each block, the numbers of its subjects; a number may occur in several blocks of mock data. `kept`:
    the rows that the filter keeps, or none for all. A subject has at most the declared number of rows.
    """

    def __init__(self, table: SortedTable, kept: Bools, people: Sequence[Integers]) -> None:
        self.table = table
        self.kept = kept
        self.people = people

    def __len__(self) -> int:
        return len(self.people)

    @overload
    def __getitem__(self, number: int) -> Block: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Block]: ...
    def __getitem__(self, number: int | slice) -> Block | Sequence[Block]:
        """Return one block as columns, or several blocks."""
        if isinstance(number, slice):
            return PeopleBlocks(self.table, self.kept, self.people[number])
        spec = self.table.rows.table
        rows, ordinals = self._rows(self.people[number], spec.max_rows)
        columns = {spec.subject: BlockColumn(values=ordinals, kind="person")}
        for name, column in spec.columns.items():
            if column.kind in KINDS:
                columns[name] = _column(column, self.table.rows.columns[name], rows)
        return columns

    def _rows(self, people: Integers, most: int) -> tuple[Integers, Integers]:
        """Return the numbers of these people's rows, and for each row the place of its person in the block."""
        begins = self.table.offsets[people]
        sizes = np.minimum(self.table.offsets[people + 1] - begins, most)
        before = np.cumsum(sizes) - sizes
        rows = np.repeat(begins - before, sizes) + np.arange(int(sizes.sum()), dtype=np.int64)
        ordinals = np.repeat(np.arange(len(people), dtype=np.int64), sizes)
        if not len(self.kept):
            return rows, ordinals
        kept = self.kept[rows]
        return rows[kept], ordinals[kept]


def _column(spec: ColumnSpec, stored: Values, rows: Integers) -> BlockColumn:
    numbers = np.asarray(stored.numbers)[rows]
    missing = ~np.asarray(stored.valid)[rows] if len(stored.valid) else np.zeros(len(rows), dtype=np.bool_)
    kind = KINDS[spec.kind]
    values: npt.NDArray[np.generic]
    match spec.kind:
        case Kind.NUMBER:
            values = np.where(missing, np.nan, numbers.astype(np.float64))
        case Kind.DATE:
            values = numbers.astype(np.int64).astype("datetime64[D]")
        case Kind.BOOLEAN:
            values = numbers.astype(np.bool_)
        case Kind.CATEGORY:  # a value that is not declared is no category, also where none may be empty
            values = np.where(missing, -1, numbers).astype(np.int64)
        case _:
            values = numbers.astype(np.int64)
    return BlockColumn(
        values=values, kind=kind, missing=missing if spec.nullable else None, labels=spec.labels
    )


def of_everybody(
    table: SortedTable,
    where: Predicate | None,
    digests: npt.NDArray[np.uint8],
    taking_part: Bools,
    blocks: int,
) -> PeopleBlocks:
    """Cut the people who take part into blocks by their keyed digests, with the rows that the filter keeps.

    `digests`: shape (subjects, 16). `taking_part`: shape (subjects,). Each person's block depends on their own digest
    alone: whoever is added or left out changes one block. Cutting into equally large blocks would move the people
    behind them into other blocks.
    """
    people = np.flatnonzero(taking_part).astype(np.int64)
    numbers = block_numbers(np.asarray(digests)[people], blocks)
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], np.arange(blocks + 1))
    each = [people[order[ends[block] : ends[block + 1]]] for block in range(blocks)]
    return PeopleBlocks(table, kept_rows(where, table.rows), each)


def people_with_rows(table: SortedTable, kept: Bools) -> Bools:
    """Return which people have a row that the filter keeps. Shape (subjects,)."""
    if not len(kept):
        return np.ones(table.subjects, dtype=np.bool_)
    counts = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
    found: Bools = counts[table.offsets[1:]] > counts[table.offsets[:-1]]
    return found
