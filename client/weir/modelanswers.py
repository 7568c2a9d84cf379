"""Models that were released: their weights, how well they predict people kept for the test, and predictions."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from weir import cards
from weir.answers import Answer, MockAnswer
from weir.frames import frame_or_arrays

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_SHOWN = 12


class HeldOut:
    """How well a model predicts the people on whom it was not trained: figures with 95 % intervals.

    `held_out["auc"]` is a figure, `held_out.interval("auc")` its interval, `.measures` has all of them.
    """

    __slots__ = ("details",)

    def __init__(self, details: Mapping[str, Any]) -> None:
        self.details = details

    @property
    def people(self) -> float | None:
        """The noisy number of people kept for the test."""
        found: float | None = self.details["people"]["value"]
        return found

    @property
    def measures(self) -> dict[str, float | None]:
        """The figures by name, such as accuracy and auc, or r_squared and rmse; None if lost in noise."""
        return {each["name"]: each["value"] for each in self.details["measures"]}

    def __getitem__(self, name: str) -> float | None:
        return self.measures[name]

    def interval(self, name: str) -> tuple[float | None, float | None]:
        """Return the ends of the 95 % interval of a figure."""
        return _ends({each["name"]: each for each in self.details["measures"]}[name])

    @property
    def calibration(self) -> Any:
        """What was predicted and what happened: a DataFrame, or a dict of lists without pandas.

        A line for each range of predictions, `from` to `to`, with the number of `people` in it, its middle as
        `predicted`, the `observed` mean, and half of the width of its 95 % interval.
        """
        lines = self.details["calibration"]
        names = list(dict.fromkeys(name for line in lines for name in line))
        return frame_or_arrays({name: [line.get(name) for line in lines] for name in names})

    @property
    def confusion(self) -> npt.NDArray[np.float64] | None:
        """How many people have each value, and which was predicted. Shape (value, predicted); None if no choice."""
        found = self.details.get("confusion")
        return None if found is None else np.array(found, dtype=np.float64)

    @property
    def lines(self) -> list[tuple[str, str, str]]:
        """The figures in words, with their intervals."""
        found = []
        for each in [{**self.details["people"], "name": "people"}, *self.details["measures"]]:
            low, high = _ends(each)
            interval = "" if low is None or high is None else f"{low:.4g} to {high:.4g}"
            value = "lost in noise" if each["value"] is None else f"{each['value']:.4g}"
            found.append((str(each["name"]).replace("_", " "), value, interval))
        return found

    def __repr__(self) -> str:
        return "\n".join(
            ["On people kept for the test:", *("  " + "  ".join(line).rstrip() for line in self.lines)]
        )

    def _repr_html_(self) -> str:
        return cards.card(
            "On people kept for the test", cards.table(("figure", "", "95 % interval"), self.lines)
        )


class ModelAnswer(Answer):
    """A model that was released.

    `predict(frame)` applies it to rows of your own, `.weights` has its weights, `.held_out` how well it predicts people
    kept for the test, and `.to_sklearn()` an estimator of scikit-learn. It is for prediction: its weights have no
    intervals.

    >>> from weir import demo
    >>> t = demo.table()
    >>> model = t.fit.additive("wage", on=["education", "region"], bins=4).mock()
    >>> model.predict({"education": [8, 18], "region": ["north", "west"]}).round(1).tolist()
    [21.3, 31.5]
    """

    __slots__ = ()

    @property
    def model(self) -> dict[str, Any]:
        """The model as it was released, as JSON values: `predict` uses nothing else."""
        return copy.deepcopy(dict(self.result["model"]))

    @property
    def weights(self) -> Any:
        """The weight of each value: a DataFrame, or a dict of lists without pandas.

        In units of the outcome; of log-odds for a condition, and of the logarithm of the number of events. A model with
        hidden layers has no such weights, but `.model["layers"]`.
        """
        by = list(self.result["by"])
        lines = self.result["lines"]
        keys = {name: [line["key"][place] for line in lines] for place, name in enumerate(by)}
        return frame_or_arrays({**keys, "weight": [line["figures"][0]["value"] for line in lines]})

    @property
    def held_out(self) -> HeldOut | None:
        """How well it predicts the people on whom it was not trained. None if there were none: test_share=0."""
        found = self.result["model"]["held_out"]
        return None if found is None else HeldOut(found)

    def predict(self, frame: Any) -> npt.NDArray[np.float64]:
        """Return the prediction for each row of a DataFrame, an Arrow table, or a dict of arrays. Shape (rows,).

        That is the probability of the condition, the number to expect, or the number of events to expect; of a column
        with several values an array of shape (rows, values), in the order of `.classes`.

        The columns are those of `.model["features"]`, by their names; compute expressions before. Numbers are moved
        into the bounds. A value that is missing or not declared gets the weight of missing values: 0 where no value
        was missing. Raises NotOffered if a column is missing, or has no numbers where the model needs them.
        """
        from weir import prediction  # noqa: PLC0415 -- it brings the language of questions

        return prediction.predict(self.result["model"], frame)

    def to_sklearn(self) -> Any:
        """Return the model as an estimator of scikit-learn, fitted: predict, predict_proba and score.

        It takes DataFrames, or arrays with the columns in the order of `feature_names_in_`. `fit` refuses: wrap it in
        sklearn.frozen.FrozenEstimator where something would fit it again. Raises NotOffered without scikit-learn.
        """
        from weir.estimators import estimator  # noqa: PLC0415 -- what needs no estimator is done without it

        return estimator(self.result["model"])

    @property
    def classes(self) -> list[str]:
        """The values between which a multinomial model decides; none for others."""
        return list(self.result["model"]["classes"])

    @property
    def _is_single(self) -> bool:
        return False

    def __repr__(self) -> str:
        lines = [f"{self._prefix}{self.text}", *(f"  {line}" for line in self._facts)]
        return "\n".join([*lines, *self._shown, *self.notes])

    def _repr_html_(self) -> str:
        weights = cards.table((*self.result["by"], "weight"), self._lines())
        held_out = cards.table(("on people kept for the test", "", "95 % interval"), self._held_out_lines)
        return cards.card(
            f"{self._prefix}{self.text}",
            cards.sentences(self._facts),
            held_out if self._held_out_lines else "",
            weights if self.result["lines"] else "",
            cards.sentences(self._below),
        )

    @property
    def _held_out_lines(self) -> list[tuple[str, str, str]]:
        return [] if self.held_out is None else self.held_out.lines

    @property
    def _facts(self) -> list[str]:
        """How it was trained, in sentences."""
        model = self.result["model"]
        training = model["training"]
        layers = [len(layer["bias"]) for layer in model.get("layers") or ()][:-1]
        units = f", {' and '.join(map(str, layers))} hidden units" if layers else ""
        people = f"{training['people']:,.0f} people in {training['steps']} steps"
        return [f"{model['family']} model{units}, trained on about {people}"]

    @property
    def _shown(self) -> list[str]:
        figures = ["  " + "  ".join(each for each in line if each) for line in self._held_out_lines]
        lines = [
            "  " + "  ".join(str(part) for part in line if str(part)) for line in self._lines()[:MOST_SHOWN]
        ]
        many = len(self.result["lines"]) - MOST_SHOWN
        more = [f"  … and {many:,} more, see .weights"] if many > 0 else []
        return [*figures, *lines, *more]


class MockModelAnswer(MockAnswer, ModelAnswer):
    """What a model is on the mock rows: trained here, without noise, and no statement about anybody."""

    __slots__ = ()


def _ends(figure: Mapping[str, Any]) -> tuple[float | None, float | None]:
    value, half = figure.get("value"), figure.get("half_width")
    if figure.get("low") is not None or value is None:
        return figure.get("low"), figure.get("high")
    return (None, None) if half is None else (value - half, value + half)
