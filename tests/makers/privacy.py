"""Datasets with a promise, and budgets, for tests."""

from uuid import UUID, uuid4

from accounts.models import User
from datasets.models import Dataset
from privacy.engine.accounting import gdp_mu
from privacy.engine.plan.cells import Domain
from privacy.models import Answer, Batch, Budget, Promise
from privacy.services import batches, questions
from tests.makers import accounts, datasets


def promise(
    dataset: Dataset | None = None,
    *,
    epsilon: float = 4.0,
    delta: float = 1e-6,
    public_size: int = datasets.PEOPLE,
) -> Promise:
    """Make a promise for a dataset whose only public cells are its regions."""
    domain = Domain(columns=("region",), labels=(("east", "north", "west"),))
    return Promise.objects.create(
        dataset=dataset or datasets.dataset(),
        epsilon=epsilon,
        delta=delta,
        mu=gdp_mu(epsilon, delta),
        public_size=public_size,
        constants=["region"],
        domain={"columns": list(domain.columns), "labels": [list(labels) for labels in domain.labels]},
    )


def budget(promise_: Promise | None = None, scientist: User | None = None, *, epsilon: float = 1.0) -> Budget:
    """Give a scientist a budget from a promise."""
    found = promise_ or promise()
    return Budget.objects.create(
        promise=found, scientist=scientist or accounts.scientist(), mu=gdp_mu(epsilon, found.delta)
    )


PEOPLE_COUNTED = "SELECT COUNT(DISTINCT person) FROM wages"


def answer(budget_: Budget, text: str = PEOPLE_COUNTED, *, epsilon: float = 5.0) -> Answer:
    """Ask a question that no worker has taken yet."""
    by = budget_.scientist
    quoted = questions.quote(budget_, questions.read_sql(budget_, text).query, by=by, epsilon=epsilon)
    return questions.ask(budget_, quoted, key=uuid4(), by=by, text=text)


def batch(budget_: Budget, *texts: str, key: UUID | None = None, **price: float) -> Batch:
    """Ask several questions in one call, each at this price, that no worker has taken yet."""
    by, budget_ = budget_.scientist, Budget.objects.get(pk=budget_.pk)
    wishes = [batches.Wish(said=questions.read_sql(budget_, text), **price) for text in texts]
    quoted = batches.quote_many(budget_, wishes, by=by)
    return batches.ask_many(budget_, quoted, key=key or uuid4(), by=by)
