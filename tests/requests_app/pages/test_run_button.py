"""The button that starts a run says before the click what the service would say after it, to author and owner."""

from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils.html import escape

from common.errors import Denied
from datasets import services as data
from datasets.models import Grant
from requests_app import services
from tests import make
from tests.makers import requests as lane

pytestmark = pytest.mark.django_db


def frozen_by_the_owner(item) -> None:
    data.freeze(item.dataset, by=item.dataset.owner, reason="An audit.")


def frozen_by_an_admin(item) -> None:
    data.freeze(item.dataset, by=make.admin(), reason="An audit.")


def access_taken(item) -> None:
    grant = Grant.objects.get(dataset=item.dataset, user=item.author)
    data.revoke_access(grant, by=item.dataset.owner, reason="Left the project.")


def a_run_is_under_way(item) -> None:
    lane.start(item)


def all_runs_used(item) -> None:
    for _ in range(item.latest.approval.runs_allowed):
        lane.execute(lane.start(lane.fresh(item)))


OBSTACLES = [frozen_by_the_owner, frozen_by_an_admin, access_taken, a_run_is_under_way, all_runs_used]


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_stands_against_a_run_is_said_before_the_click(as_, obstacle):
    item = lane.fresh(make.code_request(at="approved"))
    obstacle(item)
    item = lane.fresh(item)
    for person in (item.author, item.dataset.owner):
        with pytest.raises(Denied) as refused:
            services.start_run(item, by=person, key=uuid4())
        page = as_(person).get(reverse("requests:detail", args=[item.pk])).content.decode()
        assert f'<span class="step-reason">{escape(str(refused.value))}</span>' in page
        assert reverse("requests:start_run", args=[item.pk]) not in page


def test_without_an_obstacle_the_button_is_open_to_both(as_):
    item = make.code_request(at="approved")
    for person in (item.author, item.dataset.owner):
        page = as_(person).get(reverse("requests:detail", args=[item.pk])).content.decode()
        assert reverse("requests:start_run", args=[item.pk]) in page
