"""What a line of the ledger says about this portal's part of a joint question."""

from dataclasses import dataclass
from uuid import UUID

from privacy.engine.language.query import Query
from privacy.engine.language.wire import decode, encode
from privacy.models import LedgerLine


@dataclass(frozen=True, slots=True, kw_only=True)
class JointPurpose:
    """One round of a joint question. `query` is about the table of the study, `revision` and `table` are the portal's.

    `share`: the noise that each portal adds, in units. `h`: how many of them the owner counts on, this one included.
    """

    plan_sha256: str
    round: int
    share: int
    h: int
    revision: UUID
    table: str
    query: Query

    @property
    def written(self) -> dict[str, object]:
        """The purpose of its line."""
        joint = {
            "plan_sha256": self.plan_sha256,
            "round": self.round,
            "share": self.share,
            "h": self.h,
            "revision": str(self.revision),
            "table": self.table,
        }
        return {"joint": joint, "query": encode(self.query)}


def purpose_of(line: LedgerLine) -> JointPurpose:
    """Return the purpose of a joint line. Raises ValueError, or QueryRefused, which is one, if it cannot be read."""
    joint = line.purpose.get("joint")
    if not isinstance(joint, dict):
        raise ValueError("This line pays for no part of a joint question.")
    found = {name: joint.get(name) for name in ("round", "share", "h")}
    if any(isinstance(each, bool) or not isinstance(each, int) for each in found.values()):
        raise ValueError("Rounds, noise and portals are whole numbers.")
    return JointPurpose(
        plan_sha256=str(joint.get("plan_sha256")),
        round=joint["round"],
        share=joint["share"],
        h=joint["h"],
        revision=UUID(str(joint.get("revision"))),
        table=str(joint.get("table")),
        query=decode(line.purpose.get("query")),
    )
