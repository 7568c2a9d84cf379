"""Name the field after what it says: the earliest time at which a run's end may be announced."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("requests_app", "0005_run_on_mock_data"),
    ]

    operations = [
        migrations.RenameField(model_name="run", old_name="told_at", new_name="announce_at"),
    ]
