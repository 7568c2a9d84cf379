"""Print a one-time link that creates the first admin. No account has a default password."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import services
from common.errors import Refused


class Command(BaseCommand):
    help = "Print a one-time link that creates the first admin."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            link = services.first_admin_link()
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(link)
