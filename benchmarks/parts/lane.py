"""The review lane through the services, from submission to release, in the real sandbox."""

from argparse import Namespace
from collections.abc import Iterator
from uuid import uuid4

from benchmarks.measuring import Goal, Measure, Took, bare_python, median, repeated, took, versus
from requests_app import services
from requests_app.models import CodeRequest, Run
from runner.executors.bubblewrap import BubblewrapExecutor
from tests import make
from tests.makers import datasets as made_datasets
from tests.makers import requests as made

TRIVIAL = "import os\nopen(os.environ['WEIR_OUT'] + '/answer.json', 'w').write('{\"one\": 1}')\n"
STEPS = ("submit", "approve", "ask for the run", "run in the sandbox", "check and release")


def measures(chosen: Namespace) -> Iterator[Measure]:
    rounds = 2 if chosen.quick else 9
    dataset = made_datasets.dataset()
    author = make.scientist()
    executor = BubblewrapExecutor()
    executor.probe()
    floor = repeated(bare_python, rounds)
    for name, code in {"trivial code": TRIVIAL, "a mean by pandas": made.CODE}.items():
        walk(made.code_request(dataset=dataset, author=author, code=code), executor)
        walks = [
            walk(made.code_request(dataset=dataset, author=author, code=code), executor)
            for _ in range(rounds)
        ]
        whole = median([Took(sum(t.wall for t in w), sum(t.cpu for t in w)) for w in walks])
        goal = Goal(limit=1000) if code == TRIVIAL else None
        yield versus(f"submit to release, {name}", whole, floor, goal)
        for place, step in enumerate(STEPS):
            yield versus(f"  {step}", median([w[place] for w in walks]))


def walk(item: CodeRequest, executor: BubblewrapExecutor) -> list[Took]:
    """Time each step of one request."""
    ran: list[Run] = []

    def submit() -> None:
        services.submit(item, by=item.author, key=uuid4())

    def approve() -> None:
        made.approve(made.version(made.fresh(item)))

    def start() -> None:
        ran.append(made.start(made.fresh(item)))

    def run() -> None:
        ran.append(made.execute(ran[0], executor))

    def release() -> None:
        made.release(ran[-1])

    steps = [took(step) for step in (submit, approve, start, run, release)]
    if made.fresh_run(ran[-1]).state != Run.State.SUCCEEDED:
        raise RuntimeError(f"The run ended as {ran[-1].state} {ran[-1].close_code}.")
    return steps
