from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("datasets", "0004_held_downloads"),
    ]

    operations = [
        migrations.RemoveField(model_name="table", name="source_sha256"),
    ]
