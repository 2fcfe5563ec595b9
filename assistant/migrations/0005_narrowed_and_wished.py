from django.db import migrations, models


def mark_narrowed(apps, schema_editor):
    """Which of the old conversations lost all their corpora cannot be known: those stay as they were."""
    conversation = apps.get_model("assistant", "Conversation")
    conversation.objects.filter(corpora__isnull=False).update(is_narrowed=True)


class Migration(migrations.Migration):

    dependencies = [
        ("assistant", "0004_calibration"),
    ]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="is_narrowed",
            field=models.BooleanField(default=False),
        ),
        migrations.AlterField(
            model_name="escalation",
            name="reason",
            field=models.CharField(choices=[("abstained", "The documents did not answer it"), ("failed", "The answer could not be made"), ("asked", "The answer was not enough for the asker"), ("routed", "A rule sends such questions to a person"), ("wished", "The asker wished for a person")], max_length=10),
        ),
        migrations.RunPython(mark_narrowed, migrations.RunPython.noop),
    ]
