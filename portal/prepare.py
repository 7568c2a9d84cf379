"""Bring the database up to date before the portal starts, and list how to sign in. Called by bin/launch.

The last line of its output is JSON: `demo`, `did` (one line), `lines` (what to show on the console).
"""

import argparse
import json
import os
import sys

import django
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from accounts.models import User  # noqa: E402 -- apps must be loaded first
from accounts.services import first_admin_link  # noqa: E402 -- apps must be loaded first
from portal.demo import people  # noqa: E402 -- as above
from portal.demo.hospitals import HOSPITALS  # noqa: E402 -- as above
from portal.launch.options import is_loopback  # noqa: E402 -- as above


def migrate() -> bool:
    """Apply missing migrations; return whether there were any."""
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return False
    call_command("migrate", interactive=False, verbosity=0)
    return True


def is_empty() -> bool:
    return not User.objects.people().exists()


def is_unfinished_demo() -> bool:
    """Return whether an earlier start was stopped while it created the demo, and left some of its people."""
    return User.objects.people().filter(email__endswith=f"@{settings.DEMO_DOMAIN}").exists()


def seed(wanted: str, *, on_loopback: bool) -> bool:
    """Create the demo if wanted (by default in an empty database on loopback); return whether it was created.

    The name of a hospital asks for its portal of the network demo.
    """
    if wanted == "no" or people.listed():
        return False
    by_itself = on_loopback and (is_empty() or is_unfinished_demo())
    if wanted == "auto" and not by_itself:
        return False
    hospital = wanted if wanted in HOSPITALS else None
    if hospital is None:
        sys.stderr.write("         Creating the demo. Its code really runs, so this takes a while…\n")
    call_command("seed_demo", hospital=hospital, stdout=sys.stderr)
    return True


def welcome() -> list[str]:
    """Return lines that say how to sign in: the demo's people, or the first admin's link."""
    if found := people.listed():
        width = max(len(person["email"]) for person in found)
        lines = [f"  {item['email']:{width}}  {item['password']}  {item['role']}" for item in found]
        return ["Sign in as one of the demo's people:", *lines, ""]
    if not User.objects.admins().exists():
        return [
            "Create the first admin's account here (the link works once and expires in a day):",
            f"  {first_admin_link()}",
            "",
        ]
    return []


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m portal.prepare", description=__doc__)
    parser.add_argument("--demo", choices=["auto", "yes", "no", *HOSPITALS], default="auto")
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    call_command("check", verbosity=0)
    migrated = migrate()
    seeded = seed(options.demo, on_loopback=is_loopback(options.host))
    did = [
        "Database migrated" if migrated else "Database up to date",
        *(["demo created"] if seeded else []),
    ]
    answer = {"demo": bool(people.listed()), "did": ", ".join(did), "lines": welcome()}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    try:
        main()
    except (OperationalError, CommandError) as problem:
        sys.exit(str(problem))
