"""The people connected with each dataset: what the queue needs to keep apart runs that could signal to each other."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from uuid import UUID

from django.db.models import Max

from datasets.models import AccessRequest, Dataset, DatasetReviewer, Grant
from requests_app.models import CodeRequest, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """The people connected with one dataset, and when a run on its private rows last started."""

    staff: frozenset[UUID] = field(default_factory=frozenset)
    people: frozenset[UUID] = field(default_factory=frozenset)
    strict: bool = False
    last_start: datetime | None = None


def around(datasets: Collection[UUID]) -> dict[UUID, Around]:
    """Return, for each dataset, the people who might listen to a run on it: everybody who is or was connected with it.

    Access that has ended, or was only requested, counts too: whoever knew the data's shape still does.
    """
    if not datasets:
        return {}
    found = Dataset.objects.filter(pk__in=datasets).values_list("pk", "owner", "run_isolation")
    rows = {pk: (owner, isolation == Dataset.Isolation.STRICT) for pk, owner, isolation in found}
    reviewers = _pairs(DatasetReviewer.objects.filter(dataset__in=datasets).values_list("dataset", "user"))
    others = _pairs(
        Grant.objects.filter(dataset__in=datasets).order_by().values_list("dataset", "user").distinct(),
        AccessRequest.objects.filter(dataset__in=datasets)
        .order_by()
        .values_list("dataset", "scientist")
        .distinct(),
        CodeRequest.objects.filter(dataset__in=datasets)
        .order_by()
        .values_list("dataset", "author")
        .distinct(),
    )
    starts = dict(
        Run.objects.filter(kind=Run.Kind.PRIVATE, request__dataset__in=datasets)
        .order_by()
        .values_list("request__dataset")
        .annotate(last=Max("started_at"))
    )
    return {
        pk: Around(
            staff=frozenset({owner, *reviewers[pk]}),
            people=frozenset({owner, *reviewers[pk], *others[pk]}),
            strict=strict,
            last_start=starts.get(pk),
        )
        for pk, (owner, strict) in rows.items()
    }


def _pairs(*sources: Iterable[tuple[UUID, UUID]]) -> defaultdict[UUID, set[UUID]]:
    found: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for dataset, person in chain(*sources):
        found[dataset].add(person)
    return found
