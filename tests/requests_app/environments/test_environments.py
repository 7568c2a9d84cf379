"""Code environments: how one is built, chosen, retired; and what a version is bound to."""

import json
import os
import types
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.models import Entry
from common import code_environments as environments
from common.errors import Conflict, Denied, Refused
from requests_app import services, tasks
from requests_app.environments import builds, package_lists
from requests_app.models import CodeEnvironment
from runner.build import CannotBuild
from tests import make
from tests.makers import requests as made
from tests.runner.build.wheels import wheel

pytestmark = pytest.mark.django_db

PINS = "six==1.17.0\nidna==3.10\n"
HASH = "a" * 64
State = CodeEnvironment.State
built: list[str] = []


def builds_nothing(name: str, requirements: Path, root: Path) -> object:
    """A builder that installs nothing but writes the manifest of a real one."""
    text = requirements.read_text()
    if "idna==0" in text:
        raise CannotBuild("No matching distribution found for idna==0")
    built.append(name)
    folder = root / name
    folder.mkdir()
    manifest = {
        "sha256": HASH,
        "python": "3.11.2",
        "packages": package_lists.check(text),
        "unsandboxed": "There is no bubblewrap." if name == "bare" else "",
    }
    (folder / "weir-manifest.json").write_text(json.dumps(manifest))
    return types.SimpleNamespace(**manifest)


@pytest.fixture(autouse=True)
def installed(settings, tmp_path):
    """The default environment, and nothing else."""
    default = environments.get()
    (tmp_path / "default").mkdir()
    (tmp_path / "default" / "weir-manifest.json").write_text(
        json.dumps({"sha256": default.sha256, "python": "3.11.2", "packages": {"numpy": "2.4.6"}})
    )
    settings.ENVIRONMENTS = tmp_path
    settings.ENVIRONMENT_BUILDER = f"{__name__}.builds_nothing"
    built.clear()
    return tmp_path


def added(name="survey", requirements=PINS, *, by=None):
    return services.add_environment(by=by or make.admin(), name=name, requirements=requirements)


def ready(name="survey"):
    return ready_of(PINS, name=name)


def ready_of(requirements, *, name="survey"):
    item = added(name, requirements)
    builds.build_next()
    item.refresh_from_db()
    return item


# Building


@pytest.mark.parametrize("name", ["", "Survey", "../up", "a/b", "-x", "x" * 41, ".hidden", "default"])
def test_names_that_are_no_folder_of_their_own_are_refused(name):
    with pytest.raises(Refused):
        added(name)


def test_an_admin_has_an_environment_built_and_is_told():
    item = ready()
    assert (item.state, item.sha256, item.packages) == (State.READY, HASH, {"six": "1.17.0", "idna": "3.10"})
    assert item.by.notifications.get().text == "The code environment survey is ready."
    actions = Entry.objects.filter(object_id=str(item.pk)).order_by("id").values_list("action", flat=True)
    assert list(actions) == ["environment.add", "environment.build", "environment.ready"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("survey", "2 packages are installed."),
        (
            "bare",
            "2 packages are installed. They were downloaded and unpacked without a sandbox. There is no bubblewrap.",
        ),
    ],
)
def test_the_log_says_when_there_was_no_sandbox(name, said):
    assert ready(name).log == said


def test_a_package_that_attacks_its_installer_gets_nowhere(settings, installed, tmp_path, monkeypatch):
    """The real builder, as the worker calls it, for a package that runs code when an interpreter starts."""
    settings.ENVIRONMENT_BUILDER = "runner.environments.build"
    settings.ENVIRONMENTS = tmp_path / "real"
    for name, value in {
        "CONFIG_FILE": os.devnull,
        "NO_INDEX": "1",
        "FIND_LINKS": str(tmp_path / "wheels"),
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    marker = tmp_path / "marker"
    wheel(
        tmp_path / "wheels",
        "evil",
        {"evil.pth": f"import os; open({str(marker)!r}, 'w').write(str(os.environ))"},
    )
    item = ready_of("evil==1.0\n")
    assert (item.state, item.log, item.packages) == (
        State.READY,
        "1 package is installed.",
        {"evil": "1.0"},
    )
    assert not marker.exists()
    failed = ready_of("evil==1.0\nabsent==1.0\n", name="other")
    assert (failed.state, "No matching distribution found for absent==1.0" in failed.log) == (
        State.FAILED,
        True,
    )


def test_a_name_is_used_once():
    added()
    with transaction.atomic(), pytest.raises(Refused, match="already"):
        added()


def test_a_folder_that_is_there_is_not_overwritten(installed):
    (installed / "torch").mkdir()
    with pytest.raises(Refused, match="already"):
        added("torch")


def test_what_cannot_be_built_says_why_and_can_be_tried_again():
    item = added(requirements="idna==0\n")
    builds.build_next()
    item.refresh_from_db()
    assert (item.state, item.log) == (State.FAILED, "No matching distribution found for idna==0")
    again = services.build_again(item, by=make.admin())
    assert (again.state, again.log) == (State.QUEUED, "")


def test_the_log_of_a_build_is_bounded():
    assert len(builds._last_words("x" * 50_000)) == builds.LOG_LIMIT
    assert builds._last_words("a\x00b") == "a\N{REPLACEMENT CHARACTER}b"


def test_one_is_built_at_a_time_in_the_order_of_asking():
    first, second = added("first"), added("second")
    CodeEnvironment.objects.filter(pk=first.pk).update(state=State.BUILDING, begun_at=timezone.now())
    assert builds.build_next() is None
    CodeEnvironment.objects.filter(pk=first.pk).update(state=State.QUEUED)
    tasks.build_environment()
    tasks.build_environment()
    assert built == ["first", "second"]
    assert builds.build_next() is None
    second.refresh_from_db()
    assert second.state == State.READY


def test_a_build_whose_worker_is_gone_has_failed():
    item = added()
    long_ago = timezone.now() - builds.BUILD_TIMEOUT - timedelta(minutes=1)
    CodeEnvironment.objects.filter(pk=item.pk).update(state=State.BUILDING, begun_at=long_ago)
    builds.sweep()
    item.refresh_from_db()
    assert (item.state, item.log) == (
        State.FAILED,
        "The worker stopped responding during the build. Build the environment again.",
    )


def test_a_lost_bell_is_rung_again(django_capture_on_commit_callbacks):
    added()
    with django_capture_on_commit_callbacks() as callbacks:
        builds.sweep()
    assert len(callbacks) == 1


@pytest.mark.parametrize("who", [make.scientist, make.owner, make.auditor])
def test_only_admins_manage_environments(who):
    item = ready()
    for act in (
        lambda person: added("other", by=person),
        lambda person: services.retire_environment(item, by=person),
        lambda person: services.build_again(item, by=person),
    ):
        with pytest.raises(Denied):
            act(who())
    assert CodeEnvironment.objects.count() == 1


@pytest.mark.parametrize(
    ("state", "act"),
    [
        ("queued", "retire"),
        ("building", "retire"),
        ("retired", "retire"),
        ("ready", "again"),
        ("queued", "again"),
    ],
)
def test_steps_that_do_not_lead_on(state, act):
    item = ready()
    CodeEnvironment.objects.filter(pk=item.pk).update(state=state)
    verb = services.retire_environment if act == "retire" else services.build_again
    with pytest.raises(Conflict):
        verb(item, by=make.admin())


def test_what_was_never_built_cannot_be_retired():
    item = added(requirements="idna==0\n")
    builds.build_next()
    with pytest.raises(Conflict, match="never been built"):
        services.retire_environment(item, by=make.admin())


def test_a_retired_one_is_taken_off_the_disk(installed, django_capture_on_commit_callbacks):
    item, admin = ready("survey"), make.admin()
    with pytest.raises(Conflict):
        services.remove_environment(item, by=admin)
    services.retire_environment(item, by=admin)
    with pytest.raises(Denied):
        services.remove_environment(item, by=make.owner())
    with django_capture_on_commit_callbacks(execute=True):
        services.remove_environment(item, by=admin)
    assert [path.name for path in installed.iterdir()] == ["default"]
    assert CodeEnvironment.objects.get(pk=item.pk).sha256 == HASH
    assert Entry.objects.filter(action="environment.remove", object_id=str(item.pk)).count() == 1
    with pytest.raises(Conflict, match="already been deleted"):
        services.remove_environment(item, by=admin)


def test_one_with_a_run_in_it_stays():
    item, admin = ready("survey"), make.admin()
    run = made.start(make.code_request(at="approved", environment="survey"))
    services.retire_environment(item, by=admin)
    with pytest.raises(Conflict, match="still uses this environment"):
        services.remove_environment(item, by=admin)
    services.cancel_run(run, by=admin)
    services.remove_environment(item, by=admin)


def test_the_database_holds_a_built_one_to_a_hash():
    with pytest.raises(IntegrityError), transaction.atomic():
        CodeEnvironment.objects.create(name="x", requirements=PINS, state=State.READY, by=make.admin())


# Using


def test_a_request_chooses_among_those_that_are_ready():
    ready("survey")
    added("queued-one")
    item = make.code_request(environment="survey")
    assert services.snapshot(item).environment == "survey"
    for name in ("queued-one", "nowhere", "../default"):
        with pytest.raises(Refused, match="no code environment"):
            services.save_draft(item, by=item.author, number=item.draft_number, environment=name)


def test_the_default_one_is_always_there():
    assert services.snapshot(make.code_request()).environment == "default"


def test_a_version_a_run_and_its_fingerprint_are_bound_to_the_environment():
    ready()
    item = make.code_request(at="approved", environment="survey")
    version = made.version(item)
    executor = made.WritesOutputs()
    run = made.execute(made.start(item), executor)
    assert (version.environment, version.environment_sha256) == ("survey", HASH)
    assert (run.state, run.environment, run.environment_sha256) == ("succeeded", "survey", HASH)
    assert executor.specs[0].environment == environments.get("survey").path
    assert version.sha256 != services.snapshot(made.fresh(make.code_request())).sha256


def test_nothing_starts_in_a_retired_environment():
    item = ready()
    approved = make.code_request(at="approved", environment="survey")
    draft = make.code_request(environment="survey")
    waiting = made.start(make.code_request(at="approved", environment="survey"))
    services.retire_environment(item, by=make.admin())
    with pytest.raises(Denied, match="no longer available"):
        made.start(approved)
    with pytest.raises(Refused, match="no longer available"):
        made.submission(draft)
    assert made.execute(waiting).close_code == "POLICY_BLOCKED"


def test_packages_that_were_exchanged_on_disk_end_the_approval(installed):
    ready()
    item = make.code_request(at="approved", environment="survey")
    (installed / "survey" / "weir-manifest.json").write_text(json.dumps({"sha256": "b" * 64}))
    with pytest.raises(Denied, match="has changed"):
        made.start(item)
