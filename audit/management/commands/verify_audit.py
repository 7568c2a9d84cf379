"""Verify the audit log, its hash chain and its signed tree, and name the first thing that fails."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import tree_verification
from audit.verification import verify


class Command(BaseCommand):
    help = "Verify the audit log. If it was tampered with, print what fails first and exit with code 1."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            metavar="POSITION:HASH",
            default="",
            help="the head that an earlier verification printed, to detect that entries were cut off at the end",
        )

        parser.add_argument(
            "--lost-key",
            metavar="KEY",
            action="append",
            default=[],
            help="a key that was lost, as the page of the signed log shows it: what it signed proves nothing by itself",
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
        self._verify_tree(options["lost_key"])

    def _verify_tree(self, lost: list[str]) -> None:
        result = tree_verification.verify(lost)
        if result.bad_checkpoint is not None:
            raise CommandError(
                f"The checkpoint of {result.bad_checkpoint} leaves fails: {result.fault}. "
                f"The {result.checkpoints} checkpoints before it are valid."
            )
        if result.fault:
            raise CommandError(f"The signed log fails: {result.fault}.")
        self.stdout.write(
            f"All {result.checkpoints} checkpoints are valid. Newest: {result.leaves} leaves, root {result.root}. "
            f"Entries not signed yet: {result.unsigned}."
        )


def _head(text: str) -> tuple[int, str]:
    if not text:
        return 0, ""
    position, _, digest = text.partition(":")
    if not position.isdecimal() or len(digest) != 64:
        raise CommandError("--head must be POSITION:HASH, as an earlier verification printed it.")
    return int(position), digest
