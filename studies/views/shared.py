"""Lookups and context shared by the pages of studies."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404

from common.http import UserRequest, found
from datasets.models import Dataset
from network.models import Peer
from privacy.engine.language.schema import TableSpec
from studies import queries
from studies.documents import StudyDocument, read_study
from studies.forms import Portals
from studies.models import JointAnswer, Study


def the_study(request: UserRequest, pk: UUID) -> Study:
    """Return a study that this person may see; 404 otherwise."""
    return found(Study.objects.visible_to(request.user).select_related("founder", "founded_by"), pk=pk)


def the_answer(request: UserRequest, pk: UUID) -> JointAnswer:
    """Return a joint answer that this person may see; 404 otherwise."""
    return found(JointAnswer.objects.visible_to(request.user).select_related("study", "scientist"), pk=pk)


def about(study: Study) -> dict[str, Any]:
    """Return the template context of a study: itself, and what its document declares."""
    document = read_study(study.document)
    return {
        "study": study,
        "document": document,
        "table": document.table,
        "columns": list(document.table.columns.values()),
    }


def others(document: StudyDocument) -> Portals:
    """Return the other portals of a study, by address and name."""
    return [(url, queries.name_of(url)) for url in document.portals if url != settings.BASE_URL]


def peers() -> Portals:
    """Return the portals that can be invited."""
    return [(peer.url, str(peer)) for peer in Peer.objects.active().order_by("name", "url")]


def offers(request: UserRequest) -> list[tuple[Dataset, str]]:
    """Return the tables with which this owner could take part in a study."""
    return [
        (dataset, name)
        for dataset in queries.could_join(request.user)
        for name, table in queries.own_specs(dataset).items()
        if table.subject
    ]


def chosen(request: UserRequest) -> tuple[Dataset, str, TableSpec] | None:
    """Return the dataset and the table that the address names, None if it names none. Raises Http404 for others'."""
    pk, name = request.GET.get("dataset", ""), request.GET.get("table", "")
    if not pk:
        return None
    dataset = found(queries.could_join(request.user), pk=pk)
    spec = queries.own_specs(dataset).get(name)
    if spec is None:
        raise Http404
    return dataset, name, spec
