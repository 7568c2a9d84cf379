"""One switch for all mail becomes a choice by topic. Whoever wanted none still gets none."""

from django.db import migrations, models

from accounts import topics


def keep_the_choice(apps, schema_editor):
    apps.get_model("accounts", "User").objects.filter(mail_wanted=False).update(mail_topics=[])


def back_to_one_switch(apps, schema_editor):
    apps.get_model("accounts", "User").objects.filter(mail_topics=[]).update(mail_wanted=False)


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0009_device_networks"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="mail_topics",
            field=models.JSONField(blank=True, default=topics.every),
        ),
        migrations.RunPython(keep_the_choice, back_to_one_switch),
        migrations.RemoveField(model_name="user", name="mail_wanted"),
    ]
