"""Take steps of the network demo in one of its portals: a line of JSON in, a line of JSON out. bin/launch calls it."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from common.errors import Refused
from portal.demo.hospitals import HOSPITALS
from portal.demo.introducing import STEPS


class Command(BaseCommand):
    help = 'Take steps of the network demo. Each line of the input is a step, such as {"step": "tell"}.'

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("hospital", choices=list(HOSPITALS))

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("This portal is not a demo: its people act for themselves.")
        hospital = HOSPITALS[options["hospital"]]
        for line in sys.stdin:
            given: dict[str, Any] = json.loads(line)
            try:
                said = STEPS[given.pop("step")](hospital, **given)
            except Refused as refused:
                said = {"refused": str(refused)}
            self.stdout.write(json.dumps(said))
            self.stdout.flush()
