"""A study of this portal and another one, with a scientist who can ask at both: for pages and the REST API."""

from typing import Any

from privacy import services as privacy_services
from privacy.engine.measure.contributions import CAP
from studies import documents, words
from tests import make
from tests.makers import studies as makers
from tests.makers.datasets import PEOPLE
from tests.network.portals import Portal
from tests.studies.players import Player
from tests.studies.scenes import people

COUNT = "SELECT region, COUNT(*) FROM wages GROUP BY region"


class Together:
    """A study founded here, which another portal has joined. `trouble`: why that one does not answer."""

    def __init__(self, other: Portal) -> None:
        self.other, self.peer = other, other.peer()
        self.dataset = makers.offered()
        self.owner = self.dataset.owner
        self.study = makers.study(self.peer, dataset=self.dataset)
        self.player = Player(other, documents.read_study(self.study.document).table, people(3))
        self.scientist = make.scientist(name="Sci Entist")
        make.grant(self.dataset, self.scientist)
        privacy_services.give_budget(self.dataset.promise, self.scientist, by=self.owner, epsilon=3.0)
        self.trouble, self.told = "", self.study.members.get(url=other.url).dataset
        other.answers["POST", f"/net/1/studies/{self.study.pk}/standing"] = lambda _: self.stand.document

    @property
    def stand(self) -> words.Stand:
        budget = words.Allowance(mu=1.0, left=CAP, delta=1e-6, noise_delta=1e-6)
        return words.Stand(
            takes_part=True,
            dataset=self.told,
            dataset_title="Wages of B",
            public_size=PEOPLE,
            trouble=self.trouble,
            budget=None if self.trouble else budget,
            relies_on=(),
        )


def asked(**more: Any) -> dict[str, Any]:
    """A question as the page sends it."""
    return {"source": "sql", "sql": COUNT, "goal": "share", "share": "10", **more}
