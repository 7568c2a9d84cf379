"""Questions in words, and expressions as the Python that makes them."""

from __future__ import annotations

from weir import grammar as g
from weir import learning as le

_PYTHON = {"=": "=="}
_FUNCTIONS = {"abs": "np.abs", "exp": "np.exp", "log": "np.log", "sqrt": "np.sqrt"}


def question(query: g.Query, name: str = "") -> str:
    """Return a question in words: "mean of wage where year > 1984, by region, in wages"."""
    text = measure(query.measure, name)
    if query.where is not None:
        text += f" where {condition(query.where)}"
    if query.by:
        text += f", by {' and '.join(query.by)}"
    if query.rows is not None:
        text += f", at most {query.rows} row{'' if query.rows == 1 else 's'} of a person"
    return f"{text}, in {query.table}"


def measure(item: g.Measure, name: str = "") -> str:
    """Return what is measured, in words."""
    if isinstance(item, (g.Count, g.CountSubjects, g.KeyCounts)):
        return _counted(item)
    if isinstance(item, (le.Fit, le.SyntheticTable)):
        return _learned(item)
    if isinstance(item, g.Mean):
        return f"{name or 'mean'} of {expression(item.of)}{', each person counting once' if item.per_subject else ''}"
    if isinstance(item, (g.Sum, g.Variance, g.StandardDeviation, g.Distribution, g.Histogram)):
        return f"{name or g.kind_of(type(item)).replace('_', ' ')} of {expression(item.of)}"
    if isinstance(item, (g.Quantiles, g.PersonQuantiles)):
        return f"{_quantiles(item.at)} of {_of_people(item)}"
    if isinstance(item, g.Regression):
        return f"regression of {expression(item.target)} on {', '.join(item.names)}"
    return f"{type(item).__name__.lower()} of {expression(item.x)} and {expression(item.y)}"


def _counted(item: g.Count | g.CountSubjects | g.KeyCounts) -> str:
    if isinstance(item, g.Count):
        return "number of rows"
    return "number of people" + (f" by {item.column}" if isinstance(item, g.KeyCounts) else "")


def _learned(item: le.Fit | le.SyntheticTable) -> str:
    if isinstance(item, le.SyntheticTable):
        focus = f", focused on {item.focus}" if item.focus else ""
        return f"synthetic table of {', '.join(item.columns)}{focus}"
    names = ", ".join(le.feature_name(feature) for feature in item.features)
    units = f" with {' and '.join(map(str, item.hidden))} hidden units" if item.hidden else ""
    return f"{FAMILIES[type(item.outcome)]} model{units} of {outcome(item.outcome)} on {names}"


FAMILIES: dict[type, str] = {
    le.YesNo: "logistic", le.Amount: "linear", le.Events: "Poisson", le.Choice: "multinomial",
}  # fmt: skip


def outcome(item: le.Outcome) -> str:
    """Return what a model predicts, in words."""
    if isinstance(item, le.YesNo):
        return condition(item.condition)
    return item.column if isinstance(item, le.Choice) else expression(item.of)


def _of_people(item: g.Quantiles | g.PersonQuantiles) -> str:
    if isinstance(item, g.Quantiles):
        return expression(item.of)
    return "rows for each person" if item.of is None else f"the sums of {expression(item.of)} for each person"


def _quantiles(at: tuple[float, ...]) -> str:
    return (
        "median"
        if at == (0.5,)
        else f"quantile{'s' if len(at) > 1 else ''} {', '.join(f'{q:g}' for q in at)}"
    )


def expression(node: g.Expression) -> str:
    """Return an expression as Python."""
    if isinstance(node, g.Column):
        return node.name
    if isinstance(node, g.Constant):
        return f"{node.value:.15g}"
    if isinstance(node, g.Binary):
        return f"{_inner(node.left)} {node.op} {_inner(node.right)}"
    if isinstance(node, g.Unary):
        return f"-{_inner(node.of)}" if node.op == "-" else f"{_FUNCTIONS[node.op]}({expression(node.of)})"
    if isinstance(node, g.Power):
        return f"{_inner(node.base)}**{node.exponent}"
    if isinstance(node, g.Clip):
        return f"{_inner(node.of)}.clip({_end(node.lower)}, {_end(node.upper)})"
    return f"np.where({condition(node.condition)}, {expression(node.then)}, {expression(node.otherwise)})"


def _inner(node: g.Expression) -> str:
    text = expression(node)
    loose = isinstance(node, g.Binary) or (isinstance(node, g.Unary) and node.op == "-")
    return f"({text})" if loose else text


def _end(value: float) -> str:
    return "None" if abs(value) >= g.WIDE else f"{value:.15g}"


def condition(node: g.Predicate) -> str:
    """Return a condition as Python."""
    if isinstance(node, g.Compare):
        return f"{_inner(node.left)} {_PYTHON.get(node.op, node.op)} {_inner(node.right)}"
    if isinstance(node, g.In):
        one = f"{node.column} == {node.values[0]!r}"
        return one if len(node.values) == 1 else f"{node.column}.isin({list(node.values)!r})"
    if isinstance(node, g.IsNull):
        return f"{node.column}.isna()"
    if isinstance(node, g.Not):
        return f"~({condition(node.of)})"
    return (" & " if isinstance(node, g.And) else " | ").join(f"({condition(part)})" for part in node.parts)
