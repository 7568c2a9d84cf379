"""Name the parts of a promise after who gets them: scientists."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("privacy", "0007_declined_top_ups"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="promise", name="a_promise_promises_something"),
        migrations.RenameField(model_name="promise", old_name="seats", new_name="scientists"),
        migrations.AddConstraint(
            model_name="promise",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("delta__gt", 0),
                    ("delta__lt", 1),
                    ("epsilon__gt", 0),
                    ("mu__gt", 0),
                    ("public_size__gte", 1),
                    ("scientists__gte", 1),
                ),
                name="a_promise_promises_something",
            ),
        ),
    ]
