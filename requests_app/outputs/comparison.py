"""Run the output checks on a run's files, and compare the files with earlier releases."""

from pathlib import Path

from requests_app.models import Output, Release, Run
from requests_app.outputs import disclosure_checks
from runner.contract import OutputFile
from runner.gates import previews

COMPARED = 200
"""How many released files of a dataset a new one is compared with, the latest first."""


def checks_of(run: Run, path: Path, file: OutputFile) -> list[disclosure_checks.Check]:
    """Return every check of one file of this run. The sandbox reads the file."""
    return disclosure_checks.check(
        previews.facts(path, file.type),
        file=file,
        threshold=run.revision.dataset.threshold,
        subjects=_subjects(run),
        # The author of a mock run sees its checks, so these must not reveal what others received.
        earlier=released_before(run) if run.kind == Run.Kind.PRIVATE else (),
    )


def compare_again(run: Run) -> None:
    """Compare this run's files with what has been released since they were checked."""
    before = released_before(run)
    outputs = list(run.outputs.all())
    for output in outputs:
        output.checks = disclosure_checks.again(output.checks, run.revision.dataset.threshold, before)
    Output.objects.bulk_update(outputs, ["checks"])


def released_before(run: Run) -> list[disclosure_checks.Earlier]:
    """Return what other runs have released from this dataset, the latest first.

    Recalled files count: they were public once.
    """
    released = (
        Output.objects.filter(
            run__revision__dataset=run.revision.dataset_id,
            run__release__state__in=Release.PUBLIC,
            verdict=Output.Verdict.RELEASE,
        )
        .exclude(run=run.pk)
        .select_related("run__request")
        .order_by("-run__release__decided_at")[:COMPARED]
    )
    return [
        disclosure_checks.released(output.run.request.title, output.name, output.checks)
        for output in released
    ]


def _subjects(run: Run) -> list[str]:
    tables = run.revision.tables.filter(columns__is_subject=True)
    return list(tables.values_list("columns__name", flat=True).distinct())
