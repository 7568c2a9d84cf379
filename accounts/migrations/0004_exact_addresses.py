"""Addresses in one exact form, and nothing of allauth's about addresses."""

import re

from django.db import migrations, models

EXACT = r"^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)+$"


def exact(address):
    """The form in which an address is kept, or None: its domain in ASCII, all letters small."""
    local, at, domain = address.strip().rpartition("@")
    try:
        address = f"{local}{at}{domain.encode('idna').decode('ascii')}" if domain else local
    except UnicodeError:
        return None
    address = address.lower() if address.isascii() else address
    return address if re.fullmatch(EXACT, address) else None


def normalise(apps, schema_editor):
    User = apps.get_model("accounts", "User")
    Invitation = apps.get_model("accounts", "Invitation")
    taken = {}
    for person in User.objects.order_by("created_at").only("pk", "email"):
        address = exact(person.email)
        if address is None:
            raise RuntimeError(
                f"Account {person.pk} has the address {person.email!r}, which cannot be kept any more: an address has "
                "the letters a to z, digits and signs. Give the account another address in the database, "
                "and migrate again."
            )
        if address in taken:
            raise RuntimeError(
                f"Accounts {taken[address].pk} and {person.pk} have the same address, {address!r}. "
                "Give one of them another address in the database, and migrate again."
            )
        taken[address] = person
    for address, person in taken.items():
        if address != person.email:
            User.objects.filter(pk=person.pk).update(email=address)
    for item in Invitation.objects.exclude(email=""):
        address = exact(item.email)
        if address is None:  # nobody can accept it any more; what it was stays in the audit log
            address = f"unknown-{item.pk}@weir.invalid"
        if address != item.email:
            Invitation.objects.filter(pk=item.pk).update(email=address)


def forget_allauths_addresses(apps, schema_editor):
    """Rows that a request for a new password used to leave behind. The account's own address is the only one."""
    apps.get_model("account", "EmailAddress").objects.all().delete()


class Migration(migrations.Migration):

    dependencies = [
        ("account", "0009_emailaddress_unique_primary_email"),
        ("accounts", "0003_mail"),
    ]

    operations = [
        migrations.RunPython(normalise, migrations.RunPython.noop),
        migrations.RunPython(forget_allauths_addresses, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("email__regex", EXACT)), name="addresses_are_exact"
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(("email", ""), ("email__regex", EXACT), _connector="OR"),
                name="invited_addresses_are_exact",
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="client",
            field=models.GenericIPAddressField(blank=True, null=True),
        ),
    ]
