from django.db import migrations, models
from django.db.models.functions import Substr

from ingestion.versions import HEAD, read_edition, says_retired


def fill_in(apps, schema_editor):
    """Documents that are there already: by their names and texts, as those that come."""
    document, text = apps.get_model("ingestion", "Document"), apps.get_model("ingestion", "DocumentText")
    heads = text.objects.annotate(head=Substr("text", 1, HEAD)).values_list("document", "head")
    for pk, head in heads.iterator(chunk_size=1000):
        row = document.objects.only("source_name").get(pk=pk)
        edition = read_edition(row.source_name)
        document.objects.filter(pk=pk).update(family=edition.family, is_retired=edition.is_retired or says_retired(head))


class Migration(migrations.Migration):
    dependencies = [("ingestion", "0002_corpus_is_for_slack")]

    operations = [
        migrations.AddField("document", "family", models.CharField(blank=True, db_index=True, default="", max_length=200), preserve_default=False),
        migrations.AddField("document", "is_retired", models.BooleanField(default=False)),
        migrations.RunPython(fill_in, migrations.RunPython.noop),
    ]
