"""Output checks in the lane: what was released before is compared with, and told to nobody but the owner."""

import pytest

from datasets import services
from requests_app.models import Output, Release
from requests_app.outputs import comparison
from requests_app.services import releases
from tests.makers import datasets
from tests.makers import requests as lane

pytestmark = [pytest.mark.django_db, pytest.mark.sandbox]


def table(count: int) -> lane.WritesOutputs:
    return lane.WritesOutputs({"by_region.csv": f"region,count\nnorth,{count}\nsouth,400\n".encode()})


def of(item, name: str):
    output = Output.objects.get(run__request=item)
    return next(check for check in output.checks if check["name"] == name)


def test_a_count_that_is_near_one_released_before_is_flagged():
    dataset = datasets.dataset()
    lane.code_request(at="released", dataset=dataset, title="First look", executor=table(120))
    later = lane.code_request(at="ran", dataset=dataset, executor=table(117))
    assert (of(later, "differences")["ok"], of(later, "differences")["value"]) == (False, 1)
    assert (
        "north | count is 117 here and 120 in by_region.csv of First look" in of(later, "differences")["text"]
    )


def test_what_is_held_or_of_another_dataset_is_not_compared_with():
    dataset = datasets.dataset()
    lane.code_request(at="ran", dataset=dataset, executor=table(120))
    lane.code_request(at="released", executor=table(120))
    later = lane.code_request(at="ran", dataset=dataset, executor=table(117))
    assert of(later, "differences")["text"] == "No earlier release of this dataset to compare with."


def test_the_comparison_is_made_again_when_the_check_begins():
    dataset = datasets.dataset()
    held = lane.code_request(at="ran", dataset=dataset, executor=table(117))
    assert of(held, "differences")["ok"] is True
    lane.code_request(at="released", dataset=dataset, executor=table(120))
    releases.begin_check(Release.objects.get(run__request=held), by=dataset.owner)
    assert of(held, "differences")["ok"] is False


def test_a_recalled_release_is_still_out_there():
    dataset = datasets.dataset()
    first = lane.code_request(at="released", dataset=dataset, executor=table(120))
    releases.recall(Release.objects.get(run__request=first), by=dataset.owner, reason="A mistake.")
    later = lane.code_request(at="ran", dataset=dataset, executor=table(117))
    assert of(later, "differences")["ok"] is False


def test_the_threshold_and_the_subject_column_are_the_datasets_own():
    dataset = datasets.dataset()
    services.set_policy(dataset, by=dataset.owner, threshold=200)
    item = lane.code_request(at="ran", dataset=dataset, executor=table(120))
    assert (of(item, "small counts")["value"], of(item, "small counts")["threshold"]) == (1, 200)
    people = lane.WritesOutputs({"rows.csv": b"person,wage\n1,2\n2,3\n"})
    named = lane.code_request(at="ran", dataset=dataset, executor=people)
    assert of(named, "identifiers")["text"] == "May identify people: person."


def test_a_record_and_a_trial_tell_nothing_of_other_releases():
    dataset = datasets.dataset()
    lane.code_request(at="released", dataset=dataset, title="SECRET TITLE", executor=table(120))
    mine = lane.code_request(at="released", dataset=dataset, executor=table(117))
    assert "SECRET TITLE" not in str(Release.objects.get(run__request=mine).record)
    trying = lane.code_request(dataset=dataset)
    run = lane.execute(lane.trial(trying), table(117))
    assert "SECRET TITLE" not in str([output.checks for output in run.outputs.all()])
    assert comparison.released_before(run) != []
