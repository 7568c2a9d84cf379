"""Code on mock data on the portal: what it did in blocks, what its answer costs, and asking for the answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from weir import cards, limits
from weir.codereports import CodePrice, CodeReport
from weir.errors import NotOffered, RunFailed
from weir.things import Thing, Things, checked_id
from weir.waits import Wait, waited

if TYPE_CHECKING:
    from weir.codeanswers import CodeAnswer
    from weir.transport import Transport

OPEN = frozenset({"waiting", "running"})


class CodeTrial(Thing):
    """Code that was tried on mock data. `.report` says what it did, `.price` what its answer costs.

    trial = table.try_code(code, epsilon=1); answer = trial.release()
    """

    path = "code-trials/"
    _asked = ""
    """The id of the answer that was asked for last."""
    shown = ("state", "dataset", "blocks", "created_at")

    @property
    def text(self) -> str:
        """What is asked, in words."""
        return str(self.details["in_words"])

    @property
    def again(self) -> str:
        """How to come back to it, as code."""
        return f"portal.datasets[{self.details['dataset']['name']!r}].trials[{self.id!r}]"

    def wait(self) -> CodeTrial:
        """Wait until it was tried. Raises RunFailed, with the traceback, for code that gave no answer.

        Ctrl-C leaves the trial alone.
        """
        wait = Wait(
            f"trial:{self.id}", self._address, "mock blocks", self.again, lambda found: found["state"] not in OPEN,
            lambda found: str(found["state"]), is_held=False, part=lambda found: float(found["progress"]),
        )  # fmt: skip
        self.details = dict(waited(self._transport, wait, self.details, quiet=self._quiet))
        if self.state == "failed":
            report = self.report
            told = [str(report.details["why"]) or "The code could not be tried.", *report.tracebacks]
            raise RunFailed("\n".join(told), code="TRIAL_FAILED")
        return self

    def stop(self) -> CodeTrial:
        """Stop it. Nothing is kept of it."""
        return self._act("stop")

    @property
    def report(self) -> CodeReport:
        """What the code did on mock data."""
        found = self._detail("report")
        if not found:
            raise NotOffered("This code is still being tried. Wait for it: trial.wait().")
        return CodeReport(found, self._shape)

    @property
    def price(self) -> CodePrice:
        """What its answer would cost, as of when the trial was read: `trial.refresh().price` is the price now.

        Raises NotOffered if it cannot be asked.
        """
        if self.state in OPEN:
            raise NotOffered("This code is still being tried. Wait for it: trial.wait().")
        found = self._detail("price")
        if not found:
            raise NotOffered(
                f"{self.report.details['why'] or _UNPRICED.format(slot=self.report.slot)} "
                "Try it again: table.try_code(…)."
            )
        return CodePrice(self.text, found, self._shape)

    def release(self) -> CodeAnswer:
        """Ask, wait until the answer is there and return it. This spends your budget; the same code again is free.

        The answer comes at a time that is fixed in advance, so that its speed tells nothing. Ctrl-C does not take it
        back: call it again to wait for the same answer. As long as its turn has not come, `withdraw` takes it back.
        """
        from weir.online import answer_of  # noqa: PLC0415 -- it makes trials

        if limits.is_limited():
            price = self.refresh().price
            limits.check(0.0 if price.is_free else price.share)
        made = self._transport.create(f"{self._address}answers/").content
        charged = 0.0 if made.get("stored") else float(made.get("share") or 0.0)
        limits.note(charged)  # before the wait, which may be interrupted
        self._asked = str(made["id"])
        wait = Wait(
            f"answer:{made['id']}", f"answers/{made['id']}/", self.text, "trial.release(), which costs nothing more",
            lambda found: found["state"] != "pending", _when, is_held=False,
        )  # fmt: skip
        found = waited(self._transport, wait, made, quiet=self._quiet)
        if found["state"] == "voided":
            limits.note(-charged)
        return cast("CodeAnswer", answer_of(self.text, found, transport=self._transport))

    def withdraw(self) -> None:
        """Withdraw the answer that was asked for last, and get its charge back.

        Raises Conflict once its turn has come, and NotOffered if none was asked for.
        """
        if not self._asked:
            raise NotOffered(
                "No answer was asked for here. Withdraw it by its id: portal.answers.withdraw(…)."
            )
        self._transport.post(f"answers/{self._asked}/withdraw/")

    @property
    def _shape(self) -> dict[str, Any]:
        return dict(self.details["question"]["shape"])

    def __repr__(self) -> str:
        return "\n".join([f"CodeTrial: {self.text}, {self.state}", *map(repr, self._parts)])

    def _repr_html_(self) -> str:
        title = f"CodeTrial: {self.text}, {self.state}"
        return cards.card(title, *(part._repr_html_() for part in self._parts))

    @property
    def _parts(self) -> list[CodeReport | CodePrice]:
        """The report and the price, as far as they were read."""
        report, price = self.details.get("report"), self.details.get("price")
        return [
            *([CodeReport(report, self._shape)] if report else []),
            *([CodePrice("Price", price, self._shape)] if price else []),
        ]


class CodeTrials(Things[CodeTrial]):
    """Your code that was tried with one budget, the newest first: iterate over it, or take a trial by its id."""

    def __init__(self, transport: Transport, budget: str, *, quiet: bool = False) -> None:
        super().__init__(
            transport,
            f"budgets/{budget}/code-trials/",
            lambda found: CodeTrial(transport, found, quiet=quiet),
        )

    def __getitem__(self, id: str) -> CodeTrial:  # noqa: A002 -- its name everywhere
        """Return one by its id."""
        return self._make(self._transport.get(f"{CodeTrial.path}{checked_id(id)}/"))

    def __repr__(self) -> str:
        return "CodeTrials: iterate over them, or take one by its id"


_UNPRICED = (
    "It cannot be asked as it was tried: the data or your budget has changed since, or the blocks would take too long "
    "altogether, {slot:.3g} s each. Make the code faster, or ask for fewer blocks."
)


def _when(found: Mapping[str, Any]) -> str:
    """Return when an answer will be there, on this machine's clock."""
    if not found.get("deadline"):
        return "waits for its turn"
    there = datetime.fromisoformat(str(found["deadline"]).replace("Z", "+00:00")).astimezone()
    return f"is computed, there at {there:%H:%M:%S}"
