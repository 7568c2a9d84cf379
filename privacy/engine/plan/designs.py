"""Designs: what each row adds to an answer and how far one subject can move it, from public declarations alone.

A design has one vector per output cell. A row adds its coordinates to the vector of its cell; a subject's whole
contribution, over all cells together, is clipped to the L2 norm `clip`. Means are centred on the middle m of the
bounds and scaled by their half width h, with a weight KAPPA on the count coordinate: releasing
(sum (x - m)/h, KAPPA n) together costs less than releasing a sum and a count separately.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, pairwise

from privacy.engine.language.bounds import (
    LIMITED,
    Interval,
    bounds,
    check_filter,
    check_groups,
    check_number,
    check_readable,
)
from privacy.engine.language.expressions import Binary, Constant, Expression, Power, Predicate, check_size
from privacy.engine.language.learning import Fit, SyntheticTable
from privacy.engine.language.query import (
    MAX_BINS,
    MAX_CELLS,
    MAX_EDGES,
    MAX_FEATURES,
    MAX_KEYS,
    MAX_QUANTILES,
    MAX_SUBJECT_KEYS,
    Correlation,
    Count,
    CountSubjects,
    Covariance,
    Distribution,
    Histogram,
    KeyCounts,
    Mean,
    PersonQuantiles,
    Quantiles,
    Query,
    Regression,
    StandardDeviation,
    Sum,
    Variance,
)
from privacy.engine.language.schema import LARGEST_VALUE, ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.measure.contributions import ANY, MEAN, SUM
from privacy.engine.measure.prefixes import longest_step
from privacy.engine.plan.caps import groups_of_a_person, rows_that_count
from privacy.engine.plan.fits import FitPlan, plan_fit
from privacy.engine.plan.persons import as_quantiles, person_table
from privacy.engine.plan.searches import Grid, grid_of, span
from privacy.engine.plan.tables import SECOND, TABLE_RELEASES, TablePlan, design_table

KAPPA = math.sqrt(0.5)
JUST_MORE = 1 + 2.0**-29
LARGEST_SUM = 1e280
"""A sum up to this stays finite with any noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A key of a group-by: a column and its public values, in order.

    `first`: the number that is stored for the first of them; the others follow it in steps of 1.
    """

    column: str
    labels: tuple[str, ...]
    first: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """A key of a histogram: an expression and the edges of its bins."""

    of: Expression
    edges: tuple[float, ...]

    @property
    def many(self) -> int:
        return len(self.edges) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """An expression scaled to [-1, 1]: (x - middle) / half."""

    of: Expression
    middle: float
    half: float

    @property
    def unit(self) -> Expression:
        return Binary("/", Binary("-", self.of, Constant(self.middle)), Constant(self.half))


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What one row adds (`coordinates`), how a subject's rows combine (`mode`), and the clip of a subject's vector.

    `releases`: how often noise is drawn on a vector of that clip. Each release costs the same.
    """

    coordinates: tuple[Expression, ...]
    clip: float
    mode: int = SUM
    groups: tuple[Group, ...] = ()
    releases: int = 1
    scales: tuple[Scale, ...] = ()
    grid: Grid | None = None
    """For searches: where they can end."""
    bins: Bins | None = None
    """For histograms: the bins within each group."""
    tables: TablePlan | None = None
    """For synthetic tables: what is counted."""
    joined: int = 1
    """How many of the releases may be drawn as one, with so much less noise."""
    model: FitPlan | None = None
    """For models: their features and weights."""

    @property
    def cells(self) -> int:
        groups = math.prod(len(group.labels) for group in self.groups)
        return groups * self.bins.many if self.bins else groups


def design(query: Query, table: TableSpec) -> Design:  # noqa: C901 -- one case a kind
    """Check a query against the declarations and plan it. Raises QueryRefused with the reason; reads no rows."""
    check_source(query.table, query.where, table)
    rows = rows_that_count(query, table)
    groups = _groups(query, table)
    match query.measure:
        case Count() | CountSubjects() | KeyCounts():
            return _counts(query.measure, rows, groups, table)
        case Sum(of):
            return _sum(of, rows, groups, table)
        case Mean() | Variance() | StandardDeviation() | Covariance():
            return _moments(query.measure, rows, groups, table)
        case Histogram():
            return _histogram(query.measure, rows, groups, table)
        case Quantiles() | PersonQuantiles() | Distribution():
            return _order(query.measure, rows, groups, table)
        case Regression() | Correlation():
            return _gram(query.measure, rows, groups, table)
        case Fit():
            return _model(plan_fit(query.measure, table))
        case SyntheticTable():
            tables, one = design_table(query, query.measure, table), (Constant(1.0),)
            return Design(coordinates=one, clip=1.0, releases=TABLE_RELEASES, tables=tables, joined=SECOND)


def _counts(
    measure: Count | CountSubjects | KeyCounts, rows: int, groups: tuple[Group, ...], table: TableSpec
) -> Design:
    one = (Constant(1.0),)
    match measure:
        case Count():
            return Design(coordinates=one, clip=float(rows), groups=groups)
        case CountSubjects():
            return Design(coordinates=one, clip=_reach(groups, rows, table), mode=ANY, groups=groups)
        case KeyCounts():
            return _keys(measure, groups, table)


def check_source(name: str, where: Predicate | None, table: TableSpec) -> None:
    """Raise QueryRefused unless `name` is this table's, it declares people, and it allows the filter."""
    if name != table.name:
        raise QueryRefused(f"There is no table “{name[:100]}” here. The table is called {table.name}.")
    if not table.subject:
        raise QueryRefused(
            f"The table {table.name} does not declare which person each row is about, so it cannot be asked "
            "automatically. Submit code for review instead."
        )
    if where is not None:
        check_size(where)
        check_filter(where, table)


def _first(spec: ColumnSpec) -> int:
    """Return the number that is stored for the first group: keys are stored as codes from 0, numbers as they are."""
    return 0 if spec.is_key else int(spec.lower)


def _groups(query: Query, table: TableSpec) -> tuple[Group, ...]:
    if len(query.by) > MAX_KEYS or len(set(query.by)) != len(query.by):
        raise QueryRefused(f"Group by at most {MAX_KEYS} columns, each once.", place="query.by")
    specs = [table.column(name) for name in query.by]
    for spec in specs:
        check_groups(spec)
    groups = tuple(Group(column=spec.name, labels=spec.groups, first=_first(spec)) for spec in specs)
    if math.prod(len(group.labels) for group in groups) > MAX_CELLS:
        raise QueryRefused(
            f"This makes more than {MAX_CELLS:,} groups. Group by fewer columns.", place="query.by"
        )
    return groups


def _reach(groups: tuple[Group, ...], rows: int, table: TableSpec) -> float:
    """Return the norm of a vector of ones over all groups that one subject can be in."""
    return math.sqrt(min(rows, groups_of_a_person((group.column for group in groups), table)))


def _scale(
    of: Expression, table: TableSpec, within: Callable[[Expression, TableSpec], Interval] = bounds
) -> Scale:
    check_size(of)
    interval = within(of, table)
    middle = interval.lower / 2 + interval.upper / 2
    half = interval.upper / 2 - interval.lower / 2
    if interval.magnitude > LARGEST_VALUE or 0 < half < 1 / LARGEST_VALUE:
        raise QueryRefused(
            f"The values of this expression can lie between {interval.lower:g} and {interval.upper:g}: too large, or "
            f"too close together, for floating-point arithmetic. {LIMITED}."
        )
    return Scale(of=of, middle=middle, half=half if half > 0 else 1.0)


def _keys(measure: KeyCounts, groups: tuple[Group, ...], table: TableSpec) -> Design:
    spec = table.column(measure.column)
    check_readable(spec)
    if spec.kind != Kind.TEXT:
        raise QueryRefused(
            f"“{spec.name}” is not a text column. Group by it, or count people with a condition."
        )
    if groups:
        raise QueryRefused(
            "Counts of undeclared values cannot be grouped by another column. Leave out the grouping."
        )
    if not 1 <= measure.keys <= MAX_SUBJECT_KEYS:
        raise QueryRefused(f"Each person can count with 1 to {MAX_SUBJECT_KEYS} of their values.")
    return Design(coordinates=(Constant(1.0),), clip=1.0)


def _sum(of: Expression, rows: int, groups: tuple[Group, ...], table: TableSpec) -> Design:
    check_size(of)
    reach = bounds(of, table).magnitude * rows
    if reach > LARGEST_SUM or 0 < reach < 1 / LARGEST_SUM:
        raise QueryRefused(
            f"This sum can become too large, or is too small, for a floating-point number. {LIMITED}."
        )
    return Design(coordinates=(of,), clip=reach if reach > 0 else 1.0, groups=groups)


def _histogram(measure: Histogram, rows: int, groups: tuple[Group, ...], table: TableSpec) -> Design:
    """Plan a count for each bin of each group.

    A row adds 1 to one cell or to none, so that a person's vector over all cells is at most as long as it has rows:
    exactly that long if all of them are in one bin.
    """
    check_size(measure.of)
    bounds(measure.of, table)
    for edge in measure.edges:
        check_number(edge)
    if not 2 <= len(measure.edges) <= MAX_EDGES:
        raise QueryRefused(f"A histogram needs 2 to {MAX_EDGES} edges.")
    if max(map(abs, measure.edges)) > LARGEST_VALUE:
        raise QueryRefused(
            f"The edges of a histogram must lie between {-LARGEST_VALUE:g} and {LARGEST_VALUE:g}."
        )
    if any(other - one < 1 / LARGEST_VALUE for one, other in pairwise(measure.edges)):
        raise QueryRefused("The edges of a histogram must rise: each above the one before it.")
    bins = Bins(of=measure.of, edges=measure.edges)
    plan = Design(coordinates=(Constant(1.0),), clip=float(rows), groups=groups, bins=bins)
    if plan.cells > MAX_CELLS:
        raise QueryRefused(
            f"This makes more than {MAX_CELLS:,} bins in all groups. Use fewer bins or group by fewer columns."
        )
    return plan


def _moments(
    measure: Mean | Variance | StandardDeviation | Covariance,
    rows: int,
    groups: tuple[Group, ...],
    table: TableSpec,
) -> Design:
    """Plan sums of numbers scaled to [-1, 1] and of their products, with a weight of KAPPA on the number of rows.

    Each coordinate of a row is at most 1 (or KAPPA), so a row adds a vector of at most sqrt(2 + KAPPA^2) for a variance
    and sqrt(3 + KAPPA^2) for a covariance; all rows of a person, by the triangle inequality, so many times that.
    """
    if isinstance(measure, Covariance):
        x, y = _scale(measure.x, table), _scale(measure.y, table)
        return Design(
            coordinates=(x.unit, y.unit, Binary("*", x.unit, y.unit), Constant(KAPPA)),
            clip=rows * math.sqrt(3 + KAPPA**2),
            groups=groups,
            scales=(x, y),
        )
    scale = _scale(measure.of, table)
    if isinstance(measure, Variance | StandardDeviation):
        return Design(
            coordinates=(scale.unit, Power(scale.unit, 2), Constant(KAPPA)),
            clip=rows * math.sqrt(2 + KAPPA**2),
            groups=groups,
            scales=(scale,),
        )
    reach = _reach(groups, rows, table) if measure.per_subject else float(rows)
    return Design(
        coordinates=(scale.unit, Constant(KAPPA)),
        clip=reach * math.sqrt(1 + KAPPA**2),
        mode=MEAN if measure.per_subject else SUM,
        groups=groups,
        scales=(scale,),
    )


def _order(
    measure: Quantiles | PersonQuantiles | Distribution,
    rows: int,
    groups: tuple[Group, ...],
    table: TableSpec,
) -> Design:
    if isinstance(measure, PersonQuantiles):
        plan = _order(as_quantiles(measure), 1, groups, person_table(measure, table))
        return replace(plan, clip=plan.clip * JUST_MORE)  # so that nobody is clipped, which would take longer
    if groups:
        raise QueryRefused(
            "Quantiles and distributions cannot be grouped: each group would need its own search, at the full price. "
            "Ask about one group at a time with a condition. If the column never changes for the same person, "
            "questions about different groups do not use up each other's budget.",
            place="query.by",
        )
    scale = _scale(measure.of, table, span if isinstance(measure, Quantiles) else bounds)
    if isinstance(measure, Distribution):
        if not 2 <= measure.bins <= MAX_BINS:
            raise QueryRefused(f"A distribution needs 2 to {MAX_BINS} bins.")
        clip = rows * longest_step(measure.bins)
        return Design(coordinates=(Constant(1.0),), clip=clip, scales=(scale,))
    if not 0 < len(measure.at) <= MAX_QUANTILES or not all(0 < share < 1 for share in measure.at):
        raise QueryRefused(f"Ask for 1 to {MAX_QUANTILES} quantiles, each above 0 and below 1.")
    weight = max(max(share, 1 - share) for share in measure.at)
    grid = grid_of(measure.of, table)
    return Design(
        coordinates=(Constant(weight),),
        clip=rows * weight,
        releases=grid.steps * len(measure.at),
        scales=(scale,),
        grid=grid,
    )


def _model(plan: FitPlan) -> Design:
    """Plan a release for each step and the number of people: a person adds vectors of at most ONE."""
    return Design(
        coordinates=(Constant(1.0),),
        clip=1.0,
        mode=MEAN,
        releases=plan.releases,
        model=plan,
        joined=plan.releases,
    )


def _gram(
    measure: Regression | Correlation, rows: int, groups: tuple[Group, ...], table: TableSpec
) -> Design:
    """Plan the Gram matrix of z = (1, x.., y), each scaled to [-1, 1].

    Its upper half, with off-diagonals times sqrt 2, has the norm ||z||^2 <= len(z) for one row.
    """
    if groups:
        raise QueryRefused(
            "Regressions and correlations cannot be grouped. Ask about one group at a time with a condition.",
            place="query.by",
        )
    parts = (
        (measure.x, measure.y) if isinstance(measure, Correlation) else (*measure.features, measure.target)
    )
    if not 2 <= len(parts) <= MAX_FEATURES + 1:
        raise QueryRefused(f"A regression needs 1 to {MAX_FEATURES} explaining columns.")
    if isinstance(measure, Regression) and (
        len(measure.names) != len(measure.features) or len(set(measure.names)) != len(measure.names)
    ):
        raise QueryRefused("Give each explaining column of the regression a different name.")
    scales = tuple(_scale(part, table) for part in parts)
    z = (Constant(1.0), *(scale.unit for scale in scales))
    coordinates = tuple(
        Binary("*", a, b) if a is b else Binary("*", Constant(math.sqrt(2)), Binary("*", a, b))
        for a, b in combinations_with_replacement(z, 2)
    )
    return Design(coordinates=coordinates, clip=float(rows * len(z)), scales=scales)
