"""Loads the example of a recipe: a corpus of documents that were written for it, with golden questions."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from assistant.golden.importing import ImportRefusedError, import_questions
from assistant.golden.models import Source
from ingestion.importing import finish_ingestion, in_words
from ingestion.models import Corpus
from ingestion.services import add_document, create_corpus
from specialists.finetuning.presets import PRESETS

QUESTIONS = "golden.jsonl"


class Command(BaseCommand):
    help = "Load the example documents and golden questions of a recipe into a corpus of their own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("recipe", choices=[name for name, preset in PRESETS.items() if preset.leading])
        parser.add_argument("--owner", required=True, help="user name of who owns the corpus; nobody else reads it at first")

    def handle(self, *args: Any, recipe: str, owner: str, **options: Any) -> None:
        person = User.objects.filter(username=owner).first()
        if person is None:
            raise CommandError(f"There is no person named {owner}.")
        folder = Path(settings.BASE_DIR) / "demo" / "recipes" / recipe
        name = f"Example: {PRESETS[recipe].label}"
        corpus = Corpus.objects.filter(name=name).first() or create_corpus(name=name, owner=person, groups=[])
        if corpus.owner != person:
            raise CommandError(f"There is a corpus named “{name}” already, and it is not {owner}'s.")
        root = folder / "documents"
        for path in sorted(item for item in root.rglob("*") if item.is_file()):
            with path.open("rb") as content:
                add_document(corpus=corpus, source_name=path.relative_to(root).as_posix(), content=content, uploaded_by=person)
        counts = finish_ingestion(corpus)
        try:
            added, _ = import_questions(
                corpus=corpus, content=(folder / QUESTIONS).read_bytes(), name=QUESTIONS, created_by=person, source=Source.DEMO
            )
        except ImportRefusedError as error:
            raise CommandError(" ".join(error.problems)) from error
        self.stdout.write(f"{name} ({corpus.slug}): {in_words(counts)}; {added} golden questions added.")
        self.stdout.write(
            f'Go on with: manage.py finetune_specialist "{PRESETS[recipe].label}" --as {owner} --corpus {corpus.slug} '
            f"--recipe {recipe}"
        )
