"""Studies: one public table that several portals fill with rows of their own, and joint questions about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from weir import cards, limits, shares
from weir.declarations import TableSpec, listed, nearest, table_from_json
from weir.errors import NoSuchName, NotFound, NotOffered, WeirError
from weir.jointanswers import OPEN, PATH, JointAnswer, JointAnswers, joint_answer_of, turn
from weir.prices import AnyPrice
from weir.progress import Progress
from weir.things import Thing
from weir.transport import Transport

if TYPE_CHECKING:
    from weir.codetrials import CodeTrial
    from weir.mock.rows import MockRows
    from weir.questions import Question, Questions
    from weir.readings import Reading
    from weir.scopes import TermsByName
    from weir.tables import Table

WAIT = 20
MOST_WAITS = 40_000
"""How often one waits for a joint answer, 20 s each: longer than a plan can last."""
MOST_LISTED = 1000


class JointPrice(AnyPrice):
    """What a joint answer would cost at each portal, and the error to expect of the whole. Nothing has been spent."""

    __slots__ = ()

    @property
    def share(self) -> float:
        """The largest part of a budget that any portal charges."""
        return max((float(each["share"] or 0) for each in self.portals), default=0.0)

    @property
    def portals(self) -> list[dict[str, Any]]:
        """For each portal its `url`, `name`, the `share` of your budget there, `share_left`, and its `trouble`: why
        you cannot ask there, or empty."""
        return [dict(each) for each in self.details["portals"]]

    @property
    def unaffordable(self) -> str:
        """Why it cannot be asked, or empty."""
        return str(self.details.get("unaffordable") or "")

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The price in words."""
        error = (
            "depends on the data, and comes with the answer" if self.error is None else f"± {self.error:.6g}"
        )
        each = [(str(one["name"] or one["url"]), _cost(one)) for one in self.portals]
        return [("error (95 % interval)", error), *each]

    @property
    def notes(self) -> list[str]:
        """What to know before the question is asked, in sentences."""
        return [self.unaffordable] if self.unaffordable else []

    def __repr__(self) -> str:
        lines = [*(f"{name}: {value}" for name, value in self.facts), *self.notes]
        return "\n".join([self.text, *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        return cards.facts(self.text, self.facts, cards.sentences(self.notes))


def _cost(portal: Mapping[str, Any]) -> str:
    if portal.get("trouble"):
        return str(portal["trouble"])
    return "no price" if portal["share"] is None else shares.of_budget(float(portal["share"]))


class StudySource:
    """A study as the source of its table: questions go to all its portals but those that are left out."""

    def __init__(
        self, transport: Transport, study: Mapping[str, Any], without: tuple[str, ...], *, quiet: bool
    ) -> None:
        self.transport, self.study, self.without, self.quiet = transport, study, without, quiet

    @property
    def name(self) -> str:
        return str(self.study["name"])

    def mock(self, spec: TableSpec) -> MockRows:
        raise NotOffered(
            "A study has no mock rows of its own. Take those of a dataset with these columns: "
            "weir.Table.offline(study.table.spec, rows)."
        )

    def price(self, asked: Question, **terms: float) -> JointPrice:
        return JointPrice(asked.text, self._post("prices/", asked.to_wire(), terms))

    def release(self, asked: Question, **terms: float) -> JointAnswer:
        price = self.price(asked, **terms) if limits.is_limited() else None
        if price is not None:
            limits.check(price.share)
        body = self._body(asked.to_wire(), terms)
        made = self.transport.create(f"studies/{self.study['id']}/answers/", body, wait=WAIT).content
        limits.note(price.share if price is not None and not made.get("stored") else 0.0)
        return self._waited(asked.text, made, asked.reading)

    def price_batch(self, asked: Questions, terms: TermsByName) -> NoReturn:
        raise NotOffered("Joint questions are priced and asked one by one.")

    release_batch = price_batch

    def try_code(self, asked: Mapping[str, Any], terms: Mapping[str, float]) -> CodeTrial:
        raise NotOffered("Code cannot be asked jointly. Try it with a dataset of one portal.")

    def _post(self, path: str, wire: Any, terms: Mapping[str, float]) -> Any:
        return self.transport.post(f"studies/{self.study['id']}/{path}", self._body(wire, terms)).content

    def _body(self, wire: Any, terms: Mapping[str, float]) -> dict[str, Any]:
        if "epsilon" in terms:
            raise NotOffered(
                "Each portal has a budget of its own, so a joint question has no single epsilon. Say error=0.5, or "
                "share=0.02: the most that any of the budgets is charged."
            )
        return {"query": wire, "without": list(self.without), **terms}

    def _waited(self, text: str, found: Any, reading: Reading) -> JointAnswer:
        """Wait until the joint question has ended. Ctrl-C leaves it alone."""
        again = f"portal.studies.answers[{found['id']!r}]"
        with Progress(text, quiet=self.quiet) as progress:
            for _ in range(MOST_WAITS):
                if found["state"] not in OPEN:
                    return joint_answer_of(text, found, reading, self.transport)
                progress.show(turn(found))
                try:
                    found = self.transport.get(f"{PATH}{found['id']}/", wait=WAIT)
                except KeyboardInterrupt:
                    progress.stream.write(f"\nThe question continues without you: {again}\n")
                    raise
        raise WeirError(f"The answer has not come for days. Look again later: {again}.")


class Study(Thing):
    """A study. `study["wage"]` is a column of its table; questions about it go to all its portals.

    q = study["wage"].clip(0, 60).mean(); q.price(share=0.02); q.release(share=0.02)
    """

    path = "studies/"
    shown = ("title", "purpose", "state", "founder")

    def __init__(
        self,
        transport: Transport,
        details: Mapping[str, Any],
        *,
        without: tuple[str, ...] = (),
        quiet: bool = False,
    ) -> None:
        super().__init__(transport, details, quiet=quiet)
        self._without = without
        self._table: Table | None = None

    @property
    def name(self) -> str:
        return str(self.details["name"])

    @property
    def title(self) -> str:
        return str(self.details["title"])

    @property
    def purpose(self) -> str:
        """What it is for, as its founder wrote it."""
        return str(self._detail("purpose"))

    @property
    def table(self) -> Table:
        """Its table, with the expressions of any table: study.table.groupby("region")["wage"].mean()."""
        if self._table is None:
            from weir.scopes import Scope  # noqa: PLC0415 -- what needs no questions is done without them
            from weir.tables import Table  # noqa: PLC0415 -- the same

            spec = table_from_json(self._detail("table"))
            source = StudySource(self._transport, self.details, self._without, quiet=self._quiet)
            self._table = Table(Scope(spec, source))
        return self._table

    @property
    def portals(self) -> list[dict[str, Any]]:
        """Its portals, each asked now: `url`, `name`, the dataset there, `public_size`, `share_left` of your budget,
        and `trouble`: why you cannot ask there, or empty."""
        return [dict(each) for each in self._transport.get(f"{self._address}standings/")["portals"]]

    def without(self, *portals: str) -> Study:
        """Return the study without these portals, by host or address. At least two have to remain.

        Raises NotFound for a portal that is not in the study.
        """
        known = [str(each["url"]) for each in self._detail("portals")]
        left_out = tuple(_address(name, known) for name in portals)
        every = tuple(dict.fromkeys([*self._without, *left_out]))
        return Study(self._transport, self.details, without=every, quiet=self._quiet)

    def __getitem__(self, key: Any) -> Any:
        """Return a column of its table by its name, or the rows that pass a condition."""
        return self.table[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "details":
            raise AttributeError(name)
        raise NoSuchName(f"A study has no .{name}. Take its table: study.table, or a column: study[…].")

    def _ipython_key_completions_(self) -> list[str]:
        return self._table.columns if self._table is not None else []

    def __repr__(self) -> str:
        return f"Study: {self.name}, {self.title}"


def _address(name: str, known: list[str]) -> str:
    for each in known:
        parts = urlsplit(each)
        if name.rstrip("/").lower() in {each, parts.netloc, parts.hostname}:
            return each
    raise NotFound(f"There is no portal “{name}” in this study. Its portals are {listed(known)}.")


class Studies:
    """The studies that you may see, by name or id, and your joint answers."""

    def __init__(self, transport: Transport, *, quiet: bool = False) -> None:
        self._transport, self._quiet = transport, quiet
        self.answers = JointAnswers(transport)

    def __iter__(self) -> Iterator[Study]:
        for place, each in enumerate(self._transport.items("studies/")):
            if place >= MOST_LISTED:
                return
            yield Study(self._transport, each, quiet=self._quiet)

    def __getitem__(self, name: str) -> Study:
        """Return a study by its name or id. Raises NotFound if there is none that you may see."""
        names = []
        for each in self._transport.items("studies/"):
            if name in {each["name"], each["id"]}:
                return Study(
                    self._transport, self._transport.get(f"studies/{each['id']}/"), quiet=self._quiet
                )
            names.append(str(each["name"]))
        raise NotFound(f"You see no study “{name}”.{nearest(name, names)} `portal.studies` lists them.")

    def __repr__(self) -> str:
        return f"Studies of {self._transport.origin}: iterate over them, or take one by its name"
