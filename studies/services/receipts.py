"""Receipts of joint answers: the figures, how they were made, and the proof that this portal's log holds both."""

from typing import Any

from accounts.models import User
from audit import receipts
from audit.models import Entry
from common.access import require
from common.errors import Refused
from studies import rules
from studies.models import JointAnswer


def of_joint_answer(answer: JointAnswer, *, by: User) -> dict[str, Any] | None:
    """Return the receipt of a joint answer, or None while its entry is under no signed checkpoint.

    Raises Denied, and Refused if nothing was released. What it was charged is in the logs of the portals that charged.
    """
    require(rules.may_have_receipt, by, answer)
    if answer.state != JointAnswer.State.RELEASED:
        raise Refused("There is no receipt, because nothing was released.")
    released = Entry.objects.filter(
        action="joint.released", object_type="jointanswer", object_id=str(answer.pk)
    ).earliest("id")
    return receipts.for_entries(
        [released], kind="joint_answer", document=answer.document, salt=answer.document_salt
    )
