"""Create the demo, or the missing parts of it. For this machine only."""

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from portal.checks import public_hosts
from portal.demo import hospitals, people, scenes
from portal.demo.lane import opened


class Command(BaseCommand):
    help = "Create the demo's people, datasets and requests in an empty database. Safe to run again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--hospital",
            choices=list(hospitals.HOSPITALS),
            help="create one portal of the network demo instead",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        _refuse_to_mix()
        if options["hospital"]:
            hospital = hospitals.HOSPITALS[options["hospital"]]
            hospitals.play(hospital)
            people.write_file(hospital.people)
        else:
            self._play()
        self.stdout.write(f"Demo created ({time.monotonic() - began:.1f} s).")

    def _play(self) -> None:
        people.make()
        with opened() as work:
            scenes.play(work)
        people.leave_an_invitation_open()
        people.suspend_viktor()
        people.write_file()
        if work.refusal:
            self.stdout.write(f"No code has run, because there is no sandbox: {work.refusal}")


def _refuse_to_mix() -> None:
    """Refuse a database with real people, or public hosts: the demo's passwords are public."""
    strangers = User.objects.people().exclude(email__endswith=f"@{settings.DEMO_DOMAIN}")
    if strangers.exists():
        raise CommandError(
            "This database has people who do not belong to the demo. Create the demo in a database of its own."
        )
    if public := public_hosts():
        raise CommandError(
            f"The demo is allowed on this machine only, but WEIR_HOSTS names {', '.join(public)}. Remove these names."
        )
