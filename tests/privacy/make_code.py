"""Questions with code for the engine's tests, over the table `wages`."""

from privacy.engine.language.code import Ball, Box, CodeQuestion, Votes
from privacy.engine.plan.blocks import BlockPlan, offer_of, plan_blocks
from privacy.engine.plan.pricing import Offer
from tests.privacy.make_table import SPEC

MU = 0.2367
"""About (1, 1e-6)."""
PUBLIC = 48_842
CODE = "def main(t, state=None):\n    return t.wage.mean()\n"
CHOSEN = Votes(labels=("a", "b", "c"))


def box(d: int = 1, method: str = "auto", lower: float = 0.0, upper: float = 1.0) -> Box:
    names = tuple(f"n{k}" for k in range(d))
    return Box(names=names, lower=(lower,) * d, upper=(upper,) * d, method=method)


def asked(shape, **more) -> CodeQuestion:
    return CodeQuestion(table="wages", code=CODE, shape=shape, **more)


def planned(shape, mu=MU, people=PUBLIC, **more) -> tuple[CodeQuestion, BlockPlan, Offer]:
    question = asked(shape, **more)
    plan = plan_blocks(question, SPEC, public_size=people, mu=mu)
    return question, plan, offer_of(plan, mu, mu)


SHAPES = {
    "mean": box(3, "mean", -5.0, 60.0),
    "winsorised": box(1, "winsorised", 0.0, 60.0),
    "median": box(2, "median"),
    "ball": Ball(size=12, radius=4.0, rounds=3),
    "votes": CHOSEN,
}
"""A shape for each way in which the answers of blocks become one."""
