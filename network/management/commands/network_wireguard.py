"""Write the configuration of WireGuard for the portals that this one works with."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.errors import Refused
from network import wireguard


class Command(BaseCommand):
    help = "Write the configuration of WireGuard for the portals that this one works with."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--peers", action="store_true", help="only the other portals, for deploy/systemd/apply-wireguard"
        )
        parser.add_argument("--key-file", default=wireguard.KEY_FILE, help="where root keeps the private key")
        parser.add_argument("--output", type=Path, help="write to this file, and only if it changes")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tunnel = wireguard.tunnel()
            text = tunnel.peers_file if options["peers"] else tunnel.quick_file(options["key_file"])
        except (Refused, ValueError) as refusal:
            raise CommandError(str(refusal)) from refusal
        for peer in tunnel.left_out:
            self.stderr.write(f"{peer.url} is left out: another portal has the same key of WireGuard.")
        output: Path | None = options["output"]
        if output is None:
            self.stdout.write(text, ending="")
        elif output.exists() and output.read_text() == text:
            self.stderr.write(f"{output} is up to date: {len(tunnel.members)} portals.")
        else:
            _replace(output, text)
            self.stderr.write(f"{output} is written: {len(tunnel.members)} portals.")


def _replace(output: Path, text: str) -> None:
    """Write a file at once or not at all, readable by its owner only."""
    part = output.with_name(f"{output.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
