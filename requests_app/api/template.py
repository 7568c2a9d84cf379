"""The code that a new request on a dataset begins with."""

from uuid import UUID

from rest_framework import serializers

from common.rest.bodies import Item
from common.rest.endpoints import Endpoint, reads
from common.rest.grants import Call, one
from common.rest.references import NumberedReference
from datasets.models import Dataset
from datasets.queries import current_revision
from requests_app.code.template import template_code


class CodeTemplateItem(Item):
    """Code that runs unchanged."""

    code = serializers.CharField(help_text="Python: a main() over the declared tables.")
    revision = NumberedReference(help_text="The one that it is for.")


class CodeTemplate(Endpoint):
    """The code that a new request begins with."""

    @reads(CodeTemplateItem)
    def get(self, call: Call, pk: UUID) -> dict[str, object]:
        """Read code that runs unchanged on the tables of a dataset, made from its schema."""
        dataset = one(call, Dataset.objects.visible_to(call.user), dataset="pk", pk=pk)
        revision = current_revision(dataset)
        return {"code": template_code(revision), "revision": revision}
