"""Verify the ledgers of automatic answers and list every disagreement."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from privacy.ledgers.verification import faults, totals
from privacy.models import Promise


class Command(BaseCommand):
    help = (
        "Replay the ledgers of automatic answers against balances, audit log, answers and per-person ledgers. "
        "Exits with code 1 and lists every fault if they disagree. Run it while no answer is being computed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        found = [
            fault
            for promise in Promise.objects.select_related("dataset").order_by("created_at")
            for fault in faults(promise)
        ]
        if found:
            raise CommandError("\n".join(["The ledgers do not agree.", *found]))
        seen = totals()
        self.stdout.write(
            f"{seen.lines} lines and {seen.answers} answers of {seen.datasets} datasets are sound."
        )
