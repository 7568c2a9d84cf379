from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0008_device_replacements'),
    ]

    operations = [
        migrations.AlterField(
            model_name='devicesignin',
            name='address',
            field=models.GenericIPAddressField(),
        ),
        migrations.AddField(
            model_name='devicesignin',
            name='network',
            field=models.CharField(db_index=True, default='', max_length=43),
            preserve_default=False,
        ),
    ]
