"""Code over blocks of people: how far its answers are off, and how often their intervals hold the truth.

The data is public: the CPS sample of `causaldata` (15,992 people, one row each). Truth is what the function answers on
all rows. People are cut into blocks afresh for each partition; noise is drawn many times for each. The functions run in
this process: what a sandbox adds is measured by the part `runner`. Networks are measured where torch can be imported.
"""

import hashlib
import importlib
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from causaldata import cps_mixtape
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from benchmarks.measuring import Goal, Measure
from privacy.engine import code_release
from privacy.engine.accounting import noise_mu
from privacy.engine.language.code import Ball, Box, CodeQuestion
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.blocks import block_numbers
from privacy.engine.plan.blocks import BlockPlan, offer_of, plan_blocks

Floats = npt.NDArray[np.float64]
DELTA = 1e-6
HOLDS = Goal(limit=90, at_least=True)
TABLE = TableSpec(
    name="cps", subject="person", columns={"age": ColumnSpec(name="age", kind=Kind.INTEGER)}, max_rows=1
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A function of rows and the box that its answer is declared to lie in."""

    title: str
    of: Callable[[Floats], Floats]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    smooth: bool = True
    """Whether half samples help, so that the interval should hold the truth."""


def gini(rows: Floats) -> Floats:
    x = np.sort(rows[:, HOURS])
    n = len(x)
    return np.array([2 * (np.arange(1, n + 1) @ x) / (n * x.sum()) - (n + 1) / n])


def design(rows: Floats) -> Floats:
    """Return an intercept and three features of a common size, as an analyst would scale them before adding noise."""
    return np.column_stack([np.ones(len(rows)), (rows[:, :3] - (33, 12, 0.7)) / (10, 3, 0.5)])


def logistic(rows: Floats) -> Floats:
    """Coefficients of a logistic regression of earning more than the median on age, schooling and marriage."""
    x = design(rows)
    y = rows[:, EARNS]

    def loss(w: Floats) -> tuple[float, Floats]:
        z = x @ w
        return float(np.mean(np.logaddexp(0, z) - y * z) + 1e-4 * w @ w), x.T @ (expit(z) - y) / len(
            y
        ) + 2e-4 * w

    return np.asarray(minimize(loss, np.zeros(4), jac=True, method="L-BFGS-B").x)


def network(rows: Floats) -> Any:
    """A network with 8 hidden units that predicts who earns more than the median: 100 steps of Adam, always alike."""
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.tensor(design(rows)[:, 1:], dtype=torch.float32)
    y = torch.tensor(rows[:, EARNS], dtype=torch.float32)
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    steps = torch.optim.Adam(net.parameters(), lr=0.05, weight_decay=0.01)
    for _ in range(100):
        steps.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(net(x)[:, 0], y).backward()
        steps.step()
    return lambda given: torch.sigmoid(net(torch.tensor(given, dtype=torch.float32))[:, 0]).detach().numpy()


def effect(rows: Floats) -> Floats:
    """How much more likely a network finds it that people earn more if they had been 10 years older."""
    predicted, x = network(rows), design(rows)[:, 1:]
    return np.array([np.mean(predicted(np.add(x, (1, 0, 0))) - predicted(x))], dtype=np.float64)


def brier(rows: Floats) -> Floats:
    """The mean squared error of a network on the last third of the people, whom it was not trained on."""
    part = 2 * len(rows) // 3
    predicted = network(rows[:part])(design(rows[part:])[:, 1:])
    return np.array([np.mean((predicted - rows[part:, EARNS]) ** 2)], dtype=np.float64)


AGE, EDUC, MARRIED, HOURS, EARNS = range(5)
TASKS = (
    Task(title="mean age", of=lambda rows: rows[:, [AGE]].mean(axis=0), lower=(16,), upper=(70,)),
    Task(
        title="median age",
        of=lambda rows: np.median(rows[:, [AGE]], axis=0),
        lower=(16,),
        upper=(70,),
        smooth=False,
    ),
    Task(title="gini of earnings in 1975", of=gini, lower=(0,), upper=(1,)),
    Task(
        title="90 % quantile of schooling, whole years",
        of=lambda rows: np.quantile(rows[:, [EDUC]], 0.9, axis=0),
        lower=(0,),
        upper=(20,),
        smooth=False,
    ),
    Task(title="logistic regression, 4 coefficients", of=logistic, lower=(-3,) * 4, upper=(3,) * 4),
)
NETWORKS = (
    Task(title="effect of age in a network", of=effect, lower=(-0.5,), upper=(0.5,)),
    Task(title="squared error of a network, held out", of=brier, lower=(0,), upper=(0.5,), smooth=False),
)


def measures(chosen: Namespace) -> Iterator[Measure]:
    rows = people()
    partitions, draws = (1, 10) if chosen.quick else (8, 40)
    for task in (*TASKS, *(NETWORKS if find_spec("torch") else ())):
        for epsilon in (1.0, 4.0):
            yield from boxes(task, rows, epsilon, partitions, draws)
    yield from balls(rows, 2 if chosen.quick else 10)


def people() -> Floats:
    data = cps_mixtape.load_pandas().data
    earns = data.re78 > data.re78.median()
    return np.column_stack([data.age, data.educ, data.marr, data.re75 + 1.0, earns]).astype(np.float64)


def digests(count: int, key: int) -> npt.NDArray[np.uint8]:
    """Keyed digests of so many people, as the columns of a private table have them. Shape (people, 16)."""
    each = (
        hashlib.blake2b(str(person).encode(), digest_size=16, key=str(key).encode()).digest()
        for person in range(count)
    )
    return np.frombuffer(b"".join(each), dtype=np.uint8).reshape(count, 16)


def cut(rows: Floats, blocks: int, key: int) -> list[Floats]:
    numbers = block_numbers(digests(len(rows), key), blocks)
    return [rows[numbers == block] for block in range(blocks)]


def boxes(task: Task, rows: Floats, epsilon: float, partitions: int, draws: int) -> Iterator[Measure]:
    question = CodeQuestion(
        table="cps",
        code="def main(t):\n    return 0\n",
        shape=Box(names=tuple(f"x{k}" for k in range(len(task.lower))), lower=task.lower, upper=task.upper),
    )
    mu = noise_mu(epsilon, DELTA)
    plan = plan_blocks(question, TABLE, public_size=len(rows), mu=mu)
    sigma, truth = offer_of(plan, mu, mu).sigma, task.of(rows)
    errors, inside = [], []
    for key in range(partitions):
        answers = np.array([answer(task, block, plan) for block in cut(rows, plan.blocks, key)])
        for _ in range(draws):
            figures = code_release.release_box(question, plan, answers, sigma)
            told = [line.figures[0] for line in figures.lines]
            errors.append(np.array([figure.value for figure in told]) - truth)
            inside.append([_holds(figure, value) for figure, value in zip(told, truth, strict=True)])
    held = 100 * float(np.mean(inside))
    error = float(np.sqrt(np.mean(np.square(errors))))
    bias = float(np.abs(np.mean(errors, axis=0)).mean())
    name = f"{task.title}, ε {epsilon:g}"
    yield Measure(
        name=f"code, {name}: RMSE",
        ours=error,
        unit="",
        note=f"{plan.method} of {plan.blocks} blocks{', half samples' if plan.halves else ''}; bias {bias:.3g}",
    )
    yield Measure(
        name=f"code, {name}: intervals that hold, %", ours=held, unit="", goal=HOLDS if task.smooth else None
    )


def _holds(figure: code_release.Figure, truth: float) -> bool:
    if figure.value is None:
        return True
    if figure.low is not None and figure.high is not None:
        return bool(figure.low <= truth <= figure.high)
    return bool(abs(figure.value - truth) <= (figure.half_width or 0.0))


def answer(task: Task, block: Floats, plan: BlockPlan) -> Floats:
    """What a block answers, with half samples as a block's child makes them."""
    if not plan.halves:
        return task.of(block)
    return 2 * task.of(block) - (task.of(block[::2]) + task.of(block[1::2])) / 2


def balls(rows: Floats, draws: int) -> Iterator[Measure]:
    """The AUC of a logistic regression whose coefficients are released as a vector."""
    question = CodeQuestion(table="cps", code="def main(t):\n    return 0\n", shape=Ball(size=4, radius=2.0))
    mu = noise_mu(1.0, DELTA)
    plan = plan_blocks(question, TABLE, public_size=len(rows), mu=mu)
    sigma = offer_of(plan, mu, mu).sigma
    answers = np.array([logistic(block) for block in cut(rows, plan.blocks, 0)])
    found = [auc(rows, code_release.average_ball(question, plan, answers, sigma)) for _ in range(draws)]
    whole = auc(rows, logistic(rows))
    yield Measure(
        name="code, logistic regression as a vector, ε 1: AUC over no noise",
        ours=float(np.mean(found)) / whole,
        unit="x",
        goal=Goal(limit=0.97, at_least=True),
        note=f"{np.mean(found):.4f} of {whole:.4f}",
    )


def auc(rows: Floats, weights: Floats) -> float:
    """Return the area under the ROC curve of these coefficients: how often a higher score earns more."""
    scores = design(rows) @ weights
    ranks, positive = rankdata(scores), rows[:, EARNS] > 0.5
    many = int(positive.sum())
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * (len(rows) - many)))
