"""`manage.py openapi`: write the description of the REST API that the portal serves."""

import json
from typing import Any

from django.core.management.base import BaseCommand
from drf_spectacular.generators import SchemaGenerator

from portal.api.views import OPENAPI


class Command(BaseCommand):
    help = "Write the OpenAPI description of the REST API."

    def handle(self, *args: Any, **options: Any) -> None:
        OPENAPI.write_text(generated())
        self.stdout.write(f"Wrote {OPENAPI.name}.")


def generated() -> str:
    """Return the description as the code has it now."""
    found = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
