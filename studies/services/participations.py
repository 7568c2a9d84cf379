"""Taking part in a study: joining with a dataset, declining, leaving, and on whom an owner counts."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from common import live, rows
from common.access import require
from common.reasons import reason as written_reason
from datasets.models import Dataset
from studies import mapping as mappings
from studies import queries, rules
from studies.documents import read_study
from studies.models import Member, Participation, Study
from studies.services import consents, members


@transaction.atomic
def join(  # noqa: PLR0913 -- what an owner decides
    study: Study,
    dataset: Dataset,
    table: str,
    mapping: Mapping[str, Mapping[str, Any]],
    relies_on: Collection[str],
    *,
    by: User,
    agreed_text: str,
) -> Participation:
    """Take part in a study with a table of one's own dataset. The other portals are told.

    Raises Denied, DoesNotFit, and Conflict if the text agreed to is not that of `consents.consent_text` now.
    """
    study, dataset = rows.locked(study), rows.locked(dataset)
    require(rules.may_join, by, study, dataset)
    document = read_study(study.document)
    mappings.check(mapping, queries.table_of(dataset, table), document.table)
    counted = consents.checked(document, relies_on)
    text = consents.consent_text(study, dataset, counted)
    consents.must_be_agreed(agreed_text, text)
    made = Participation.objects.create(
        study=study,
        dataset=dataset,
        table=table,
        mapping={name: dict(way) for name, way in mapping.items()},
        relies_on=counted,
        consent=text,
        agreed_by=by,
    )
    members.say(study, Member.State.JOINED, made)
    log.record(
        "study.join", by=by, on=study, dataset_id=dataset.pk, table=table, relies_on=counted,
        sha256=study.sha256,
    )  # fmt: skip
    return made


@transaction.atomic
def decline(study: Study, *, by: User, reason: str) -> None:
    """Decline an invitation for this portal. An owner can still join later."""
    study = rows.locked(study)
    require(rules.may_decline, by, study)
    reason = written_reason(reason)
    members.say(study, Member.State.DECLINED)
    log.record("study.decline", by=by, on=study, reason=reason)


@transaction.atomic
def leave(study: Study, *, by: User, reason: str) -> Participation:
    """Leave a study for good: what has not been computed is given up. The other portals are told."""
    study = rows.locked(study)
    require(rules.may_leave, by, study)
    found = Participation.objects.select_related("dataset").get(study=study)
    found.left_at, found.leave_reason = timezone.now(), written_reason(reason)
    found.save(update_fields=["left_at", "leave_reason"])
    members.say(study, Member.State.LEFT)
    log.record("study.leave", by=by, on=study, dataset_id=found.dataset_id, reason=found.leave_reason)
    return found


@transaction.atomic
def change_reliance(study: Study, relies_on: Collection[str], *, by: User, agreed_text: str) -> Participation:
    """Count on other portals than before, for questions from now on. Raises Conflict as `join` does."""
    study = rows.locked(study)
    require(rules.may_change_reliance, by, study)
    found = Participation.objects.select_related("dataset__promise").get(study=study)
    counted = consents.checked(read_study(study.document), relies_on)
    text = consents.consent_text(study, found.dataset, counted)
    consents.must_be_agreed(agreed_text, text)
    before = found.relies_on
    found.relies_on, found.consent, found.agreed_by = counted, text, by
    found.save(update_fields=["relies_on", "consent", "agreed_by"])
    if before != counted:
        changes: dict[str, tuple[object, object]] = {"relies_on": (before, counted)}
        log.record("study.rely", by=by, on=study, dataset_id=found.dataset_id, changes=changes)
        live.changed("study", study.pk)
    return found
