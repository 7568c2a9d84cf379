"""Prices: what answers would cost, before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weir import cards


class Price:
    """What an answer would cost, and the error to expect. Nothing has been spent."""

    __slots__ = ("details", "text")

    def __init__(self, text: str, details: Mapping[str, Any]) -> None:
        self.text, self.details = text, dict(details)

    @property
    def error(self) -> float | None:
        """Half of the width of the 95 % interval; None where only the data could tell."""
        return self.details.get("half_width_95")

    @property
    def epsilon(self) -> float:
        """What the answer alone amounts to, as an epsilon."""
        return float(self.details["epsilon"])

    @property
    def share(self) -> float:
        """The part of the budget that it costs."""
        return float(self.details["share"])

    @property
    def share_left(self) -> float:
        """The part of the budget that is left, for the people whom this question is about."""
        return float(self.details["share_left"])

    @property
    def more_like_this(self) -> int:
        """How many such questions what is left pays for."""
        return int(self.details["more_like_this"])

    @property
    def is_free(self) -> bool:
        """Whether you have an answer that is as exact, and would get it at no cost."""
        return bool(self.details.get("stored_answer_id"))

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The price in words."""
        error = "known only to the data" if self.error is None else f"± {self.error:.6g}"
        found = [
            ("error (95 % interval)", error),
            ("ε of this answer", f"{self.epsilon:.3g}"),
            ("share of the budget", "nothing: you have this answer" if self.is_free else f"{self.share:.2%}"),
            ("share left", f"{self.share_left:.2%}"),
            ("questions like this that it pays for", f"{self.more_like_this:,}"),
        ]
        sentences = [str(self.details.get(name) or "") for name in ("unaffordable", "counting", "beyond")]
        return [*found, *(("", sentence) for sentence in sentences if sentence)]

    def __repr__(self) -> str:
        return "\n".join(
            [self.text, *(f"  {name}: {value}" if name else f"  {value}" for name, value in self.facts)]
        )

    def _repr_html_(self) -> str:
        return cards.facts(self.text, self.facts)


class Prices(dict[str, Price]):
    """The prices of several questions, by name. `share`: what all of them cost together."""

    @property
    def share(self) -> float:
        return sum(0.0 if price.is_free else price.share for price in self.values())

    def _repr_html_(self) -> str:
        pairs = [(name, f"{price.share:.2%}") for name, price in self.items()]
        return cards.facts("Shares of the budget", [*pairs, ("together", f"{self.share:.2%}")])
