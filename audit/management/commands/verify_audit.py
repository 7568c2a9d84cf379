"""Verify the hash chain of the audit log, and name the first entry that fails."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.verification import verify


class Command(BaseCommand):
    help = "Verify the audit log. If it was tampered with, print the first bad entry and exit with code 1."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            metavar="POSITION:HASH",
            default="",
            help="the head that an earlier verification printed, to detect that entries were cut off at the end",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        position, head = _head(options["head"])
        result = verify(position=position, head=head)
        if result.bad_entry is not None:
            raise CommandError(
                f"Entry {result.bad_entry} fails: {result.fault}. The {result.entries} entries before it are valid."
            )
        if result.fault:
            raise CommandError(f"The log has lost entries: {result.fault}.")
        self.stdout.write(f"All {result.entries} entries are valid. Head: {result.position}:{result.head}")


def _head(text: str) -> tuple[int, str]:
    if not text:
        return 0, ""
    position, _, digest = text.partition(":")
    if not position.isdecimal() or len(digest) != 64:
        raise CommandError("--head must be POSITION:HASH, as an earlier verification printed it.")
    return int(position), digest
