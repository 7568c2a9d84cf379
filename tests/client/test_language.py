"""What columns understand: each use, and what it means in Python."""

import numpy as np
import pytest

from weir import Condition, NotOffered, Question, demo
from weir import grammar as g
from weir import learning as le

T = demo.table()
W, E, Y, R, U = T.wage, T.education, T.year, T.region, T.union


def text_of(question):
    return question.text


def measure_of(question):
    return question.measure


EXPRESSIONS = [
    (W + 1, "wage + 1"),
    (1 - W, "1 - wage"),
    (-W, "-wage"),
    (+W, "wage"),
    (W * E / 3, "(wage * education) / 3"),
    (W**2, "wage**2"),
    (W**0.5, "np.sqrt(wage)"),
    (W**1, "wage"),
    ((W + 1) ** -1, "1 / (wage + 1)"),
    (2**E, "np.exp(education * 0.693147180559945)"),
    (abs(W - 30), "np.abs(wage - 30)"),
    (np.abs(W - 30), "np.abs(wage - 30)"),
    (np.exp(E), "np.exp(education)"),
    (np.log(W + 1), "np.log(wage + 1)"),
    (np.log1p(W), "np.log(wage + 1)"),
    (np.log2(W + 1), "np.log(wage + 1) / 0.693147180559945"),
    (np.log10(W + 1), "np.log(wage + 1) / 2.30258509299405"),
    (np.expm1(E), "np.exp(education) - 1"),
    (np.sqrt(W), "np.sqrt(wage)"),
    (np.square(W), "wage**2"),
    (np.sign(W - 30), "np.where((wage - 30) > 0, 1, np.where((wage - 30) < 0, -1, (wage - 30).clip(0, 0)))"),
    (np.clip(W, 5, 40), "wage.clip(5, 40)"),
    (np.clip(W, 5, None), "wage.clip(5, None)"),
    (W.clip(upper=40), "wage.clip(None, 40)"),
    (W.clip(min=1, max=2), "wage.clip(1, 2)"),
    (np.maximum(W, 5), "wage.clip(5, None)"),
    (np.minimum(40, W), "wage.clip(None, 40)"),
    (np.where(Y > 1984, W, 0), "np.where(year > 1984, wage, 0)"),
    (np.where(U, 1, 2), "np.where(union == '1', 1, 2)"),
    (np.select([Y > 1986, Y > 1984], [W, 1], 0), "np.where(year > 1986, wage, np.where(year > 1984, 1, 0))"),
    (np.nan_to_num(W), "np.where(wage.isna(), 0, wage)"),
    (W.fillna(3), "np.where(wage.isna(), 3, wage)"),
    ((Y > 1984) * W, "np.where(year > 1984, 1, 0) * wage"),
    (np.add(W, 1), "wage + 1"),
    (np.true_divide(1, W + 1), "1 / (wage + 1)"),
]
CONDITIONS = [
    (W > 5, "wage > 5"),
    (W > 5, "wage > 5"),
    (W != 5, "wage != 5"),
    (W >= E, "wage >= education"),
    (R == "north", "region == 'north'"),
    (R != "north", "~(region == 'north')"),
    (R.isin(["north", "south"]), "region.isin(['north', 'south'])"),
    (np.isin(R, ["north"], invert=True), "~(region == 'north')"),
    (np.isin(Y, [1984, 1985]), "(year == 1984) | (year == 1985)"),
    (Y.between(1984, 1986), "(year >= 1984) & (year <= 1986)"),
    (U == True, "union == '1'"),  # noqa: E712 -- what people write
    (U == 0, "union == '0'"),
    (~U, "~(union == '1')"),
    (U & (W > 5), "(union == '1') & (wage > 5)"),
    ((W > 5) & U & (Y > 1984), "(wage > 5) & (union == '1') & (year > 1984)"),
    ((W > 5) | (Y > 1984), "(wage > 5) | (year > 1984)"),
    (~~(W > 5), "wage > 5"),
    ((W > 5) ^ (Y > 1984), "((wage > 5) & (~(year > 1984))) | ((~(wage > 5)) & (year > 1984))"),
    (W.isna(), "wage.isna()"),
    (np.isnan(W), "wage.isna()"),
    (np.isfinite(W), "~(wage.isna())"),
    (np.logical_and(W > 5, U), "(wage > 5) & (union == '1')"),
    (np.greater(5, W), "wage < 5"),
]
QUESTIONS = [
    (np.mean(W), g.Mean(g.Column("wage"))),
    (W.mean(axis=0, dtype=float), g.Mean(g.Column("wage"))),
    (np.nanmean(W), g.Mean(g.Column("wage"))),
    (np.average(W), g.Mean(g.Column("wage"))),
    (np.sum(W), g.Sum(g.Column("wage"))),
    (np.var(W), g.Variance(g.Column("wage"))),
    (np.std(W, ddof=0), g.StandardDeviation(g.Column("wage"))),
    (np.median(W), g.Quantiles(g.Column("wage"), (0.5,))),
    (np.quantile(W, [0.1, 0.9]), g.Quantiles(g.Column("wage"), (0.1, 0.9))),
    (np.percentile(W, 90), g.Quantiles(g.Column("wage"), (0.9,))),
    (T.born.median(), g.Quantiles(g.Column("born"), (0.5,))),
    (np.dot(W, E), g.Sum(g.Binary("*", g.Column("wage"), g.Column("education")))),
    (W @ E, g.Sum(g.Binary("*", g.Column("wage"), g.Column("education")))),
    (np.corrcoef(W, E), g.Correlation(g.Column("wage"), g.Column("education"))),
    (W.corr(E), g.Correlation(g.Column("wage"), g.Column("education"))),
    (np.cov(W, E, ddof=0), g.Covariance(g.Column("wage"), g.Column("education"))),
    (np.cov(W, E, bias=True), g.Covariance(g.Column("wage"), g.Column("education"))),
    (W.per_subject().mean(), g.Mean(g.Column("wage"), per_subject=True)),
    (W.per_subject().quantile(), g.PersonQuantiles(g.Column("wage"), (0.98,))),
    (T.rows_per_person(0.9), g.PersonQuantiles(None, (0.9,))),
    (T.employer.value_counts(3), g.KeyCounts("employer", 3)),
    (W.distribution(16), g.Distribution(g.Column("wage"), 16)),
    (
        T.fit.linear("wage", E, old=T.experience**2),
        g.Regression(
            g.Column("wage"),
            (g.Column("education"), g.Power(g.Column("experience"), 2)),
            ("education", "old"),
        ),
    ),
    (
        T.fit.poisson("experience", on=[E], bins=4),
        le.Fit(le.Events(g.Column("experience")), (le.NumberFeature("education", g.Column("education"), 4),)),
    ),
    (T.synthesize(["wage", E], focus=E, bins=8), le.SyntheticTable(("wage", "education"), 8, "education")),
    (T.count(), g.Count()),
    (T.count_people(), g.CountSubjects()),
    (E.count(), g.Count()),
]


@pytest.mark.parametrize(
    ("made", "text"), EXPRESSIONS, ids=lambda each: each if isinstance(each, str) else ""
)
def test_expressions(made, text):
    assert made.text == text
    low, high = made.bounds
    assert low <= high


@pytest.mark.parametrize(("made", "text"), CONDITIONS, ids=lambda each: each if isinstance(each, str) else "")
def test_conditions(made, text):
    assert isinstance(made, Condition)
    assert made.text == text


@pytest.mark.parametrize(("made", "measure"), QUESTIONS, ids=lambda each: type(each).__name__)
def test_questions(made, measure):
    assert isinstance(made, Question)
    assert (made.measure, made.query.where, made.by) == (measure, None, ())


def test_counts_of_values_leave_out_missing_ones():
    assert W.count().query.where == g.Not(g.IsNull("wage"))
    assert (W + 1).count().text == "number of rows where (wage + 1) >= 1, in wages"
    assert text_of(np.count_nonzero(W > 5)) == "number of rows where wage > 5, in wages"
    assert text_of(np.count_nonzero(W)) == "number of rows where wage != 0, in wages"


def test_filters_add_up_whether_they_are_written_on_the_table_or_on_the_column():
    both = g.And((g.Compare(">", g.Column("wage"), g.Constant(5.0)), g.In("region", ("north",))))
    kept = T[W > 5]
    for made in (
        T[W > 5][R == "north"],
        T[(W > 5) & (R == "north")],
        kept[kept.region == "north"],
        T.filter(W > 5, R == "north"),
    ):
        assert made.wage.mean().query.where == both
    assert W[W > 5][R == "north"].mean().query.where == both
    assert (kept.wage + kept.year).mean().query.where == both.parts[0]


def test_groups():
    grouped = T[W > 5].groupby(["region", U])
    assert grouped["wage"].mean().by == ("region", "union")
    assert grouped.wage.mean() == grouped[T[W > 5].wage].mean()
    assert grouped.count().query.where is not None
    several = grouped.agg(n=("wage", "count"), mean=("wage", "mean"))
    assert [(name, each.by) for name, each in several.items()] == [
        ("n", ("region", "union")),
        ("mean", ("region", "union")),
    ]
    assert R.value_counts().query == g.Query("wages", g.Count(), None, ("region",))


def test_histograms_return_their_edges_as_numpy_does():
    question, edges = np.histogram(W, bins=6)
    assert edges.tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert measure_of(question) == g.Histogram(g.Column("wage"), (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0))
    assert np.histogram(W, [0, 5, 60])[1].tolist() == [0, 5, 60]
    assert np.histogram(W, 2, range=(0, 10))[1].tolist() == [0, 5, 10]
    assert measure_of(np.bincount(E)).edges == tuple(k - 0.5 for k in range(22))


def test_rows_of_a_person():
    assert T.rows_of_a_person(2).wage.mean().query.rows == 2
    assert W.rows_of_a_person(3).sum().query.rows == 3


def test_a_question_is_too_complex_where_the_engine_says_so():
    found = W
    for _ in range(39):
        found += 1
    with pytest.raises(NotOffered, match="nested more than 40 levels"):
        found += 1
    condition = W > 0
    for _ in range(30):
        condition &= W > 0
    assert len(condition.as_test().node.parts) == 31
    assert condition.as_test().depth == 3


def test_equal_questions_have_equal_json():
    assert T[W > 5].wage.mean().to_wire() == {
        "table": "wages",
        "measure": {"kind": "mean", "of": {"kind": "column", "name": "wage"}, "per_subject": False},
        "where": {
            "kind": "compare",
            "op": ">",
            "left": {"kind": "column", "name": "wage"},
            "right": {"kind": "constant", "value": 5.0},
        },
        "by": [],
        "rows": None,
    }
