"""Searches as a person and prints the passages, best first."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assistant.asking import corpora_named, person_named
from assistant.management.filters import add_filters, filters_of
from assistant.searching import search_passages
from ingestion.filters import FilterError
from retrieval.errors import RetrievalError


class Command(BaseCommand):
    help = "Search the passages that a person may read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("query")
        parser.add_argument("--as", dest="username", required=True)
        add_filters(parser)
        parser.add_argument("--top-k", type=int, default=10)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, query: str, username: str, corpus: list[str], top_k: int, **options: Any) -> None:
        if not 1 <= top_k <= 1000:
            raise CommandError("--top-k must be from 1 to 1000.")
        if not query.strip():
            raise CommandError("The query is empty. Type the words to search for, in quotation marks.")
        person = person_named(username)
        try:
            found = search_passages(
                user=person, query=query, corpora=corpora_named(person, corpus), filters=filters_of(options), top_k=top_k
            )
        except RetrievalError as error:
            raise CommandError(error.public_message) from error
        except FilterError as error:
            raise CommandError(str(error)) from error
        rows = [
            {
                "rank": item.rank, "score": item.score, "document": item.chunk.document.source_name, "passage": item.chunk.pk,
                "corpus": item.chunk.document.corpus.name, "title": item.chunk.document.title, "page": item.chunk.page,
                "heading_path": item.chunk.heading_path, "text": item.text,
                "also_in": [document.source_name for document in item.also_in],
                "newer": item.newer.source_name if item.newer else None,
            }
            for item in found
        ]  # fmt: skip
        if options["json"]:
            self.stdout.write(json.dumps(rows, ensure_ascii=False))
            return
        for row in rows:
            self.stdout.write(f"{row['rank']:3}  {row['document']}  {' '.join(str(row['text']).split())[:100]}")
