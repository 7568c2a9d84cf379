"""Answers by code: numbers by their names, a vector, or votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from weir.answers import Answer
from weir.errors import NotOffered

if TYPE_CHECKING:
    import numpy.typing as npt

SHOWN = 5


class CodeAnswer(Answer):
    """What was released of the answers of all blocks.

    Numbers are read by their names, answer["mean"]; `.value` and `.interval` have all of them in order, and
    `.to_pandas()` a table. Votes have a `.winner` and `.shares`, a vector is in `.vector`.

    >>> line = {"key": ["north"], "figures": [{"name": "share", "value": 0.8, "half_width": 0.1}]}
    >>> answer = CodeAnswer("Code on wages", {"by": ["label"], "lines": [line]})
    >>> answer.winner, answer.shares
    ('north', {'north': 0.8})
    """

    __slots__ = ()

    @property
    def vector(self) -> npt.NDArray[np.float64]:
        """The vector, after all rounds. Shape (size,)."""
        self._check("weight", "a vector")
        return np.array(self.value, dtype=np.float64)

    @property
    def winner(self) -> str:
        """The label with the largest noisy share. Look at `.interval` for how sure that is."""
        shares = self.shares
        return max(shares, key=shares.__getitem__)

    @property
    def shares(self) -> dict[str, float]:
        """The noisy share of blocks that answered each label."""
        self._check("label", "votes")
        return self._by_name()

    @property
    def figures(self) -> dict[str, float]:
        """The numbers, by their names."""
        self._check("output", "numbers with names")
        return self._by_name()

    def _by_name(self) -> dict[str, float]:
        return dict(zip((key for (key,) in self.keys), np.asarray(self).ravel().tolist(), strict=True))

    def _check(self, by: str, what: str) -> None:
        if self.result["by"] != [by]:
            there = {"output": ".figures", "label": ".winner and .shares", "weight": ".vector"}
            raise NotOffered(f"This answer is not {what}. It has {there[self.result['by'][0]]}.")

    @property
    def _is_single(self) -> bool:
        return self.result["by"] == ["output"] and len(self._figures) == 1

    def __repr__(self) -> str:
        if self.result["by"] != ["weight"]:
            return super().__repr__()
        found = self.vector
        first = ", ".join(f"{each:.4g}" for each in found[:SHOWN])
        more = ", …" if len(found) > SHOWN else ""
        many = f"{len(found):,} number{'' if len(found) == 1 else 's'}"
        return "\n".join([f"{self.text}: {many}, [{first}{more}]", *self.notes])

    @property
    def _below(self) -> list[str]:
        largest = [f"{self.winner} has the largest share."] if self.result["by"] == ["label"] else []
        return [*largest, *super()._below]
