"""Promises and budgets, as their owners look after them, and requests for larger budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weir import shares
from weir.access import Grant
from weir.errors import NotFound
from weir.things import Thing, checked_id
from weir.transport import Transport


class TopUp(Thing):
    """A request for a larger budget."""

    path = "top-ups/"
    shown = ("reason", "decision_note", "created_at")

    def __repr__(self) -> str:
        return f"TopUp: ε = {float(self.details['epsilon']):.3g} for {self.details['scientist']['name']}, {self.state}"

    def grant(self, note: str = "") -> TopUp:
        """Enlarge the budget as asked."""
        return self._act("decide", {"grant": True, "note": note})

    def decline(self, note: str) -> TopUp:
        """Decline it. The scientist reads the note."""
        return self._act("decide", {"grant": False, "note": note})


class Budget(Thing):
    """What one scientist may spend on one dataset.

    budget = dataset.give_budget(scientist, epsilon=1.0); budget.change(2.0); budget.close("The project has ended.")
    """

    path = "budgets/"
    shown = ("dataset", "mode", "created_at", "closed_at")

    @property
    def epsilon(self) -> float:
        return float(self.details["epsilon"])

    @property
    def share_used(self) -> float:
        """The part that is used, in the worst case over all groups of people: 1 is everything."""
        return float(self.details["share_used"])

    @property
    def scientist(self) -> str:
        return str(self.details["scientist"]["name"])

    def change(self, epsilon: float) -> Budget:
        """Set the size of the whole budget, with what is used already."""
        read = self._transport.call("GET", self._address)
        self.details = dict(self._transport.patch(self._address, {"epsilon": epsilon}, read.etag))
        return self

    def close(self, reason: str) -> Budget:
        """Close it. The scientist reads the reason."""
        return self._act("close", {"reason": reason})

    def ask_for_more(self, epsilon: float, reason: str) -> TopUp:
        """Ask the owner for a larger budget: of this epsilon altogether."""
        body = {"epsilon": epsilon, "reason": reason}
        return TopUp(self._transport, self._transport.create(f"{self._address}top-ups/", body).content)

    def __repr__(self) -> str:
        closed = ", closed" if self.details.get("closed_at") else ""
        return f"Budget: ε = {self.epsilon:.3g} for {self.scientist}, {shares.percent(self.share_used)} used{closed}"


class BudgetVerbs:
    """The part of a dataset that its owner answers for with a promise."""

    _transport: Transport
    details: dict[str, Any]

    @property
    def _owned(self) -> str:
        return f"datasets/{self.details['id']}/"

    @property
    def promise(self) -> dict[str, Any] | None:
        """What you have promised to everybody in the data, and what is left of it. None if you have not."""
        try:
            return dict(self._transport.get(f"{self._owned}promise/"))
        except NotFound:
            return None

    def protect(
        self,
        *,
        epsilon: float,
        people: int,
        scientists: int = 3,
        constants: Sequence[str] = (),
        rows: Mapping[str, int] | None = None,
    ) -> dict[str, Any]:
        """Let the dataset answer automatically. A promise is made once, and cannot be weakened or taken back.

        `epsilon`: for everybody together and for ever. `people`: about how many the data is about, which becomes
        public. `scientists`: how many may share it. `constants`: columns that never change for the same person.
        `rows`: about how many, by table, if that may be public.
        """
        body = {
            "epsilon": epsilon, "people": people, "scientists": scientists, "constants": list(constants),
            "rows": dict(rows or {}),
        }  # fmt: skip
        return dict(self._transport.create(f"{self._owned}promise/", body).content)

    @property
    def budgets(self) -> list[Budget]:
        """The budgets for it that you may see."""
        found = self._transport.items("budgets/", dataset=str(self.details["id"]))
        return [Budget(self._transport, each) for each in found]

    def give_budget(self, scientist: Grant | str, epsilon: float | None = None) -> Budget:
        """Give a scientist with access a budget. Without `epsilon`, it is one of the equal budgets.

        `scientist`: their access, as in `dataset.grants`, or their id.
        """
        person = scientist.person_id if isinstance(scientist, Grant) else checked_id(scientist)
        body = {"scientist": person, **({} if epsilon is None else {"epsilon": epsilon})}
        return Budget(self._transport, self._transport.create(f"{self._owned}budgets/", body).content)

    @property
    def ledger(self) -> list[dict[str, Any]]:
        """Every charge: who asked what, when, and what it cost."""
        return list(self._transport.items(f"{self._owned}ledger/"))
