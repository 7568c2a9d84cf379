"""Verify the hash chain of the audit log; name the first entry that does not hold."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.verification import verify


class Command(BaseCommand):
    help = "Verify the audit log. Exit code 1 and the first bad entry when it was tampered with."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            metavar="POSITION:HASH",
            default="",
            help="what an earlier verification printed; then a log that lost its end is noticed too",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        position, head = _head(options["head"])
        result = verify(position=position, head=head)
        if result.bad_entry is not None:
            raise CommandError(
                f"Entry {result.bad_entry} does not hold: {result.fault}. {result.entries} before it are sound."
            )
        if result.fault:
            raise CommandError(f"The log has lost entries: {result.fault}.")
        self.stdout.write(f"{result.entries} entries are sound. Head {result.position}:{result.head}")


def _head(text: str) -> tuple[int, str]:
    if not text:
        return 0, ""
    position, _, digest = text.partition(":")
    if not position.isdecimal() or len(digest) != 64:
        raise CommandError("--head must be POSITION:HASH as an earlier verification printed it.")
    return int(position), digest
