"""What admins do with workers: drain one, pause all; and that nobody else does."""

import pytest

from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from requests_app import services
from requests_app.models import Pause
from tests import make

pytestmark = pytest.mark.django_db


def test_a_drain_and_a_pause_are_on_record():
    admin, worker = make.admin(), make.worker()
    services.drain_worker(worker, by=admin)
    services.drain_worker(worker, by=admin)
    services.undrain_worker(worker, by=admin)
    services.pause_runs(by=admin, reason="Maintenance.")
    services.resume_runs(by=admin)
    actions = Entry.objects.filter(actor_id=str(admin.pk)).order_by("id").values_list("action", flat=True)
    assert list(actions) == ["worker.drain", "worker.undrain", "workers.pause", "workers.resume"]
    assert Pause.objects.get().ended_by == admin


@pytest.mark.parametrize("who", [make.scientist, make.owner, make.auditor])
def test_only_admins_manage_workers(who):
    person, worker = who(), make.worker()
    for act in (
        lambda: services.drain_worker(worker, by=person),
        lambda: services.undrain_worker(worker, by=person),
        lambda: services.pause_runs(by=person, reason="No."),
        lambda: services.resume_runs(by=person),
    ):
        with pytest.raises(Denied):
            act()


def test_one_pause_at_a_time_and_with_a_reason():
    admin = make.admin()
    with pytest.raises(Refused, match="Give a reason"):
        services.pause_runs(by=admin, reason=" ")
    with pytest.raises(Conflict, match="not paused"):
        services.resume_runs(by=admin)
    services.pause_runs(by=admin, reason="Maintenance.")
    with pytest.raises(Conflict, match="already paused"):
        services.pause_runs(by=admin, reason="Again.")
