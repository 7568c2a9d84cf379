"""Verify the records of releases against the audit log and list every disagreement."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from requests_app.models import Release
from requests_app.outputs.record_verification import faults


class Command(BaseCommand):
    help = "Compare the records of releases with the audit log. Exits with code 1 and lists every fault."

    def handle(self, *args: Any, **options: Any) -> None:
        if found := list(faults()):
            raise CommandError("\n".join(["The releases do not agree with the audit log.", *found]))
        self.stdout.write(f"{Release.objects.exclude(record={}).count()} records of releases are sound.")
