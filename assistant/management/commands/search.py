"""Searches as a person and prints the passages, best first."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assistant.asking import corpora_named, person_named
from ingestion.permissions import readable_chunks, readable_partitions
from retrieval.errors import RetrievalError
from retrieval.search import search


class Command(BaseCommand):
    help = "Search the passages that a person may read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("query")
        parser.add_argument("--as", dest="username", required=True)
        parser.add_argument("--corpus", action="append", default=[], help="narrow to this corpus; may be repeated")
        parser.add_argument("--top-k", type=int, default=10)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, query: str, username: str, corpus: list[str], top_k: int, **options: Any) -> None:
        if not 1 <= top_k <= 1000:
            raise CommandError("--top-k must be from 1 to 1000.")
        person = person_named(username)
        corpora = corpora_named(person, corpus)
        scope = [partition.key for partition in readable_partitions(person, corpora=corpora or None)]
        try:
            hits = search(query, scope=scope, top_k=top_k).hits
        except RetrievalError as error:
            raise CommandError(error.public_message) from error
        chunks = {chunk.pk: chunk for chunk in readable_chunks(person, [hit.id for hit in hits])}
        rows = [
            {
                "rank": rank, "score": hit.score, "document": chunks[hit.id].document.source_name, "passage": hit.id,
                "corpus": chunks[hit.id].document.corpus.name, "title": chunks[hit.id].document.title,
                "page": chunks[hit.id].page, "heading_path": chunks[hit.id].heading_path, "text": chunks[hit.id].text,
            }
            for rank, hit in enumerate((hit for hit in hits if hit.id in chunks), start=1)
        ]  # fmt: skip
        if options["json"]:
            self.stdout.write(json.dumps(rows, ensure_ascii=False))
            return
        for row in rows:
            self.stdout.write(f"{row['rank']:3}  {row['document']}  {' '.join(str(row['text']).split())[:100]}")
