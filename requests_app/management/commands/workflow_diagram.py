"""`manage.py workflow_diagram`: regenerate docs/workflow.md from the workflow's tables."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from requests_app import workflow_diagram


class Command(BaseCommand):
    help = "Write docs/workflow.md from the tables of the workflow."

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(settings.ROOT) / "docs" / "workflow.md"
        path.write_text(workflow_diagram.document())
        self.stdout.write(f"Wrote {path}.")
