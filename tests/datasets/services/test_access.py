"""Actions on use and people: freeze, policy, reviewers, transfer, access."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Notification
from common.errors import Conflict, Denied, Refused
from datasets import services, storage
from datasets.models import AccessRequest, Dataset, Grant
from tests import make
from tests.datasets.logged import actions, last_changes

pytestmark = pytest.mark.django_db


# In and out of use


def test_a_freeze_stops_work_and_says_so(heard):
    dataset = make.dataset()
    scientist = make.grant(dataset).user
    services.freeze(dataset, by=dataset.owner, reason="A complaint.")
    dataset.refresh_from_db()
    assert (dataset.state, dataset.state_reason) == (Dataset.State.FROZEN, "A complaint.")
    assert heard == [("frozen", "frozen", dataset.owner)]
    assert last_changes() == {"state": ["published", "frozen"]}
    assert Notification.objects.filter(
        user=scientist, text__contains="has been frozen: A complaint."
    ).exists()
    with pytest.raises(Denied, match="frozen"):
        make.access_request(dataset)
    services.unfreeze(dataset, by=dataset.owner, reason="Settled.")
    dataset.refresh_from_db()
    assert (dataset.state, dataset.state_reason) == (Dataset.State.PUBLISHED, "")


def test_an_admin_freezes_and_only_an_admin_lifts_that(heard):
    dataset, admin = make.dataset(), make.admin()
    services.freeze(dataset, by=admin, reason="An incident.")
    with pytest.raises(Denied, match="Only an admin can lift the freeze"):
        services.unfreeze(dataset, by=dataset.owner, reason="I want to.")
    services.unfreeze(dataset, by=admin, reason="Settled.")
    services.freeze(dataset, by=dataset.owner, reason="My own.")
    with pytest.raises(Denied, match="Only the owner"):
        services.unfreeze(dataset, by=admin, reason="No.")


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_taking_a_dataset_out_of_use_needs_a_reason(reason):
    dataset = make.dataset()
    for act in (services.freeze, services.retire):
        with pytest.raises(Refused):
            act(dataset, by=dataset.owner, reason=reason)
    dataset.refresh_from_db()
    assert dataset.state == Dataset.State.PUBLISHED


def test_a_retired_dataset_takes_nothing_new_and_keeps_its_records(heard):
    dataset = make.dataset()
    make.grant(dataset)
    services.new_revision(dataset, by=dataset.owner, note="")
    services.retire(dataset, by=dataset.owner, reason="The study is over.")
    assert [each[:2] for each in heard] == [("retired", 1), ("frozen", "retired")]
    assert (dataset.current, dataset.draft) == (None, None)
    with pytest.raises(Denied, match="retired"):
        services.new_revision(dataset, by=dataset.owner, note="")
    with pytest.raises(Denied, match="retired"):
        make.access_request(dataset)
    assert Grant.objects.filter(dataset=dataset).count() == 1


# Policy, terms, reviewers, transfer


def test_every_change_of_the_policy_is_on_record_with_old_and_new():
    dataset = make.dataset()
    services.set_policy(dataset, by=dataset.owner, max_runs=3, threshold=10)
    assert last_changes() == {"max_runs": [5, 3]}


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_runs", 0), ("reviewers_needed", 6), ("threshold", 0), ("wall_seconds", 86_401), ("memory_mb", 1)],
)
def test_the_policy_has_limits(field, value):
    dataset = make.dataset()
    with pytest.raises(Refused):
        services.set_policy(dataset, by=dataset.owner, **{field: value})
    dataset.refresh_from_db()
    assert getattr(dataset, field) != value


def test_no_more_reviewers_are_needed_than_there_are():
    dataset = make.dataset()
    with pytest.raises(Refused, match="there is only 1, counting you"):
        services.set_policy(dataset, by=dataset.owner, reviewers_needed=2)
    seat = make.reviewer(dataset)
    services.set_policy(dataset, by=dataset.owner, reviewers_needed=2)
    with pytest.raises(Refused, match="The policy needs 2 reviewers"):
        services.remove_reviewer(seat, by=dataset.owner)
    services.set_policy(dataset, by=dataset.owner, reviewers_needed=1)
    services.remove_reviewer(seat, by=dataset.owner)
    assert dataset.reviewers.count() == 0


def test_admins_and_the_owner_get_no_seat():
    dataset = make.dataset()
    with pytest.raises(Refused, match="Admins and auditors must not read data or results"):
        services.add_reviewer(dataset, by=dataset.owner, user=make.admin())
    with pytest.raises(Refused, match="The owner is a reviewer already"):
        services.add_reviewer(dataset, by=dataset.owner, user=dataset.owner)


def test_terms_are_versions():
    dataset = make.dataset(terms="Be kind.")
    services.write_terms(dataset, by=dataset.owner, text="Be kind.")
    services.write_terms(dataset, by=dataset.owner, text="Be kinder.")
    assert list(dataset.terms_versions.values_list("number", "text")) == [(2, "Be kinder."), (1, "Be kind.")]


def test_a_dataset_changes_hands_and_the_former_owner_keeps_nothing():
    dataset, heir = make.dataset(), make.owner()
    former = dataset.owner
    make.reviewer(dataset, heir)
    services.transfer(dataset, by=former, to=heir, reason="I retire.")
    dataset.refresh_from_db()
    assert dataset.owner == heir
    assert dataset.reviewers.count() == 0
    assert last_changes() == {"owner": [former.email, heir.email]}
    with pytest.raises(Denied):
        services.update(dataset, by=former, title="Still mine")
    with pytest.raises(Denied):
        storage.open_for_owner(make.current(dataset).tables.get(), by=former)


def test_only_a_data_owner_takes_over():
    dataset = make.dataset()
    with pytest.raises(Refused, match="Only a data owner can take over"):
        services.transfer(dataset, by=dataset.owner, to=make.scientist(), reason="Here.")


# Access


def test_access_is_asked_for_and_granted():
    dataset, scientist = make.dataset(terms="Be kind."), make.scientist()
    item = make.access_request(dataset, scientist)
    assert (item.terms, item.terms_accepted_at is not None) == (dataset.terms, True)
    services.decide_access(item, by=dataset.owner, grant=True, days=30)
    grant = Grant.objects.get(user=scientist)
    assert grant.expires_at is not None
    assert timedelta(days=29) < grant.expires_at - timezone.now() < timedelta(days=31)
    assert actions()[-2:] == ["access.ask", "access.grant"]


@pytest.mark.parametrize(("purpose", "outputs"), [("", "Means."), ("To learn.", ""), ("  ", "Means.")])
def test_purpose_and_outputs_are_required(purpose, outputs):
    with pytest.raises(Refused):
        make.access_request(make.dataset(), purpose=purpose, outputs=outputs)


def test_terms_that_changed_meanwhile_have_to_be_read_again():
    dataset = make.dataset(terms="Be kind.")
    shown = dataset.terms
    services.write_terms(dataset, by=dataset.owner, text="Be kinder.")
    for stale in (shown, None):
        with pytest.raises(Conflict, match="terms have changed"):
            services.ask_access(
                dataset, by=make.scientist(), purpose="To learn.", outputs="Means.", terms=stale
            )


def test_one_asks_once_and_not_for_ones_own():
    dataset, scientist = make.dataset(), make.scientist()
    make.access_request(dataset, scientist)
    with pytest.raises(Denied, match="waiting for a decision"):
        make.access_request(dataset, scientist)
    both = make.user("owner", "scientist")
    with pytest.raises(Denied, match="your own dataset"):
        make.access_request(make.dataset(owner=both), both)


def test_declining_says_why():
    item = make.access_request(make.dataset())
    with pytest.raises(Refused, match="says why you decline"):
        services.decide_access(item, by=item.dataset.owner, grant=False)
    services.decide_access(item, by=item.dataset.owner, grant=False, note="Not with this purpose.")
    item.refresh_from_db()
    assert (item.state, item.decision_note) == (AccessRequest.State.DENIED, "Not with this purpose.")
    with pytest.raises(Conflict, match="closed already"):
        services.decide_access(item, by=item.dataset.owner, grant=True)


def test_who_decides_on_access():
    dataset = make.dataset()
    item = make.access_request(dataset)
    for other in (make.owner(), make.admin(), make.auditor(), item.scientist, make.reviewer(dataset).user):
        with pytest.raises(Denied):
            services.decide_access(item, by=other, grant=True)
    trusted = make.reviewer(dataset, decides_access=True).user
    services.decide_access(item, by=trusted, grant=True)
    assert Grant.objects.get(dataset=dataset).granted_by == trusted


def test_access_is_taken_away_and_what_is_live_ends(heard):
    grant = make.grant(make.dataset())
    admin = make.admin()
    services.revoke_access(grant, by=admin, reason="Left the institute.")
    grant.refresh_from_db()
    assert (grant.revoked_by, grant.revoke_reason) == (admin, "Left the institute.")
    assert heard == [("ended", grant.user, admin)]
    with pytest.raises(Conflict):
        services.revoke_access(grant, by=admin, reason="Again.")


def test_after_an_access_that_ran_out_one_asks_and_gets_it_anew():
    dataset, scientist = make.dataset(), make.scientist()
    old = make.grant(dataset, scientist, days=1)
    Grant.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    new = make.grant(dataset, scientist)
    assert list(Grant.objects.live().filter(user=scientist)) == [new]  # type: ignore[attr-defined]
