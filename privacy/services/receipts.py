"""Receipts of answers: what was released and charged, with the proof that the log holds it."""

from typing import Any

from accounts.models import User
from audit import receipts
from audit.models import Entry
from common.access import require
from common.errors import Refused
from privacy import rules
from privacy.models import Answer, LedgerLine

NOTHING_CHARGED = "There is no receipt, because nothing was charged."


def of_answer(answer: Answer, *, by: User) -> dict[str, Any] | None:
    """Return the receipt of an answer, or None while its entries are under no signed checkpoint.

    While an answer with a deadline is computed, and once any is lost, the receipt is that of the charge alone. One that
    an earlier version released has no figures in its receipt. Raises Denied, and Refused if nothing was charged or a
    question is not answered yet.
    """
    require(rules.may_have_receipt, by, answer)
    if answer.hides_charge:
        raise Refused("The receipt comes with the answer.")
    charge = _charge_of(answer.line_id)
    if charge is None:
        raise Refused(NOTHING_CHARGED)
    if not answer.is_out:
        return receipts.for_entries([charge], kind="charge")
    released = Entry.objects.filter(
        action="answer.released", object_type="answer", object_id=str(answer.pk)
    ).earliest("id")
    document = answer.document if answer.document_salt else ""
    return receipts.for_entries(
        [released, charge], kind="answer", document=document, salt=answer.document_salt
    )


def of_charge(line: LedgerLine, *, by: User) -> dict[str, Any] | None:
    """Return the receipt of a charge that is no answer's, or None while it is under no signed checkpoint.

    `line`: the reservation for a part of a joint question, which has ended: before, the receipt would tell how long
    opening the ledgers took. Raises Denied, and Refused if nothing was charged.
    """
    require(rules.may_have_receipt_of_charge, by, line)
    charge = _charge_of(line.pk)
    if charge is None:
        raise Refused(NOTHING_CHARGED)
    return receipts.for_entries([charge], kind="charge")


def _charge_of(line: int) -> Entry | None:
    """Return the entry of the final charge for a reservation, or None if there is none."""
    settled = LedgerLine.objects.filter(settles=line, kind=LedgerLine.Kind.COMMIT).first()
    if settled is None:
        return None
    return Entry.objects.filter(
        action="budget.commit", object_type="ledgerline", object_id=str(settled.pk)
    ).earliest("id")
