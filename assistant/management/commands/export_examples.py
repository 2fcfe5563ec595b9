"""Writes the reviewed training examples of some corpora to a file, for `train_specialist reader --data`."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assistant.escalations.errors import EscalationError
from assistant.escalations.examples import drop_orphaned_examples, export_squad
from ingestion.models import Corpus


class Command(BaseCommand):
    help = "Export reviewed training examples in SQuAD's form. Whoever reads the file reads passages of these corpora."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--corpus", action="append", required=True, metavar="NAME", help="may be repeated")
        parser.add_argument("--output", type=Path, required=True, metavar="FILE")

    def handle(self, *args: Any, corpus: list[str], output: Path, **options: Any) -> None:
        corpora = [_corpus_named(name) for name in corpus]
        dropped = drop_orphaned_examples()
        try:
            content = export_squad(corpora)
            output.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        except EscalationError as error:
            raise CommandError(error.public_message) from error
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}. Choose another file.") from error
        count = sum(len(paragraph["qas"]) for article in content["data"] for paragraph in article["paragraphs"])
        self.stdout.write(f"{count} example{'' if count == 1 else 's'} written to {output}.")
        if dropped:
            self.stdout.write(f"{dropped} deleted with their documents.")


def _corpus_named(name: str) -> Corpus:
    corpus = Corpus.objects.filter(name=name).first()
    if corpus is None:
        raise CommandError(f"There is no corpus named {name!r}.")
    return corpus
