"""Begin a new key for the signed log, which the old one signs for."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit import signing
from audit.models import Checkpoint
from common.errors import Refused


class Command(BaseCommand):
    help = (
        "Begin a new key for the signed log. The next checkpoint is signed by the old key and by the new one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--lost",
            action="store_true",
            help="the old key cannot be opened, or may be in foreign hands: the new one signs alone",
        )

        parser.add_argument(
            "--after-restore",
            action="store_true",
            help="the database was restored, and witnesses have signed more than it has: the log gets a new name",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            signed: Checkpoint = signing.begin_key(
                timezone.now(), without_old=options["lost"], after_restore=options["after_restore"]
            )
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(
            f"The new key is {signed.key.key.text}\nFingerprint: {signed.key.key.fingerprint}\n"
            "Tell it to everybody who has pinned the old one."
        )
