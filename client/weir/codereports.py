"""What code did on mock data in blocks, and what its answer would cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weir import cards, shares
from weir.prices import Price

_ROWS = "all rows", "middle half of the blocks", "bias of blocks", "error with noise"
"""The columns of the table of numbers."""
_EACH = "each number"


class CodeReport:
    """What code did on mock data, in blocks as its answer would. It says nothing about the private rows.

    `shape`: what the code is declared to return, as JSON.
    """

    __slots__ = ("details", "shape")

    def __init__(self, details: Mapping[str, Any], shape: Mapping[str, Any]) -> None:
        self.details, self.shape = dict(details), dict(shape)

    @property
    def failed(self) -> float:
        """The part of the blocks that gave no answer: they failed, or took too long."""
        run = int(self.details["run"])
        return (int(self.details["failed"]) + int(self.details["late"])) / run if run else 1.0

    @property
    def slowest(self) -> float:
        """The seconds of the slowest block. A private block gets `slot` seconds."""
        return float(self.details["slowest"])

    @property
    def slot(self) -> float:
        """The seconds that a private block gets. Beyond them, it gives no answer."""
        return float(self.details["slot"])

    @property
    def whole(self) -> dict[str, float]:
        """The answer over all mock rows, by name. Of vectors and votes, see `details["whole"]`."""
        return self._by_name("whole")

    @property
    def bias(self) -> dict[str, float]:
        """By how much the mean of the blocks differs from the answer over all mock rows, by name; of numbers alone."""
        return self._by_name("bias")

    @property
    def error(self) -> dict[str, float]:
        """The root mean square of noisy answer less the answer over all mock rows, by name; of numbers alone."""
        return self._by_name("error")

    @property
    def curve(self) -> list[dict[str, Any]]:
        """The same with other numbers of `blocks`: choose one with table.try_code(code, blocks=…)."""
        return [dict(each) for each in self.details["curve"]]

    @property
    def tracebacks(self) -> list[str]:
        """Of the first blocks that failed. Their lines are those of `code.source`."""
        return [str(each).rstrip() for each in self.details["tracebacks"]]

    def _by_name(self, part: str) -> dict[str, float]:
        """Return a part of the report on a box. Vectors and votes have no names there."""
        if not self._names:
            return {}
        return dict(zip(self._names, self.details[part], strict=True)) if self.details[part] else {}

    @property
    def _names(self) -> list[str]:
        return list(self.shape.get("names", ()))

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The report in words, without its tables."""
        found = self.details
        run = f"{found['run']:,} with about {found['people_each']:.0f} people each"
        failed, late = found["failed"], found["late"]
        missing = f"{failed} failed, {late} took too long" if failed or late else "none"
        facts = [
            ("mock blocks", run),
            ("without an answer", missing),
            ("slowest block", f"{self.slowest:.3g} s; a private block gets {self.slot:.3g} s"),
        ]
        if found["clamped"]:
            facts.append(("answers out of bounds", shares.percent(float(found["clamped"]))))
        return [*facts, *self._compared]

    @property
    def _compared(self) -> list[tuple[str, str]]:
        """How blocks and noisy answers compare with the answer over all mock rows, of vectors and votes."""
        found = self.details
        if self._names or not found["bias"]:
            return []
        ((bias,), (error,)) = found["bias"], found["error"]
        if "labels" not in self.shape:
            return [
                ("distance of the blocks’ mean from all rows", _text(bias)),
                ("distance of a noisy answer", _text(error)),
            ]
        return [
            ("all rows vote for", str(self.shape["labels"][int(found["whole"][0])])),
            ("blocks that vote so", shares.percent(bias)),
            ("noisy answers that do", shares.percent(error)),
        ]

    @property
    def tables(self) -> list[tuple[tuple[str, ...], list[list[str]]]]:
        """The tables of a report on numbers: their names and lines. Vectors and votes have none."""
        found = self.details
        if not found["quartiles"]:
            return []
        parts = (found["whole"], found["quartiles"], found["bias"], found["error"])
        numbers = [
            [name, _text(whole), f"{_text(ends[0])} to {_text(ends[-1])}", _text(bias), _text(error)]
            for name, whole, ends, bias, error in zip(self._names, *parts, strict=True)
        ]
        other = [[f"{each['blocks']:,}", *map(_text, each["error"])] for each in self.curve]
        told: list[tuple[tuple[str, ...], list[list[str]]]] = [(("", *_ROWS), numbers)]
        return [*told, (("error with other blocks", *self._names), other)] if other else told

    def __repr__(self) -> str:
        lines = [f"  {name}: {value}" for name, value in self.facts]
        for names, rows in self.tables:
            lines += _aligned([list(names), *rows])
        return "\n".join(["On mock data", *lines, *self.tracebacks, *self._why])

    def _repr_html_(self) -> str:
        tables = [cards.table(names, rows) for names, rows in self.tables]
        texts = [cards.text(each) for each in self.tracebacks]
        return cards.facts("On mock data", self.facts, *tables, *texts, cards.sentences(self._why))

    @property
    def _why(self) -> list[str]:
        return [str(self.details["why"])] if self.details["why"] else []


class CodePrice(Price):
    """What an answer by tried code would cost, and when it would be there. Nothing has been spent."""

    __slots__ = ("names", "rounds")

    def __init__(self, text: str, details: Mapping[str, Any], shape: Mapping[str, Any]) -> None:
        super().__init__(text, details)
        self.names = list(shape.get("names") or shape.get("labels") or [_EACH])
        self.rounds = int(shape.get("rounds", 1))

    @property
    def noise(self) -> dict[str, float | None]:
        """Half of the 95 % interval of the noise alone, at most, by name; None where only the data could tell.

        Of a vector in rounds, it is that of one round. The report has the error on mock data, which includes what comes
        from cutting people into blocks.
        """
        found = self.details["noise_half_width_95"]  # all numbers of a vector have the same
        return dict(zip(self.names, found[:1] if self.names == [_EACH] else found, strict=True))

    @property
    def error(self) -> float | None:
        """The largest `noise`; None where only the data could tell."""
        found = [half for half in self.noise.values() if half is not None]
        return max(found) if len(found) == len(self.noise) else None

    @property
    def seconds(self) -> float:
        """From the start of its turn to the answer, whatever the blocks do."""
        return float(self.details["seconds"])

    @property
    def blocks(self) -> int:
        """Into how many blocks people are cut."""
        return int(self.details["blocks"])

    @property
    def method(self) -> str:
        """How the answers of blocks become one: mean, winsorised, median, ball or votes."""
        return str(self.details["method"])

    @property
    def refusal(self) -> str:
        """Why it cannot be asked like this, or empty."""
        return str(self.details["refusal"])

    @property
    def more_like_this(self) -> int:
        """How many such answers what is left pays for."""
        return int(self.share_left / self.share)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The price in words."""
        every = list(self.noise.items())
        told = [(_EACH, every[0][1])] if len({half for _, half in every}) == 1 < len(every) else every
        once = " in one round" if self.rounds > 1 else ""
        noise = [(f"noise of {name}{once} (95 %)", _at_most(half)) for name, half in told]
        paid = [fact for fact in super().facts if not fact[0].startswith("error")]
        return [
            ("the answer is", f"{self.details['how']} ({self.blocks:,} blocks)"),
            *noise,
            ("there in", f"{self.seconds:.0f} s from when its turn comes, whatever happens"),
            *paid,
        ]

    @property
    def notes(self) -> list[str]:
        """What to know before it is asked, in sentences."""
        why = "" if self.is_free else self.refusal
        left_out = "Some people may be left out, because their limit is reached."
        return [*filter(None, [why, left_out if self.details["mode"] == "extended" else ""])]


def _at_most(half: float | None) -> str:
    return "depends on the data, and comes with the answer" if half is None else f"± {half:.4g} at most"


def _text(value: float) -> str:
    return f"{value:.4g}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]
