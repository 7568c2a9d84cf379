"""Code that answers in blocks, for tests: tried and answered without a sandbox."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from common import code_environments
from datasets.queries import current_revision
from privacy.engine.language.code import Ball, Box, CodeQuestion, Votes
from privacy.engine.language.wire import encode_code
from privacy.execution import settling
from privacy.execution.code_trials import Curve, Report
from privacy.ledgers import budget_ledger
from privacy.models import Answer, BlockReport, Budget, CodeTrial
from privacy.services import code_answers
from privacy.services.questions import digest_of

SPREAD = "def main(t):\n    return [t['wage'].quantile(0.9) - t['wage'].quantile(0.1), t['wage'].median()]\n"
BOX = CodeQuestion(
    table="wages",
    code=SPREAD,
    shape=Box(names=("spread", "middle"), lower=(0.0, 0.0), upper=(50_000.0, 50_000.0), method="mean"),
)
BALL = CodeQuestion(
    table="wages", code="def main(t):\n    return [0.0] * 60\n", shape=Ball(size=60, radius=2.0)
)
VOTES = CodeQuestion(
    table="wages", code="def main(t):\n    return 'up'\n", shape=Votes(labels=("up", "down", "flat"))
)


def report(question: CodeQuestion = BOX, **fields: Any) -> Report:
    """Return what a trial might have found."""
    n = len(question.shape.names) if isinstance(question.shape, Box) else 1
    found: dict[str, Any] = {
        "whole": [1_204.5, 2_000.0][:n],
        "run": 200,
        "slowest": 0.012,
        "slot": 0.35,
        "start": 0.4,
        "halves": True,
        "people_each": 44.0,
        "quartiles": [[900.0, 1_100.0, 1_300.0]] * n if isinstance(question.shape, Box) else [],
        "bias": [-12.25, 3.0][:n],
        "error": [140.0, 90.0][:n],
        "curve": [Curve(blocks=113, bias=[-4.0, 1.0][:n], error=[300.0, 200.0][:n])]
        if isinstance(question.shape, Box)
        else [],
        "environment_sha256": code_environments.get(question.environment).sha256,
    }
    if not isinstance(question.shape, Box):
        found |= {"whole": [0.0], "bias": [0.9], "error": [0.8]}
    return Report(**{**found, **fields})


def found(budget: Budget, question: CodeQuestion = BOX) -> CodeTrial:
    """Store a trial of code that was never tried, of whatever budget."""
    return CodeTrial.objects.create(
        budget=budget,
        revision=current_revision(budget.promise.dataset),
        question=encode_code(question),
        question_sha256=digest_of(question),
        mu=budget.mu,
        asked={"share": 1.0},
        blocks=20,
        state=CodeTrial.State.DONE,
        report=asdict(report(question)),
    )


def trial(
    budget: Budget, question: CodeQuestion = BOX, *, share: float = 0.4, found: Report | None = None
) -> CodeTrial:
    """Have code tried, with what was `found`, or with `report`."""
    made = code_answers.try_out(budget, question, by=budget.scientist, share=share)
    found = found or report(question)
    CodeTrial.objects.filter(pk=made.pk).update(
        state="failed" if found.why else "done", report=asdict(found), ended_at=timezone.now()
    )
    return CodeTrial.objects.get(pk=made.pk)


def answer(tried: CodeTrial) -> Answer:
    """Ask tried code. No worker has taken it."""
    by = tried.budget.scientist
    return code_answers.ask(code_answers.quote(tried, by=by), key=uuid4(), by=by)


def released(tried: CodeTrial, lines: list[dict[str, Any]], by: str) -> Answer:
    """Ask tried code, and release these lines, with a private report."""
    made = answer(tried)
    line = budget_ledger.commit(made.line, by=tried.budget.scientist)
    now = timezone.now()
    Answer.objects.filter(pk=made.pk).update(
        begun_at=now - timedelta(seconds=30), opened_at=now, deadline=now
    )
    made.refresh_from_db()
    settling.release(made, line, at=now, result={"by": [by], "lines": lines}, facts={"mechanism": "odd"})
    BlockReport.objects.create(
        answer=made, ends={"ok": 211, "failed": 13}, people=9_907, slowest=0.031, wall=22.0
    )
    return Answer.objects.get(pk=made.pk)


def line(key: str, value: float, half: float | None = None, **ends: float) -> dict[str, Any]:
    """Return one line of a result."""
    name = "share" if half is not None and half < 1 else "value"
    figure = {"name": name, "value": value, "half_width": half, "low": None, "high": None, **ends}
    return {"key": [key], "figures": [figure]}
