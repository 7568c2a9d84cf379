"""What a joint question costs at each portal, and how exact its answer will be. Nothing is spent or sent before `ask`.

The error is that of the whole; the price is a share of each portal's budget. It follows from public numbers that the
portals tell (`standings`). Each portal computes its own price again, and a higher one than quoted ends the question.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from django.conf import settings

from accounts.models import User
from common.access import require
from common.errors import Refused
from privacy.engine import joint_release
from privacy.engine.language.query import Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.measure.contributions import CAP
from privacy.engine.plan import joint
from privacy.engine.plan.designs import Design
from privacy.services import prices
from privacy.shares import of_budget, percent
from studies import documents, queries, rules
from studies.models import Study
from studies.services import standings
from studies.services.standings import Standing

DEPENDS = (
    "The error of this answer depends on the data. Say instead which share of your budgets you want to spend."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalPrice:
    """What one portal charges. `units`: of CAP; None if it cannot answer, and `trouble` says why. `left`: in units."""

    url: str
    name: str
    units: int | None
    part_of_budget: float | None
    left: int | None
    trouble: str
    public_size: int | None

    @property
    def unaffordable(self) -> str:
        """Why this portal does not answer, or an empty string."""
        if self.trouble or self.units is None or self.left is None:
            return f"{self.name}: {self.trouble or 'it reports no budget.'}"
        if self.units <= min(self.left, CAP):
            return ""
        cost, left = of_budget(self.units / CAP), percent(self.left / CAP)
        return f"{self.name}: it would cost {cost} there, and {left} is left."


@dataclass(frozen=True, slots=True, kw_only=True)
class JointQuote:
    """A checked joint query with its price at each portal, in the order of their addresses."""

    query: Query
    plan: Design
    spec: TableSpec
    share: int
    """The standard deviation of the noise that each portal adds, in units."""
    half_width: float | None
    """Half the width of the answer's 95 % interval; None where only the data could tell."""
    portals: tuple[PortalPrice, ...]
    asked: Mapping[str, float]

    @property
    def unaffordable(self) -> str:
        """Why not all of these portals answer, or an empty string."""
        return " ".join(why for each in self.portals if (why := each.unaffordable))

    @property
    def joint_factor(self) -> float:
        """How many times wider the intervals of all groups or bins must be to hold together."""
        return joint.factor(joint.lines_of(self.query.measure, self.plan.cells))


def quote(  # noqa: PLR0913 -- one of two prices, each named at the call
    study: Study,
    query: Query,
    *,
    by: User,
    error: float | None = None,
    share: float | None = None,
    without: Collection[str] = (),
    known: Sequence[Standing] | None = None,
) -> JointQuote:
    """Price a query at this error of the whole, or so that each portal's budget is charged at most this share.

    `without`: addresses of portals that are left out. `known`: what the portals have told, if they were asked already.
    Raises Refused in words, also when fewer than two portals are left.
    """
    require(rules.may_ask_in, by, study)
    asked = prices.given(error=error, share=share)
    spec = documents.read_study(study.document).table
    told = standings.of(study, by=by) if known is None else known
    taking = sorted((each for each in told if each.url not in without), key=lambda each: each.url)
    if len(taking) < documents.FEWEST_PORTALS:
        raise Refused("At least two portals have to take part in a joint question.")
    if len(taking) > documents.MOST_PORTALS:
        raise Refused(
            f"At most {documents.MOST_PORTALS} portals can take part in a joint question. Leave some out."
        )
    try:
        plan = joint_release.check(query, spec)
        noise = _share(query, plan, asked, taking)
        half_width = joint_release.half_width(query, plan, noise, len(taking))
        joint_release.must_not_wrap([each.public_size or 0 for each in taking], noise)
    except QueryRefused as refused:
        raise Refused(str(refused)) from refused
    return JointQuote(
        query=query,
        plan=plan,
        spec=spec,
        share=noise,
        half_width=half_width,
        portals=tuple(_price(each, noise, taking) for each in taking),
        asked=asked,
    )


def h_of(one: Standing, taking: Sequence[Standing]) -> int:
    """Return on how many of these portals one counts, as it told: the scientist's home is never among them."""
    others = {each.url for each in taking} & set(one.relies_on) - {settings.BASE_URL, one.url}
    return queries.h_for(len(others), len(taking))


def _share(query: Query, plan: Design, asked: Mapping[str, float], taking: Sequence[Standing]) -> int:
    """Return the noise that each portal adds: the least that none finds too expensive, or too exact."""
    if "error" in asked and joint_release.half_width(query, plan, 1, len(taking)) is None:
        raise Refused(DEPENDS)
    answering = [(h_of(each, taking), each.mu, each.noise_delta) for each in taking if not each.trouble]
    shares = [
        joint_release.share_for(query, plan, asked, k=len(taking), h=h, mu=mu, delta=delta)
        for h, mu, delta in answering
        if mu is not None and delta is not None
    ]
    if not shares:
        raise Refused(" ".join(f"{each.name}: {each.trouble}" for each in taking if each.trouble))
    return max(shares)


def _price(one: Standing, share: int, taking: Sequence[Standing]) -> PortalPrice:
    units = None
    if one.mu is not None and not one.trouble:
        units = joint_release.units_of(share, h_of(one, taking), Fraction(one.mu) ** 2)
    return PortalPrice(
        url=one.url,
        name=one.name,
        units=units,
        part_of_budget=None if units is None else units / CAP,
        left=one.left,
        trouble=one.trouble,
        public_size=one.public_size,
    )
