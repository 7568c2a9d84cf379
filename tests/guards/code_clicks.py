"""What clicks on the pages of code in blocks are about, and send."""

from privacy.models import Budget, CodeTrial
from privacy.services import code_answers
from tests import make
from tests.guards.everything import Cast
from tests.makers import code as coded
from tests.makers import privacy as shares


def for_code(c: Cast) -> Budget:
    """A budget on enough people for code."""
    dataset = make.dataset()
    make.grant(dataset, c.person)
    return shares.budget(shares.promise(dataset, public_size=20_000), c.person)


def tried(c: Cast) -> CodeTrial:
    return coded.trial(for_code(c), coded.BOX)


def waiting_trial(c: Cast) -> CodeTrial:
    return code_answers.try_out(for_code(c), coded.BOX, by=c.person, share=0.5)


def code_fields() -> dict[str, str]:
    return {
        "table": "wages", "code": coded.SPREAD, "shape": "numbers", "output-0-name": "spread", "output-0-lower": "0",
        "output-0-upper": "50000", "output-1-name": "middle", "output-1-lower": "0", "output-1-upper": "50000",
        "goal": "share", "share": "50", "then": "try",
    }  # fmt: skip
