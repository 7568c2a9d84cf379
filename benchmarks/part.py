"""Run one part in its own process: `python -m benchmarks.part NAME FILE [--quick] [--full] [--cold] [--install]`."""

import argparse
import importlib
import json
import logging
import sys
from pathlib import Path

import django
from django.core.management import call_command

from benchmarks.surroundings import CLIENT, start_servers

WITHOUT_SERVERS = {
    "launch",
    "gates",
    "channels",
    "accuracy",
    "code",
    "tables",
    "fit",
    "fit_peers",
    "table_peers",
    "offline",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("file", type=Path)
    for flag in ("quick", "full", "cold", "install"):
        parser.add_argument(f"--{flag}", action="store_true")
    chosen = parser.parse_args()
    if chosen.name not in WITHOUT_SERVERS:
        start_servers()
        django.setup()
        call_command("migrate", verbosity=0)
    logging.disable(logging.INFO)
    sys.path.append(str(CLIENT))
    part = importlib.import_module(f"benchmarks.parts.{chosen.name}")
    with chosen.file.open("a") as kept:
        for measure in part.measures(chosen):
            sys.stdout.write(f"  {measure.as_line()}\n")
            sys.stdout.flush()
            kept.write(json.dumps(measure.as_json()) + "\n")


if __name__ == "__main__":
    main()
