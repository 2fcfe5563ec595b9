import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("assistant", "0003_escalation"),
        ("ingestion", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="answer",
            name="refusal",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.CreateModel(
            name="CorpusCalibration",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("risk", models.FloatField(default=0.1)),
                ("slope", models.FloatField(null=True)),
                ("intercept", models.FloatField(null=True)),
                ("threshold", models.FloatField(null=True)),
                ("judged", models.PositiveIntegerField(default=0)),
                ("base", models.CharField(blank=True, max_length=64)),
                ("fitted_at", models.DateTimeField(null=True)),
                ("corpus", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="calibration", to="ingestion.corpus")),
            ],
        ),
        migrations.CreateModel(
            name="RefusalJudgement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=80)),
                ("features", models.JSONField()),
                ("is_right", models.BooleanField()),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("corpus", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="refusal_judgements", to="ingestion.corpus")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("corpus", "key"), name="one_refusal_judgement_per_question")],
            },
        ),
    ]
