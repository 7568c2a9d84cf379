"""Fill the database with the demo, or with what is still missing of it. For this machine only."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from portal.checks import LOOPBACK
from portal.demo import people, scenes
from portal.demo.lane import opened


class Command(BaseCommand):
    help = "Fill an empty database with the demo's people, datasets and requests. Safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        _refuse_to_mix()
        people.make()
        with opened() as work:
            scenes.play(work)
        people.leave_an_invitation_open()
        people.suspend_viktor()
        people.write_file()
        self.stdout.write(f"The demo is filled in ({time.monotonic() - began:.1f} s).")
        if work.refusal:
            self.stdout.write(f"No code has run, for there is no sandbox: {work.refusal}")


def _refuse_to_mix() -> None:
    """Public passwords and real people do not go together."""
    strangers = User.objects.people().exclude(email__endswith=f"@{settings.DEMO_DOMAIN}")
    if strangers.exists():
        raise CommandError(
            "There are people here who are not the demo's. The demo needs a database of its own."
        )
    if public := sorted(set(settings.ALLOWED_HOSTS) - LOOPBACK):
        raise CommandError(f"The demo is for this machine only, but WEIR_HOSTS names {', '.join(public)}.")
