from django.contrib.postgres.functions import RandomUUID
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="entry",
            name="key",
            field=models.UUIDField(db_default=RandomUUID(), editable=False, unique=True),
        ),
    ]
