from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ingestion', '0006_tags_of_documents'),
    ]

    operations = [
        migrations.AddField(
            model_name='document',
            name='tagged_sha256',
            field=models.CharField(blank=True, max_length=64),
        ),
    ]
