"""One rule for written reasons: every action refuses the same ones, in the same words."""

from collections.abc import Callable

import pytest

from accounts import services as accounts
from common.errors import Refused
from common.reasons import LIMIT, note, reason
from datasets import services as datasets
from privacy import services as privacy
from requests_app import services as lane
from requests_app.models import Release
from requests_app.services import releases
from tests import make
from tests.makers import privacy as budgets

EMPTY = "Give a reason. The people concerned will read it."
NUL = "The reason contains an invalid character. Remove it."
LONG = "The reason is too long. Keep it to 500 characters."


def test_a_reason_is_one_line():
    assert reason("  Too\n small\ta sample. ") == "Too small a sample."
    assert reason("One.\nTwo.", keep_lines=True) == "One.\nTwo."


def test_a_note_may_be_empty_and_keeps_its_lines():
    assert note("", 10) == ""
    assert note(" a\nb ", 10) == "a\nb"


@pytest.mark.parametrize(
    ("text", "refusal"), [("", EMPTY), (" \n", EMPTY), ("a\x00b", NUL), ("x" * 501, LONG)]
)
def test_what_is_no_reason_is_refused(text, refusal):
    with pytest.raises(Refused, match=f"^{refusal}$"):
        reason(text)
    assert LIMIT == 500


def _suspend(text: str) -> object:
    return accounts.suspend(make.scientist(), by=make.admin(), reason=text)


def _freeze(text: str) -> object:
    dataset = make.dataset()
    return datasets.freeze(dataset, by=dataset.owner, reason=text)


def _revoke(text: str) -> object:
    item = make.code_request(at="approved")
    return lane.revoke(item, by=item.dataset.owner, reason=text)


def _recall(text: str) -> object:
    release = Release.objects.get(run__request=make.code_request(at="released"))
    return releases.recall(release, by=release.run.request.dataset.owner, reason=text)


def _pause(text: str) -> object:
    return lane.pause_runs(by=make.admin(), reason=text)


def _close(text: str) -> object:
    budget = budgets.budget()
    return privacy.close_budget(budget, by=budget.promise.dataset.owner, reason=text)


@pytest.mark.django_db
@pytest.mark.parametrize("verb", [_suspend, _freeze, _revoke, _recall, _pause, _close])
@pytest.mark.parametrize(("text", "refusal"), [("", EMPTY), ("a\x00b", NUL), ("x" * 501, LONG)])
def test_every_verb_refuses_the_same(verb: Callable[[str], object], text: str, refusal: str):
    with pytest.raises(Refused, match=f"^{refusal}$"):
        verb(text)


@pytest.mark.django_db
@pytest.mark.parametrize(("text", "refusal"), [("", EMPTY), ("a\x00b", NUL)])
def test_asking_for_more_and_declining_need_a_reason_too(text: str, refusal: str):
    budget = budgets.budget()
    make.grant(budget.promise.dataset, budget.scientist)
    with pytest.raises(Refused, match=f"^{refusal}$"):
        privacy.ask_top_up(budget, by=budget.scientist, epsilon=5.0, reason=text)
    asked = privacy.ask_top_up(budget, by=budget.scientist, epsilon=5.0, reason="One more wave.\nOf 2024.")
    assert asked.reason == "One more wave.\nOf 2024."
    with pytest.raises(Refused, match=f"^{refusal}$"):
        privacy.decide_top_up(asked, by=budget.promise.dataset.owner, grant=False, note=text)
