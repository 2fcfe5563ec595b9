"""Imports a BEIR folder's corpus.jsonl: one document per line, with the line's _id as its source name."""

from __future__ import annotations

import io
import json
import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from ingestion.importing import add_import_arguments, find_or_create_corpus, finish_ingestion, in_words
from ingestion.services import add_document
from retrieval.beir_format import read_corpus


class Command(BaseCommand):
    help = "Import FOLDER/corpus.jsonl (BEIR's format) into a corpus, which is made when it does not exist."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)
        add_import_arguments(parser)

    def handle(self, *args: Any, path: Path, corpus: str, groups: str | None, owner: str | None, **options: Any) -> None:
        file = path / "corpus.jsonl"
        if not file.is_file():
            raise CommandError(f"{file} does not exist.")
        target = find_or_create_corpus(corpus, groups=groups, owner=owner)
        try:
            rows = list(read_corpus(file))
        except ValueError as error:
            raise CommandError(str(error)) from error
        outcomes: Counter[str] = Counter()
        for row in tqdm(rows, desc="Storing", unit="document", file=sys.stderr):
            content = io.BytesIO(row.text.encode("utf-8"))
            added = add_document(
                corpus=target, source_name=row.id, content=content, uploaded_by=target.owner, format="txt", title=row.title
            )
            outcomes[added.outcome] += 1
        states = finish_ingestion(target)
        summary = {"corpus": target.name, "rows": len(rows), **outcomes, "documents": states}
        self.stdout.write(
            json.dumps(summary)
            if options["json"]
            else f"{target.name}: files {in_words(outcomes)}; documents {in_words(states)}."
        )
