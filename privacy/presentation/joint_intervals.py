"""The coverage of an answer's intervals, each alone and all together, in words for its page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from privacy.engine.plan import joint
from privacy.presentation import words


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Joint coverage: `several` intervals of each kind of figure hold together when they are `factor` times as wide.

    `widths`: by kind, half the joint width if it is the same for all; None where widths differ and need a column.
    """

    several: int
    factor: float
    widths: Mapping[str, float | None]

    def has_column(self, name: str) -> bool:
        return name in self.widths and self.widths[name] is None

    def half(self, figure: Mapping[str, Any]) -> str:
        """Return half the joint width of one figure's interval, as text; empty where it is unknown."""
        half = figure["half_width"]
        return "" if half is None else _shown(half * self.factor)

    def sentence(self, unit: str) -> str:
        """Return the sentence on the page. `unit`: the unit where there is only one kind of figure."""
        which = " of a column" if len(self.widths) > 1 else ""
        text = (
            f"On its own, each is a 95 % interval. All {self.several:,}{which} hold together with 95 % confidence if "
            f"they are {words.sized(self.factor, up=True)} times as wide"
        )
        if None in self.widths.values():
            text += f", as under “± all {self.several:,}”"
        for name, half in self.widths.items():
            if half is not None:
                text += _each(name, _shown(half)) if which else f": ± {_shown(half)} {unit}"
        return f"{text.rstrip()}."


def _each(name: str, half: str) -> str:
    return (
        f"; for the rows that is ± {half} rows" if name == "n" else f"; {words.figure_name(name)}: ± {half}"
    )


def together(result: Mapping[str, Any]) -> Together | None:
    """Return the joint coverage of an answer's intervals, or None unless there are several."""
    factor = joint.factor_of(result)
    if factor is None:
        return None
    halves: dict[str, list[float]] = {}
    for line in result["lines"]:
        for figure in line["figures"]:
            if figure["half_width"] is not None and figure["name"] not in joint.ALONE:
                halves.setdefault(figure["name"], []).append(figure["half_width"])
    widths = {
        name: each[0] * factor if max(each) - min(each) <= 1e-9 * max(each) else None
        for name, each in halves.items()
    }
    return Together(several=len(result["lines"]), factor=factor, widths=widths)


def _shown(half: float) -> str:
    return words.shown(half, words.places(half))
