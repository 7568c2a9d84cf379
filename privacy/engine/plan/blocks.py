"""Automatic code planned and priced, from public numbers alone: how many blocks, how they are combined, at what noise.

People are cut into k disjoint blocks, code that nobody trusts answers for each of them, and a sum over blocks is
released with noise (sample and aggregate: Nissim, Raskhodnikova and Smith, STOC 2007). One person is in one block,
whose answer may change in any way. So a person's contribution is the most by which one block's answer can move,
whatever the code does. In units, of which ONE are the clip of every release:

* box: each of d numbers is floor(t ONE/sqrt d) for its place t between its bounds, from 0 to 1. No number moves by more
  than ONE/sqrt d, so the vector moves by at most ONE.
* ball: a vector of at most norm C, cut to 2**29 units. It moves by at most 2 C, from one end to the other: ONE.
* votes: floor(ONE/sqrt 2) for the label. Another label moves two of them.
* a step of a search: (1 - q) ONE at or below the stop, -q ONE above it. A block that crosses the stop moves it by ONE.

The code may answer anything on any block, so nothing less is ever charged: each person pays the whole price.
"""

import math
from dataclasses import dataclass

from privacy.engine.language.code import MAX_BLOCKS, MIN_BLOCKS, Ball, Box, CodeQuestion, Votes, check_code
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.mechanisms import MIN_SIGMA
from privacy.engine.plan.designs import check_source
from privacy.engine.plan.pricing import TOO_EXACT, Z95, Offer, offer_for_mu
from privacy.engine.plan.searches import Grid, certain

HALF = ONE // 2
"""Units of a vector as long as the radius of its ball."""
MEAN, WINSORISED, MEDIAN, BALL, VOTES = "mean", "winsorised", "median", "ball", "votes"
QUARTILES = (0.25, 0.75)
FIRST_PEOPLE, PEOPLE_PER_OUTPUT = 30, 10
"""A block has at least so many people, and so many for each number of a box."""
ROBUST = 75
"""k mu / sqrt d from which quartiles of the blocks' answers stand clear of their noise."""
SAYS_NOTHING = 0.5
"""Noise that reaches over this part of the range, on either side, leaves no answer."""
MOST_NOISE = 2.0
"""The most norm that the noise of a ball may have, over its radius."""

PLACES = Grid(lower=0.0, upper=449.0, decimals=0)
"""Where the search for a median can end: in one of so many equal parts of the range, after 9 steps. Fewer than 512, so
that no step need take the middle of the range, where many medians are."""
COARSE = Grid(lower=0.0, upper=224.0, decimals=0)
"""The same for a quartile: 8 steps."""

SLOT_S = (0.25, 5.0)
"""The least and most seconds of a block."""
LONGEST_S = 600.0
"""The most seconds of a whole run."""
MARGIN_S = 2.0
PERSON_S, NUMBER_S = 2e-6, 1e-7
"""Seconds of a round for each person, who is cut into a block, and for each number of each block, which is added up.
Measured: 1.4 s for 10**6 people with 4 rows of 20 columns, 1.1 s for 2,000 vectors of 16,384 numbers."""
TICK_S = 5.0
"""A run ends at a multiple of this many seconds after its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlan:
    """How a question with code is answered.

    `blocks`: k. `people_each`: expected people in a block. `method`: how the answers of blocks become one: mean,
    winsorised, median, ball or votes. `releases`: how often noise is drawn on sums with the clip ONE, at the same price
    each. `halves`: whether blocks answer for their halves too. `outputs`: numbers that a block answers.
    """

    blocks: int
    people_each: float
    method: str
    releases: int
    outputs: int
    halves: bool = False

    @property
    def joined(self) -> int:
        """How many releases are drawn as one: see plan.pricing."""
        return 1

    @property
    def clip_note(self) -> str:
        """The most that one person can move, in words, for the record."""
        return f"{CLIPS[self.method]}; {self.blocks} disjoint blocks of people"


CLIPS = {
    MEAN: "mean over blocks: a person moves each number by the width of its bounds over the blocks",
    WINSORISED: "quartiles over blocks, then a mean of answers limited by them: a person moves one block's rank, then "
    "each number by the width of these limits over the blocks",
    MEDIAN: "median over blocks: a person moves one block's rank",
    BALL: "mean over blocks: a person moves the vector by twice the radius over the blocks",
    VOTES: "votes of blocks: a person moves one vote from a label to another",
}


def plan_blocks(question: CodeQuestion, table: TableSpec, *, public_size: int, mu: float) -> BlockPlan:
    """Check a question with code against the declarations and plan it. Reads no rows; parses the code.

    `public_size`: how many people the owner announces. `mu`: the Gaussian DP of the whole answer. Raises QueryRefused.
    """
    check_source(question.table, question.where, table)
    check_code(question)
    if not (math.isfinite(mu) and mu > 0):
        raise QueryRefused("The privacy loss must be a positive number.")
    people = _people(question, public_size)
    blocks = _blocks(question, people, mu)
    for method in _methods(question, blocks, mu):
        plan = BlockPlan(
            blocks=blocks,
            people_each=people / blocks,
            method=method,
            releases=_releases(question, method),
            outputs=question.outputs,
            halves=isinstance(question.shape, Box) and question.shape.halves and method != MEDIAN,
        )
        if not _is_covered(plan, mu):
            return plan
    raise QueryRefused(
        f"With {blocks} blocks, noise would cover the answer. Ask about more people, for fewer numbers, or spend more."
    )


def _people(question: CodeQuestion, public_size: int) -> int:
    if question.people is None:
        return public_size
    if question.people > public_size:
        raise QueryRefused(
            f"The table announces {public_size:,} people, so a filter cannot leave {question.people:,}.",
            place="question.people",
        )
    return question.people


def _blocks(question: CodeQuestion, people: int, mu: float) -> int:
    """Return k; by default so many that the noise, about 1/(k mu), is as small as the bias, about k/people."""
    boxed = PEOPLE_PER_OUTPUT * question.outputs if isinstance(question.shape, Box) else 0
    least = max(FIRST_PEOPLE, boxed)
    most = min(MAX_BLOCKS, people // least)
    if question.blocks is not None and question.blocks > most >= MIN_BLOCKS:
        why = f"With {people:,} people and at least {least} in each block, there can be {most:,} blocks at most."
        raise QueryRefused(why, place="question.blocks")
    if most < MIN_BLOCKS:
        why = f"Code is answered from at least {MIN_BLOCKS} blocks of at least {least} people."
        raise QueryRefused(
            f"{why} {people:,} people make {most}. Ask about more people, or for fewer numbers."
        )
    return min(most, question.blocks or max(MIN_BLOCKS, round(math.sqrt(people / mu))))


def _methods(question: CodeQuestion, blocks: int, mu: float) -> tuple[str, ...]:
    """Return the methods to choose from, the best first. A mean has the fewest releases, so it is the last resort."""
    match question.shape:
        case Box(names=names, method="auto"):
            is_robust = blocks * mu / math.sqrt(len(names)) >= ROBUST
            return (WINSORISED if is_robust else MEDIAN, MEAN)
        case Box(method=method):
            return (method,)
        case Ball():
            return (BALL,)
        case Votes():
            return (VOTES,)


def releases_of(question: CodeQuestion) -> int:
    """Return how often noise is drawn for a question whose method is chosen."""
    shape = question.shape
    return _releases(question, shape.method if isinstance(shape, Box) else "")


def _releases(question: CodeQuestion, method: str) -> int:
    match method:
        case "median":
            return PLACES.steps * question.outputs
        case "winsorised":  # the searches, and a mean that costs as much as all of them
            return 2 * len(QUARTILES) * COARSE.steps * question.outputs
        case _:
            return question.rounds


def mean_sigma(plan: BlockPlan, sigma: int) -> int:
    """Return the noise of the mean in units; of a winsorised one: what costs no more than all its searches together.

    That is the least s with s**2 >= sigma**2 / searches, in whole numbers: (ONE / s)**2 <= searches (ONE / sigma)**2.
    """
    if plan.method != WINSORISED:
        return sigma
    searches = plan.releases // 2
    return math.isqrt((sigma * sigma - 1) // searches) + 1


def step_of(plan: BlockPlan) -> int:
    """Return the units of a number at the upper end of a box, of a ball's radius, or of a vote."""
    match plan.method:
        case "ball":
            return HALF
        case "votes":
            return math.isqrt(ONE * ONE // 2)
        case _:
            return math.isqrt(ONE * ONE // plan.outputs)


def offer_of(plan: BlockPlan, mu: float, budget_mu: float) -> Offer:
    """Return the offer whose noise makes the whole answer mu-GDP. Raises QueryRefused."""
    offer = offer_for_mu(plan, mu, budget_mu)
    if mean_sigma(plan, offer.sigma) < MIN_SIGMA:
        raise QueryRefused(TOO_EXACT)
    return offer


def noise_half_widths(question: CodeQuestion, plan: BlockPlan, offer: Offer) -> tuple[float | None, ...]:
    """Return half the width of the 95 % interval of the noise of each number: at most that, winsorised.

    In the answer's units; a share for each label. For a ball of several rounds: of one round. None for medians, of
    which only ranks can be told (`rank_error`).
    """
    part = Z95 * mean_sigma(plan, offer.sigma) / (step_of(plan) * plan.blocks)
    match question.shape:
        case Box(lower=lower, upper=upper):
            told = [part * (high - low) for low, high in zip(lower, upper, strict=True)]
            return tuple(None if plan.method == MEDIAN else width for width in told)
        case Ball(size=size, radius=radius):
            return (part * radius,) * size
        case Votes(labels=labels):
            return (part,) * len(labels)


def rank_error(plan: BlockPlan, sigma: int) -> float | None:
    """Return by what part of all blocks the rank of a median, or of a quartile, may be off in 95 of 100 cases.

    None if nothing is searched.
    """
    match plan.method:
        case "median":
            return certain(PLACES.steps) * sigma / (ONE * plan.blocks)
        case "winsorised":
            return certain(COARSE.steps) * sigma / (ONE * plan.blocks)
        case _:
            return None


def _is_covered(plan: BlockPlan, mu: float) -> bool:
    """Return whether noise alone decides the answer."""
    sigma = math.ceil(ONE * math.sqrt(plan.releases) / mu)
    part = mean_sigma(plan, sigma) / (step_of(plan) * plan.blocks)
    rank = rank_error(plan, sigma) or 0.0
    match plan.method:
        case "median":  # a half of all ranks away from their ends
            return rank > 0.5
        case "winsorised":  # a quarter
            return rank > 0.25
        case "ball":
            return math.sqrt(plan.outputs) * part > MOST_NOISE
        case _:
            return Z95 * part > SAYS_NOTHING


def run_seconds(plan: BlockPlan, rounds: int, *, slot_s: float, start_s: float) -> float:
    """Return the seconds from the start of a run to its end, whatever happens: a multiple of TICK_S.

    `slot_s`: seconds of each block. `start_s`: seconds to start a round. Raises QueryRefused if it would take longer
    than LONGEST_S, and ValueError for a slot outside SLOT_S.
    """
    if not SLOT_S[0] <= slot_s <= SLOT_S[1]:
        raise ValueError(f"A slot takes between {SLOT_S[0]} and {SLOT_S[1]} seconds, not {slot_s}.")
    work = plan.blocks * (plan.people_each * PERSON_S + plan.outputs * NUMBER_S)
    # One slot more: a call ends at the beginning of the slot after the last block.
    busy = rounds * ((plan.blocks + 1) * slot_s + start_s + work) + MARGIN_S
    whole = math.ceil(busy / TICK_S) * TICK_S
    if whole > LONGEST_S:
        raise QueryRefused(
            f"This would run for {math.ceil(whole / 60)} minutes. At most {LONGEST_S / 60:.0f} are allowed: make the "
            "code faster, or ask for fewer blocks or rounds."
        )
    return whole
