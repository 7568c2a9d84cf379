"""Code from a function to its answer with the client, on the running portal and through the real sandbox."""

from types import SimpleNamespace

import pytest

import weir
from privacy.models import Budget
from tests import make
from tests.client.live import AUTHOR, signed_in
from tests.makers import privacy as shares
from tests.makers.datasets import wage_rows

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.sandbox]
PEOPLE = 900


@pytest.fixture
def budget() -> Budget:
    data, scientist = make.dataset(name="wages", rows=wage_rows(people=PEOPLE, years=2)), make.scientist()
    make.grant(data, scientist)
    promise = shares.promise(data, epsilon=50.0)
    promise.public_size = PEOPLE
    promise.save()
    return shares.budget(promise, scientist, epsilon=40.0)


@weir.code(answers={"wage": (0, 50_000), "rows": (0, 4)}, method="mean")
def main(t):
    return [t.wage.mean(), len(t) / t.person.nunique()]


def test_from_a_function_to_an_answer(live: SimpleNamespace, budget: Budget):
    with signed_in(live, (budget.scientist, AUTHOR)) as (portal,):
        data = portal.datasets["wages"]
        wages = data.tables["wages"]
        assert set(main.run_locally(wages)) == {"wage", "rows"}
        trial = wages.try_code(main, epsilon=20)
        assert (trial.report.failed, trial.report.tracebacks) == (0.0, [])
        half = trial.price.error or 0.0
        assert trial.price.noise == pytest.approx({"wage": half, "rows": half / 12_500})
        assert not trial.price.is_free
        answer = trial.release()
        assert abs(answer["wage"] - 7_300) < 2.5 * half + 1_000
        assert answer.record["blocks"] == trial.price.blocks
        assert data.budget.share_used == pytest.approx(trial.price.share)
        assert trial.refresh().price.is_free
        assert trial.release().value.tolist() == answer.value.tolist()
        with pytest.raises(weir.Conflict):
            trial.withdraw()
        assert [each.id for each in data.trials] == [trial.id]
        with pytest.raises(weir.RunFailed, match=r"(?s)line 2.*salary"):
            wages.try_code(weir.code("def main(t):\n    return t.salary\n", votes=["a", "b"]), share=0.1)
        with pytest.raises(weir.Refused, match="20 blocks"):
            wages.try_code(main, share=0.1, people=300)
