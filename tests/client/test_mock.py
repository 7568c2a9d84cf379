"""Answers on mock rows are what NumPy and pandas compute, but for what is said in the README."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from weir import NotOffered, Table, demo

MOCK = demo.mock()


@pytest.fixture(scope="module")
def t():
    return demo.table()


@pytest.fixture(scope="module")
def frame():
    return pd.DataFrame(MOCK)


def mocked(question):
    """NumPy's types do not know that its functions make questions of columns."""
    return question.mock()


def near(value):
    return pytest.approx(value, rel=1e-6)


def test_one_number(t, frame):
    wage, there = frame.wage, frame.wage.dropna()
    assert float(t.wage.mean().mock()) == near(wage.mean())
    assert float(t.wage.sum().mock()) == near(wage.sum())
    assert float(t.wage.var().mock()) == near(np.var(there))
    assert float(t.wage.std().mock()) == near(np.std(there))
    assert float(t.wage.count().mock()) == wage.count()
    assert float(t.count().mock()) == len(frame)
    assert float(t.count_people().mock()) == frame.person.nunique()
    assert float((t.wage > 20).mean().mock()) == near((wage > 20).mean())
    assert float((t.wage > 20).sum().mock()) == near((wage > 20).sum())
    assert float(mocked(np.count_nonzero(t.union))) == frame.union.sum()
    assert float(mocked(np.dot(t.education, t.experience))) == near(np.dot(frame.education, frame.experience))


def test_two_columns(t, frame):
    assert float(mocked(np.corrcoef(t.education, t.wage))) == near(frame.education.corr(frame.wage))
    there = frame.dropna(subset="wage")
    assert float(mocked(np.cov(t.education, t.wage, ddof=0))) == near(
        np.cov(there.education, there.wage, ddof=0)[0, 1]
    )
    fit = t.fit.linear("wage", "education", "experience").mock().value
    design = np.column_stack([np.ones(len(there)), there.education, there.experience])
    expected = np.linalg.lstsq(design, there.wage, rcond=None)[0]
    assert list(fit) == ["intercept", "education", "experience"]
    assert list(fit.values()) == near(expected)


def test_quantiles_are_values_of_the_column(t, frame):
    assert float(t.education.median().mock()) == np.quantile(frame.education, 0.5, method="inverted_cdf")
    found = np.quantile(t.experience, [0.1, 0.5, 0.9]).mock()
    assert (
        found.value.tolist() == np.quantile(frame.experience, [0.1, 0.5, 0.9], method="inverted_cdf").tolist()
    )
    assert [key for (key,) in found.keys] == ["0.1", "0.5", "0.9"]
    middle = np.quantile(frame.wage.dropna(), 0.5, method="inverted_cdf")
    assert float(t.wage.median().mock()) == pytest.approx(middle, abs=60 / 3600)
    born = t.born.median().mock()
    days = np.sort(frame.born.to_numpy())
    middle_day = days[(len(days) - 1) // 2].astype("datetime64[D]")
    assert abs(np.datetime64(born.value) - middle_day) <= np.timedelta64(2, "D")
    assert np.asarray(t.born.quantile([0.2, 0.8]).mock()).dtype == "datetime64[D]"


def test_groups_are_all_declared_values_in_their_order(t, frame):
    found = t.groupby(["region", "union"])["wage"].mean().mock()
    expected = (
        frame.assign(union=frame.union.astype(int).astype(str)).groupby(["region", "union"]).wage.mean()
    )
    assert found.keys == [(region, union) for region in ("north", "south", "east", "west") for union in "01"]
    assert {key: near(expected[key]) for key in found.keys} == dict(
        zip(found.keys, found.value.tolist(), strict=True)
    )
    empty = t[t.region == "north"].groupby("region").wage.mean().mock()
    assert np.isnan(empty.value).tolist() == [False, True, True, True]
    assert empty["south"] is None


def test_whole_numbers_with_few_values_are_groups(t, frame):
    found = t.groupby("year").wage.mean().mock()
    assert found.keys == [(str(year),) for year in range(1980, 1988)]
    expected = frame.groupby("year").wage.mean()
    assert {key: near(expected[int(key)]) for (key,) in found.keys} == dict(
        zip((key for (key,) in found.keys), found.value.tolist(), strict=True)
    )
    assert t.year.value_counts().mock().keys == found.keys


def test_filters(t, frame):
    kept = frame[(frame.year > 1984) & (frame.wage != 20)].dropna(subset="wage")
    assert float(t[(t.year > 1984) & (t.wage != 20)].count().mock()) == len(kept)
    assert float(np.mean(t.wage[t.year > 1984].clip(0, 30)).mock()) == near(kept.wage.clip(0, 30).mean())


def test_histograms(t, frame):
    question, edges = np.histogram(t.wage, bins=[0, 10, 20, 25, 60])
    assert mocked(question).value.tolist() == np.histogram(frame.wage.dropna(), edges)[0].tolist()
    assert (
        mocked(np.bincount(t.education)).value.tolist() == np.bincount(frame.education, minlength=21).tolist()
    )


def test_distributions(t, frame):
    found = t.experience.distribution(25).mock()
    assert found.value[-1] == 1
    assert found.value[4] == near((frame.experience < 10).mean())
    assert t.experience.distribution(5).mock().value[0] == near((frame.experience < 10).mean())


def test_people(t, frame):
    people = frame.groupby("person").wage.mean().dropna()
    assert float(t.wage.per_subject().mean().mock()) == near(people.mean())
    rows = frame.groupby("person").size()
    assert float(t.rows_per_person(0.5).mock()) == np.quantile(rows, 0.5, method="inverted_cdf")
    sums = frame.groupby("person").wage.sum()
    expected = np.quantile(sums, 0.873, method="inverted_cdf")
    assert float(t.wage.per_subject().quantile(0.873).mock()) == pytest.approx(expected, abs=480 / 3600)
    texts = t.employer.value_counts().mock()
    assert dict(texts.to_pandas()["count"]) == dict(frame.groupby("employer").person.nunique())


def test_people_with_more_rows_than_count_are_scaled_down_and_it_is_said(t, frame):
    found = t.rows_of_a_person(2).count().mock()
    assert float(found) == near(frame.groupby("person").size().clip(upper=2).sum())
    (note,) = found.notes
    assert note.startswith("200 of 200 people in the mock rows have more than counts in full")
    assert t.count().mock().notes == []
    narrow = t[t.year > 1985].count()
    assert float(narrow.mock()) == (frame.year > 1985).sum()


def test_mock_rows_come_as_arrow_pandas_or_arrays(t):
    expected = float(t.wage.mean().mock())
    frame = pd.DataFrame(MOCK)
    for data in (MOCK, frame, pa.table(frame), pa.RecordBatch.from_pandas(frame)):
        assert float(Table.offline(demo.DECLARATIONS, data).wage.mean().mock()) == expected
    with pytest.raises(NotOffered, match="no column “wage”"):
        Table.offline(demo.DECLARATIONS, {"person": [1]})
    with pytest.raises(NotOffered, match="no mock rows here"):
        Table.offline(demo.DECLARATIONS).wage.mean().mock()


def test_an_empty_table_and_a_filter_that_nobody_passes():
    empty = Table.offline(demo.DECLARATIONS, {name: values[:0] for name, values in MOCK.items()})
    asked = [
        empty.wage.mean(), empty.count(), empty.wage.std(), empty.wage.median(), empty.wage.distribution(4),
        np.corrcoef(empty.wage, empty.year), empty.fit.linear("wage", "year"), empty.employer.value_counts(),
        empty.rows_per_person(), empty.groupby("region").count(),
    ]  # fmt: skip
    for question in asked:
        question.mock()
    assert empty.wage.mean().mock().value is None
    assert float(empty.count().mock()) == 0


def test_the_mock_rows_themselves_can_be_had(t):
    assert t.mock_rows().num_rows == len(MOCK["wage"])


def test_several_questions(t):
    found = t.agg(n=t.count(), mean=t.wage.mean()).mock()
    assert {name: float(each) for name, each in found.items()} == {
        "n": float(t.count().mock()),
        "mean": float(t.wage.mean().mock()),
    }
    described = t.wage.describe().mock()
    assert list(described) == ["count", "mean", "std", "quartiles"]
    assert list(t.describe("wage", "year").each)[:2] == ["wage_count", "wage_mean"]
