from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("privacy", "0010_code_answers"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="answer", name="only_code_has_a_deadline"),
        migrations.AlterField(
            model_name="answer",
            name="kind",
            field=models.CharField(
                choices=[
                    ("query", "Question"),
                    ("code", "Code"),
                    ("fit", "Model"),
                    ("table", "Synthetic table"),
                ],
                default="query",
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            model_name="answer",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("kind", "query"), _negated=True), ("deadline", None), _connector="OR"),
                name="a_query_has_no_deadline",
            ),
        ),
    ]
