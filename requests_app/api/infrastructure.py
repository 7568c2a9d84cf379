"""What runs code: the code environments, for everybody, and the workers, for admins and auditors."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import serializers

from common import code_environments
from common.access import require
from common.rest.bodies import Item
from common.rest.endpoints import Endpoint, lists, reads
from common.rest.grants import Call, one, require_every_dataset
from common.rest.references import PersonReference
from requests_app import queries, rules
from requests_app.models import CodeEnvironment


class EnvironmentLine(Item):
    """A set of packages that submitted code can import."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    state = serializers.ChoiceField(CodeEnvironment.State.choices)
    sha256 = serializers.CharField()
    python = serializers.CharField()
    created_at = serializers.DateTimeField()
    built_at = serializers.DateTimeField(allow_null=True)
    by = PersonReference()


class EnvironmentItem(EnvironmentLine):
    """A set of packages. `requirements` and `log` are empty for those who do not look after the workers."""

    packages = serializers.DictField(child=serializers.CharField(), help_text="Versions by name.")
    requirements = serializers.SerializerMethodField()
    log = serializers.SerializerMethodField(help_text="The end of the build log.")

    def get_requirements(self, item: CodeEnvironment) -> str:
        return item.requirements if self._sees_builds() else ""

    def get_log(self, item: CodeEnvironment) -> str:
        return item.log if self._sees_builds() else ""

    def _sees_builds(self) -> bool:
        return rules.may_see_workers(self.context["call"].user) is None


class DefaultEnvironmentItem(Item):
    """The set of packages that comes with the portal and is always available."""

    name = serializers.CharField()
    sha256 = serializers.CharField()
    python = serializers.CharField()
    packages = serializers.SerializerMethodField()

    def get_packages(self, described: code_environments.Described) -> dict[str, str]:
        return dict(described.listed)


class Environments(Endpoint):
    """The code environments that admins have added."""

    @lists(EnvironmentLine)
    def get(self, call: Call) -> "QuerySet[CodeEnvironment]":
        """List the code environments. The default one is not among them: it has an address of its own."""
        return CodeEnvironment.objects.visible_to(call.user).select_related("by")


class Environment(Endpoint):
    """One code environment."""

    @reads(EnvironmentItem)
    def get(self, call: Call, pk: UUID) -> CodeEnvironment:
        """Read which packages a code environment has."""
        rows = CodeEnvironment.objects.visible_to(call.user).select_related("by")
        return one(call, rows, dataset=None, pk=pk)


class DefaultEnvironment(Endpoint):
    """The default code environment."""

    @reads(DefaultEnvironmentItem)
    def get(self, call: Call) -> code_environments.Described:
        """Read which packages the default code environment has."""
        described = code_environments.described()
        if described is None:
            raise Http404
        return described


class WorkerItem(Item):
    """A process that executes runs."""

    id = serializers.UUIDField(source="worker.pk")
    name = serializers.CharField(source="worker.name")
    host = serializers.CharField(source="worker.host")
    pid = serializers.IntegerField(source="worker.pid")
    says = serializers.CharField(help_text="Its state in words.")
    is_alive = serializers.BooleanField()
    draining = serializers.BooleanField(source="worker.draining")
    refusal = serializers.CharField(source="worker.refusal", help_text="Why it runs no code, if it does not.")
    busy = serializers.IntegerField()
    slots = serializers.IntegerField(source="worker.slots")
    started_at = serializers.DateTimeField(source="worker.started_at")
    heartbeat_at = serializers.DateTimeField(source="worker.heartbeat_at")
    executor = serializers.CharField(source="worker.executor")
    kernel = serializers.CharField(source="worker.kernel")
    layers = serializers.ListField(source="worker.layers", child=serializers.CharField())
    missing = serializers.ListField(source="worker.missing", child=serializers.CharField())


class QueueItem(Item):
    """How many runs wait, and since when the oldest does."""

    mock = serializers.IntegerField()
    private = serializers.IntegerField()
    oldest = serializers.DateTimeField(allow_null=True)


class PauseItem(Item):
    """A pause of all runs."""

    by = PersonReference()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()


class WorkersItem(Item):
    """Where runs are executed, and what is waiting."""

    workers = WorkerItem(many=True)
    queue = QueueItem()
    pause = PauseItem(allow_null=True)


class Workers(Endpoint):
    """The workers. Admins drain them and pause runs in the browser."""

    @reads(WorkersItem)
    def get(self, call: Call) -> dict[str, Any]:
        """Read the state of the workers and of the queue."""
        require(rules.may_see_workers, call.user)
        require_every_dataset(call)
        return {"workers": queries.workers(), "queue": queries.queue_length(), "pause": queries.pause()}
