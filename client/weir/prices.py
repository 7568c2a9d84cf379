"""Prices: what answers would cost, before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weir import cards, shares


class AnyPrice:
    """What all prices tell: the question (`text`), what the portal said (`details`) and the error to expect."""

    __slots__ = ("details", "text")

    def __init__(self, text: str, details: Mapping[str, Any]) -> None:
        self.text, self.details = text, dict(details)

    @property
    def error(self) -> float | None:
        """Half of the width of the 95 % interval; None where only the data could tell."""
        return self.details.get("half_width_95")


class Price(AnyPrice):
    """What an answer would cost, and the error to expect. Nothing has been spent."""

    __slots__ = ()

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
        """Whether it costs nothing: you have an answer that is as exact, or ask the same in this batch already."""
        return bool(self.details.get("stored_answer")) or self.details.get("is_charged") is False

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The price in words."""
        error = (
            "depends on the data, and comes with the answer" if self.error is None else f"± {self.error:.6g}"
        )
        return [
            ("error (95 % interval)", error),
            *self._on_mock,
            ("ε of this answer", f"{self.epsilon:.3g}"),
            (
                "share of the budget",
                "nothing: you have this answer" if self.is_free else _cost(self.share),
            ),
            ("share left", shares.percent(self.share_left)),
            ("questions like this", f"{self.more_like_this:,} can be asked"),
        ]

    @property
    def notes(self) -> list[str]:
        """What to know before the question is asked, in sentences."""
        sentences = [
            str(self.details.get(name) or "") for name in ("unaffordable", "shown", "counting", "beyond")
        ]
        return [sentence for sentence in sentences if sentence]

    @property
    def _on_mock(self) -> list[tuple[str, str]]:
        """How the question came out when the portal tried it on the mock data, if only the data knows the error."""
        tried = self.details.get("on_mock") or {}
        if not tried:
            return []
        if not tried["figures"]:
            return [("on the mock data", "too few rows to try it")]
        names = {figure["name"] for figure in tried["figures"]}
        return [
            (
                ", ".join(
                    ["on the mock data", *figure["key"], *([figure["name"]] if len(names) > 1 else [])]
                ),
                _outcome(figure, int(tried["tries"])),
            )
            for figure in tried["figures"]
        ]

    def __repr__(self) -> str:
        lines = [*(f"{name}: {value}" for name, value in self.facts), *self.notes]
        return "\n".join([self.text, *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        return cards.facts(self.text, self.facts, cards.sentences(self.notes))


class Prices(dict[str, Price]):
    """The prices of several questions, by name, and of all of them together."""

    def __init__(self, prices: Mapping[str, Price], details: Mapping[str, Any]) -> None:
        super().__init__(prices)
        self.details = dict(details)

    @property
    def share(self) -> float:
        """The part of the budget that all of them cost: less than the sum if they are about groups kept apart."""
        return float(self.details["share"])

    @property
    def share_left(self) -> float:
        """The part of the budget that is left, for the people whom these questions are about."""
        return float(self.details["share_left"])

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The prices in words."""
        each = [(name, "nothing" if price.is_free else _cost(price.share)) for name, price in self.items()]
        together = [("together", _cost(self.share)), ("share left", shares.percent(self.share_left))]
        return [*each, *together, *(("", text) for text in [str(self.details["unaffordable"])] if text)]

    def __repr__(self) -> str:
        lines = (f"  {name}: {value}" if name else f"  {value}" for name, value in self.facts)
        return "\n".join(["Shares of the budget", *lines])

    def _repr_html_(self) -> str:
        return cards.facts("Shares of the budget", self.facts)


def _cost(share: float) -> str:
    return shares.percent(share) if share <= 1 else shares.of_budget(share)


def _outcome(figure: Mapping[str, Any], tries: int) -> str:
    """Return what became of a figure in tries on the mock data: half the width of its interval, or noise alone."""
    if not figure["released"]:
        return "lost in noise"
    often = f"in {figure['released']} of {tries} tries"
    half = figure["half_width_95"]
    return often if half is None else f"± {half:.3g} {often}"
