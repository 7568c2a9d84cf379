"""A study of this portal with two others, which are played, and a scientist with a budget at each."""

from uuid import uuid4

import numpy as np
from django.utils import timezone

from privacy import services as privacy_services
from privacy.engine.language.query import Count, Query
from privacy.engine.measure.contributions import CAP
from privacy.models import Budget
from studies import documents as study_documents
from studies import queries
from studies.models import Leg, Part
from studies.services import joint_answers, leg_work, passes, quotes, standings
from studies.services.standings import Standing
from tests import make
from tests.makers import studies as makers
from tests.makers.datasets import PEOPLE
from tests.studies.players import Player

COUNT = Query(table="wages", measure=Count(), by=("region",))


class Scene:
    """A study of this portal with two others, and a scientist with a budget at each."""

    def __init__(self, portals, relies_on=()):
        dataset = makers.offered()
        others = sorted((portals(), portals()), key=lambda each: each.url)
        others[0].name, others[1].name = "Hospital B", "Hospital C"
        peers = [other.peer() for other in others]
        self.study = makers.study(*peers, dataset=dataset, relies_on=[others[k].url for k in relies_on])
        self.spec = study_documents.read_study(self.study.document).table
        self.players = [Player(other, self.spec, people(k + 1)) for k, other in enumerate(others)]
        self.dataset, self.scientist = dataset, make.scientist()
        make.grant(dataset, self.scientist)
        privacy_services.give_budget(dataset.promise, self.scientist, by=dataset.owner, epsilon=3.0)

    @property
    def budget(self):
        return Budget.objects.get(scientist=self.scientist)

    def standings(self, **changes):
        """`changes`: of what the other portals tell."""
        found = standings.own(self.study, self.scientist)
        home = Standing(
            url=queries.own_member(self.study).url, name="Hospital A", is_home=True, trouble=found.trouble,
            public_size=found.public_size, mu=found.budget.mu, left=found.budget.left, delta=found.budget.delta,
            noise_delta=found.budget.noise_delta, relies_on=found.relies_on,
        )  # fmt: skip
        fields = {"trouble": "", "public_size": PEOPLE, "mu": 1.0, "left": CAP, "delta": 1e-6, "noise_delta": 1e-6,
                  "is_home": False, **changes}  # fmt: skip
        others = [Standing(url=each.portal.url, name=each.portal.name, **fields) for each in self.players]
        return [home, *others]

    def quote(self, query=COUNT, *, known=None, **price):
        price = price or {"error": 60.0}
        return quotes.quote(self.study, query, by=self.scientist, known=known or self.standings(), **price)

    def ask(self, query=COUNT, *, key=None, **price):
        quoted = self.quote(query, **price)
        return joint_answers.ask(self.study, quoted, key=key or uuid4(), by=self.scientist)


def people(seed):
    """A few people of another portal, with the bounds of the study."""
    rng = np.random.default_rng(seed)
    return [
        [
            {
                "year": int(1990 + year),
                "region": ["east", "north", "west", None][int(rng.integers(4))],
                "wage": float(rng.integers(0, 50_000)),
            }
            for year in range(int(rng.integers(1, 4)))
        ]
        for _ in range(10 * seed)
    ]


def own_people():
    """The people of `makers.offered` as the study has them."""
    return [
        [
            {
                "year": 1990 + year,
                "region": ("east", "north", "west")[person % 3],
                "wage": 31_337.0 if not person + year else 1_000.0 + 7 * (person * 4 + year),
            }
            for year in range(4)
        ]
        for person in range(PEOPLE)
    ]


def lead(answer, most=12):
    """Make passes until nothing more is to do, with the worker between them; pauses are skipped."""
    for _ in range(most):
        Part.objects.filter(answer=answer).update(tried_at=None)
        if passes.advance(answer.pk) is None:
            break
        for leg in Leg.objects.filter(state=Leg.State.COMPUTING):
            leg_work.compute(str(leg.pk))
            Leg.objects.filter(pk=leg.pk, state=Leg.State.READY).update(visible_at=timezone.now())
    answer.refresh_from_db()
    return answer
