"""Automatic answers, held up at one step by nothing but the locks that the step takes."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from uuid import uuid4

import psycopg2.extensions
from django.db import connection

from datasets import storage
from privacy import services
from privacy.ledgers.person_ledger import SubjectLedger
from privacy.models import Answer, Budget, LedgerLine
from privacy.services import questions
from tests import make
from tests.chaos.site import until
from tests.makers.datasets import PEOPLE
from tests.serving import database_url

COUNT = "SELECT COUNT(DISTINCT person) FROM wages"
STEPS = ("committing", "charging", "storing")
"""Before the charge is final; after it, before people are charged; after the noise, before the answer is stored."""
ENDED = (Answer.State.RELEASED, Answer.State.LOST, Answer.State.VOIDED)


def budget() -> Budget:
    """A scientist's budget for a protected dataset, generous enough for a dozen questions."""
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=[], scientists=1)
    return services.give_budget(made, scientist, by=data.owner, epsilon=40)


def ask(share: Budget, *, epsilon: float = 4.0) -> Answer:
    """A count of people; a larger epsilon each time is a question that no stored answer serves."""
    by = share.scientist
    quoted = questions.quote(share, questions.read_sql(share, COUNT).query, by=by, epsilon=epsilon)
    return questions.ask(share, quoted, key=uuid4(), by=by, text=COUNT)


def fresh(answer: Answer) -> Answer:
    return Answer.objects.select_related("line", "budget__promise").get(pk=answer.pk)


def end_of(answer: Answer) -> str:
    until(lambda: fresh(answer).state in ENDED, f"an end of {answer.pk}")
    return fresh(answer).state


def committed(answer: Answer) -> bool:
    return LedgerLine.objects.filter(settles=answer.line_id, kind=LedgerLine.Kind.COMMIT).exists()


def charged(share: Budget) -> set[int]:
    """The different sums that people of the dataset have been charged."""
    with closing(SubjectLedger(storage.ledger_folder(share.promise.dataset_id))) as book:
        return set(book.spent(share.pk).tolist())


def last_line(share: Budget) -> int:
    with closing(SubjectLedger(storage.ledger_folder(share.promise.dataset_id))) as book:
        return book.last_line()


@contextmanager
def standing_at(step: str, share: Budget) -> Iterator[tuple[Answer, Callable[[], None]]]:
    """An answer whose worker stands before this step, and what lets it go on."""
    with closing(_connected()) as line, closing(_connected()) as row:
        number = int.from_bytes(share.promise.dataset_id.bytes[:8], "big", signed=True)
        line.cursor().execute("SELECT pg_advisory_lock(%s)", [number])
        answer = ask(share)
        if step != "committing":
            table, pk = {
                "charging": ("privacy_answer", answer.pk),
                "storing": ("privacy_promise", share.promise_id),
            }[step]
            row.cursor().execute(f"SELECT 1 FROM {table} WHERE id = %s FOR UPDATE", [str(pk)])  # noqa: S608 -- ours
            line.close()
        until(lambda: _is_at(step, answer), f"the worker at {step}")

        def let_go() -> None:
            line.close()
            row.close()

        yield answer, let_go


def _connected() -> "psycopg2.extensions.connection":
    return psycopg2.connect(database_url())


def _is_at(step: str, answer: Answer) -> bool:
    """Whether somebody waits for the lock, at this side of the commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND wait_event IN ('transactionid', 'tuple', 'advisory')"
        )
        found = cursor.fetchone()
    return found is not None and found[0] > 0 and committed(answer) == (step != "committing")


def violations() -> list[str]:
    """Everything about answers that is not as it must be."""
    return [f"{answer.pk}: {what}" for answer in Answer.objects.all() for what in _of(answer)]


def _of(answer: Answer) -> Iterator[str]:
    settled = LedgerLine.objects.filter(settles=answer.line_id)
    kinds = [line.kind for line in settled]
    wanted = {"released": ["commit"], "lost": ["commit"], "voided": ["void"]}.get(answer.state, [])
    if kinds != wanted:
        yield f"it is {answer.state} and its charge was settled by {kinds}"
    if (answer.result is not None) != (answer.state == Answer.State.RELEASED):
        yield f"it is {answer.state} and its result is {answer.result}"
