"""What is named in settings exists; what the models say is in the migrations."""

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.utils.module_loading import import_string

from portal.celery import app

app.loader.import_default_modules()
OURS = ("accounts.", "audit.", "datasets.", "network.", "privacy.", "requests_app.", "studies.")


@pytest.mark.parametrize("name", sorted(settings.CELERY_BEAT_SCHEDULE))
def test_what_the_clock_calls_exists(name: str):
    assert settings.CELERY_BEAT_SCHEDULE[name]["task"] in app.tasks


@pytest.mark.parametrize("name", sorted(settings.CELERY_TASK_ROUTES))
def test_what_is_routed_exists(name: str):
    assert name in app.tasks


def test_there_are_tasks_and_none_keeps_results():
    """What a task returns would lie in the broker, where nobody checks who reads it."""
    ours = {name: task for name, task in app.tasks.items() if name.startswith(OURS)}
    assert ours != {}
    assert [
        name for name, task in ours.items() if not (task.ignore_result or app.conf.task_ignore_result)
    ] == []


@pytest.mark.parametrize("name", ["EXECUTOR", "NAVIGATION", "AUDIT_SCOPE", "AUDIT_LINKS"])
def test_what_is_named_by_its_path_can_be_imported(name: str):
    assert callable(import_string(getattr(settings, name)))


@pytest.mark.django_db
def test_the_migrations_are_complete():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_every_thing_with_an_id_of_its_own_can_be_asked_who_sees_it():
    """Models that pages fetch by an id have `visible_to` on their manager."""
    fetched = {
        "Dataset", "Table", "Upload", "AccessRequest", "CodeRequest", "Run", "Release", "User", "Invitation",
        "Notification", "Entry",
    }  # fmt: skip
    models = {model.__name__: model for model in apps.get_models() if model.__module__.startswith(OURS)}
    assert fetched - set(models) == set()
    managers = {name: models[name]._default_manager for name in fetched}
    asked = {name for name, manager in managers.items() if hasattr(manager, "visible_to")}
    assert fetched - asked == set()
