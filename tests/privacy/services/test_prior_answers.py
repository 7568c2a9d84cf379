"""The error of a mean is told before, from what its scientist knows already, and asking for it costs no more than it
takes."""

from uuid import uuid4

import numpy as np
import pytest

from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from privacy import services
from privacy.engine.accounting import gdp_mu
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Count, CountSubjects, Mean, Query
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.plan.designs import design
from privacy.engine.plan.pricing import at_least, off_middle, offer_for_error
from privacy.engine.release import measure, table_from_columns
from privacy.execution import lifecycle
from privacy.models import Answer, Budget, Promise
from privacy.services import questions
from tests import make
from tests.makers.datasets import PEOPLE, YEARS

ROWS = PEOPLE * YEARS
OF_1991 = "SELECT AVG(wage) FROM wages WHERE year >= 1991"
COUNT_1991 = "SELECT COUNT(*) FROM wages WHERE year >= 1991"


# Simulated tables


def simulated(kind):
    """(table, people): ages of one row a person, or amounts with a long tail of which some people have many."""
    draw = np.random.default_rng(8)
    people = 20_000
    if kind == "ages":
        upper, most, sizes = 90.0, 1, np.ones(people, np.int64)
        values = np.clip(17 + draw.gamma(2.6, 8.3, people), 17, upper)
    else:
        upper, most = 400_000.0, 20
        sizes = np.clip(draw.geometric(0.2, people), 1, most)
        values = np.clip(draw.lognormal(7, 1.5, int(sizes.sum())), 0, upper)
    lower = 17.0 if kind == "ages" else 0.0
    column = ColumnSpec(name="x", kind=Kind.NUMBER, lower=lower, upper=upper, nullable=False)
    spec = TableSpec(name="t", subject="p", columns={"x": column}, max_rows=most)
    rows = Rows(spec, {"x": Values(values, np.ones(len(values), bool))}, len(values))
    return table_from_columns(rows, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)), people


def told(query, table, error, size=None, off=1.0):
    plan = design(query, table.rows.table)
    offer = offer_for_error(query, plan, error, gdp_mu(50, 1e-6), size, off)
    (line,) = measure(query, table).release(offer.sigma, None).lines
    return {figure.name: figure for figure in line.figures}, offer


@pytest.mark.parametrize("kind", ["ages", "amounts"])
@pytest.mark.parametrize("per_person", [False, True])
def test_the_interval_that_comes_is_the_one_that_was_asked_for(kind, per_person):
    """Numbers of rows that are known to 1 % and means to 1 % of their bounds move an interval by less than 5 % unless
    twenty standard deviations of the noise come together."""
    table, people = simulated(kind)
    counted = CountSubjects() if per_person else Count()
    mean = Query(table="t", measure=Mean(Column("x"), per_subject=per_person))
    scale = design(mean, table.rows.table).scales[0]
    n = told(Query(table="t", measure=counted), table, people / 100)[0]["count"]
    safe = at_least(n.value, n.half_width)
    first, worst_case = told(mean, table, scale.half / 100, safe)
    assert first["mean"].half_width <= 1.05 * scale.half / 100
    assert worst_case.units <= told(mean, table, scale.half / 100, people)[1].units * 1.1
    asked = scale.half / 200
    off = off_middle(scale, first["mean"].value, first["mean"].half_width)
    second, _ = told(mean, table, asked, at_least(first["n"].value, first["n"].half_width), off)
    assert 0.5 * asked <= second["mean"].half_width <= 1.05 * asked


def test_rows_that_are_not_known_cost_many_times_as_much():
    """As it was: rows are people, and the mean lies at the end of its bounds."""
    table, people = simulated("amounts")
    mean = Query(table="t", measure=Mean(Column("x")))
    blind = told(mean, table, 4000, people)[1].units
    assert blind > 15 * told(mean, table, 4000, table.rows.length)[1].units


def test_a_count_that_the_noise_may_have_made_is_no_number_of_rows():
    assert at_least(100.0, 25.0) == 75.0
    assert at_least(99.0, 25.0) is None
    assert at_least(0.5, 0.01) is None
    assert at_least(-500.0, 1.0) is None


# With everything


@pytest.fixture
def budget(db, settings):
    settings.ANSWER_SECONDS = 0.001
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=2
    )
    return services.give_budget(made, scientist, by=data.owner, epsilon=35)


def quote(budget, query, **price):
    query = questions.read_sql(budget, query).query if isinstance(query, str) else query
    return questions.quote(budget, query, by=budget.scientist, **(price or {"epsilon": 3.0}))


def ask(budget, query, *, key=None, **price):
    quoted = quote(budget, query, **price)
    return questions.ask(budget, quoted, key=key or uuid4(), by=budget.scientist)


def computed(answer):
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    return answer


def test_a_filtered_mean_is_quoted_once_its_scientist_has_counted(budget):
    assert (quote(budget, OF_1991).half_width, quote(budget, OF_1991).basis) == (None, None)
    with pytest.raises(Refused, match="Count them first"):
        quote(budget, OF_1991, error=500)
    waiting = ask(budget, COUNT_1991, epsilon=30)
    assert quote(budget, OF_1991).basis is None
    count = computed(waiting)
    found = quote(budget, OF_1991, error=2000)
    figure = count.result["lines"][0]["figures"][0]
    assert (found.basis.source, found.basis.answer, found.basis.size) == ("count", count, figure["value"])
    assert found.basis.at_least == figure["value"] - figure["half_width"]
    assert found.half_width == pytest.approx(2000, rel=1e-6)
    # Wages may be missing, so that the number of rows is no bound.
    assert not found.basis.is_bound
    # Other conditions, other rows a person: another number.
    assert quote(budget, OF_1991.replace("1991", "1992")).basis is None
    capped = Query(table="wages", measure=Mean(Column("wage")), where=found.query.where, rows=1)
    assert quote(budget, capped).basis is None


def test_people_are_a_number_of_rows_too_and_that_of_means_of_people(budget):
    people = computed(ask(budget, COUNT_1991.replace("*", "DISTINCT person"), epsilon=10))
    where = questions.read_sql(budget, OF_1991).query.where
    for per_person in (False, True):
        query = Query(table="wages", measure=Mean(Column("wage"), per_subject=per_person), where=where)
        found = quote(budget, query).basis
        assert (found.answer, found.of_people) == (people, True)


def test_an_error_is_about_so_much_where_people_may_be_missing(budget):
    text = "SELECT AVG(year) FROM wages"
    assert quote(budget, text).basis.is_bound
    Budget.objects.filter(pk=budget.pk).update(extended=True)
    Promise.objects.filter(pk=budget.promise_id).update(extended_allowed=True)
    left_out = Budget.objects.get(pk=budget.pk)
    assert left_out.may_leave_out
    assert not quote(left_out, text).basis.is_bound


def test_rows_are_no_number_of_people(budget):
    computed(ask(budget, COUNT_1991, epsilon=30))
    where = questions.read_sql(budget, OF_1991).query.where
    query = Query(table="wages", measure=Mean(Column("wage"), per_subject=True), where=where)
    assert quote(budget, query).basis is None


def test_nobody_else_s_answers_and_no_other_revision_s_are_read(budget):
    data = budget.promise.dataset
    other = make.scientist()
    make.grant(data, other)
    theirs = services.give_budget(budget.promise, other, by=data.owner, epsilon=20)
    computed(ask(theirs, COUNT_1991, epsilon=18))
    assert quote(theirs, OF_1991).basis is not None
    assert quote(budget, OF_1991).basis is None
    make.next_revision(data)
    assert quote(theirs, OF_1991).basis is None


def test_an_earlier_mean_tells_how_many_rows_and_where_it_lies(budget):
    text = "SELECT AVG(wage) FROM wages"
    before = quote(budget, text, epsilon=3)
    assert (before.basis.source, before.basis.size) == ("published", PEOPLE)
    answer = computed(ask(budget, text, epsilon=25))
    mean, n = answer.result["lines"][0]["figures"]
    after = quote(budget, text, epsilon=3)
    assert (after.basis.source, after.basis.answer, after.basis.size) == ("mean", answer, n["value"])
    assert after.basis.off == pytest.approx(
        min(1, (abs(mean["value"] - 25_000) + mean["half_width"]) / 25_000)
    )
    assert after.half_width < before.half_width


def test_an_error_agreed_to_is_charged_once_whatever_is_known_afterwards(budget):
    """The answer itself says more of its rows than was known before: the same wish is another noise then."""
    text, key = "SELECT AVG(wage) FROM wages", uuid4()
    quoted = quote(budget, text, error=9000)
    answer = computed(ask(budget, text, error=9000, key=key))
    assert answer.sigma == quoted.offer.sigma
    assert answer.line.units == quoted.offer.units
    assert quote(budget, text, error=9000).offer.sigma != answer.sigma
    used = Budget.objects.get(pk=budget.pk).units_used
    assert ask(budget, text, error=9000, key=key) == answer
    assert answer.result["lines"][0]["figures"][0]["half_width"] <= 9000
    assert ask(budget, text, error=9000) == answer
    assert Budget.objects.get(pk=budget.pk).units_used == used
    assert Answer.objects.count() == 1
    with pytest.raises(Conflict, match="used for another question"):
        ask(budget, text, error=5000, key=key)


def test_published_rows_are_typed_and_stand_for_whole_tables(budget):
    promise, text = budget.promise, "SELECT AVG(wage) FROM wages"
    with pytest.raises(Denied):
        services.publish_rows(promise, {"wages": ROWS}, by=budget.scientist)
    for bad in ({"other": 5}, {"wages": 0}, {"wages": 10**13}):
        with pytest.raises(Refused, match="how many rows each table"):
            services.publish_rows(promise, bad, by=promise.dataset.owner)
    blind = quote(budget, text).half_width
    services.publish_rows(promise, {"wages": 10 * PEOPLE}, by=promise.dataset.owner)
    assert Entry.objects.filter(action="protection.rows_published").count() == 1
    budget = Budget.objects.get(pk=budget.pk)
    found = quote(budget, text)
    assert (found.basis.source, found.basis.size, found.basis.of_people) == ("published", 10 * PEOPLE, False)
    assert found.half_width == pytest.approx(blind / 10)
    assert quote(budget, OF_1991).basis is None
    # One row of a person: at least the part of them that one is of the most that a person has, and one a person.
    one = Query(table="wages", measure=Mean(Column("wage")), rows=1)
    most = found.spec.max_rows
    assert quote(budget, one).basis.at_least == max(PEOPLE, 10 * PEOPLE / most)
    more = Query(table="wages", measure=Mean(Column("wage")), rows=10 * most)
    assert quote(budget, more).basis.at_least == 10 * PEOPLE, "a cap raised makes no more rows"
    services.publish_rows(promise, {}, by=promise.dataset.owner)
    assert quote(Budget.objects.get(pk=budget.pk), text).basis.size == PEOPLE
