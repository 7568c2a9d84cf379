"""What an owner guarantees has one name: the promise. Rows stay as they are."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("datasets", "0007_decimals_of_numbers"),
        ("privacy", "0005_public_rows"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="budget", name="one_budget_per_scientist"),
        migrations.RemoveConstraint(model_name="protection", name="a_protection_promises_something"),
        migrations.RenameModel(old_name="Protection", new_name="Promise"),
        migrations.RenameField(model_name="budget", old_name="protection", new_name="promise"),
        migrations.AlterField(
            model_name="promise",
            name="dataset",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="promise", to="datasets.dataset"
            ),
        ),
        migrations.AddConstraint(
            model_name="promise",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("delta__gt", 0),
                    ("delta__lt", 1),
                    ("epsilon__gt", 0),
                    ("mu__gt", 0),
                    ("public_size__gte", 1),
                    ("seats__gte", 1),
                ),
                name="a_promise_promises_something",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.UniqueConstraint(fields=("promise", "scientist"), name="one_budget_per_scientist"),
        ),
    ]
