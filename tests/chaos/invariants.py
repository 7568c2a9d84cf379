"""What holds of every run, whatever was killed meanwhile."""

from collections import Counter
from collections.abc import Iterator

from audit.models import Entry
from audit.verification import verify
from datasets import storage
from requests_app.models import Run
from runner.host.cgroups import parents
from tests.chaos.site import Site, is_there

ENDS = ("run.succeed", "run.fail", "run.cancelled", "run.cancel_queued")


def violations(site: Site) -> list[str]:
    """Everything that is not as it must be."""
    found = [f"{run.pk}: {what}" for run in Run.objects.all() for what in _of_run(site, run)]
    if fault := verify().fault:
        found.append(f"the audit chain: {fault}")
    return found


def _of_run(site: Site, run: Run) -> Iterator[str]:
    said = Counter(Entry.objects.filter(object_id=str(run.pk)).values_list("action", flat=True))
    if (ends := sum(said[action] for action in ENDS)) != 1:
        yield f"it ended {ends} times"
    if said["run.start"] > 1 or said["run.open_data"] > 1:
        yield f"it was started {said['run.start']} times and opened data {said['run.open_data']} times"
    if len(executed := site.executions(run.pk)) > said["run.start"]:
        yield f"its code ran {len(executed)} times on {said['run.start']} leases"
    if run.finished_at is None:
        yield "it has no end in time"
    yield from _told(run)
    yield from _outputs(run)


def _told(run: Run) -> Iterator[str]:
    if run.kind == Run.Kind.MOCK:
        return
    author = run.request.author
    words = {"succeeded": "has run", "failed": "failed (", "cancelled": "was cancelled"}[run.state]
    told = [
        text
        for text in author.notifications.filter(url__contains=str(run.pk)).values_list("text", flat=True)
        if words in text
    ]
    wanted = 0 if run.cancelled_by == author else 1
    if len(told) != wanted:
        yield f"its author was told {len(told)} times that it {run.state}"


def _outputs(run: Run) -> Iterator[str]:
    if run.state == Run.State.SUCCEEDED and not run.outputs.exists():
        yield "it succeeded with nothing to show"
    if run.state != Run.State.SUCCEEDED and run.outputs.exists():
        yield "it did not succeed and has outputs"
    for output in run.outputs.all():
        if storage.sha256_of(storage.output_path(run.pk, output.name)) != output.sha256:
            yield f"{output.name} is not what was collected"


def leftovers(site: Site) -> list[str]:
    """Control groups and staged copies of processes that are gone."""
    dead = [pid for pid in site.worker_processes() if not is_there(pid)]
    where = parents()
    folders = [*(where.folders.values() if where else ()), site.sandbox]
    return [str(path) for folder in folders for pid in dead for path in folder.glob(f"weir-{pid}-*")]
