"""Prints what each stage of a search did with a question."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assistant.asking import corpora_named, person_named
from assistant.explaining import COLUMNS, Explanation, Place, explain_search
from assistant.management.filters import add_filters, filters_of
from ingestion.filters import FilterError
from retrieval.errors import RetrievalError

WIDTH = 9  # of a column


class Command(BaseCommand):
    help = "Explain a search: the place of each passage by meaning, by words, fused and reranked, with times."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("query")
        parser.add_argument("--as", dest="username", required=True)
        add_filters(parser)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, query: str, username: str, corpus: list[str], **options: Any) -> None:
        if not query.strip():
            raise CommandError("The query is empty. Type the words to search for, in quotation marks.")
        person = person_named(username)
        try:
            corpora = corpora_named(person, corpus) if corpus else None
            explanation = explain_search(user=person, question=query, corpora=corpora, filters=filters_of(options))
        except RetrievalError as error:
            raise CommandError(error.public_message) from error
        except FilterError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(explanation), ensure_ascii=False))
        else:
            self._print(explanation)

    def _print(self, explanation: Explanation) -> None:
        self.stdout.write("  ".join(f"{stage} {time:.1f} ms" for stage, time in explanation.timings))
        self.stdout.write("  ".join(f"{stage} {count}" for stage, count in explanation.found))
        if explanation.narrowed_to is not None:
            self.stdout.write(f"passed the filters {explanation.narrowed_to}")
        self.stdout.write(f"kept back by the second gate {explanation.dropped}\n")
        self.stdout.write("  ".join([*(f"{label.lower():<{WIDTH}}" for label in COLUMNS.values()), "passage"]))
        for item in explanation.passages:
            words = " ".join(item.chunk.text.split())[:80]
            cells = "  ".join(f"{_cell(place, item.is_read):<{WIDTH}}" for place in item.places)
            self.stdout.write(f"{cells}  {item.chunk.document}{f' (gives way to {item.newer})' if item.newer else ''}: {words}")
        legend = "▲ ▼ how far it moved from the column before; * read for an answer"
        self.stdout.write(legend if explanation.passages else "Nothing was found.")
        if explanation.kept:
            self.stdout.write(f"not reranked, by the choice of the corpus: {', '.join(explanation.kept)}")


def _cell(place: Place, is_read: bool) -> str:
    """“3 ▲2”; the last column has a star where an answer reads the passage."""
    mark = "*" if is_read and place.column == "reranked" else ""
    return f"{place.rank or '–'}{mark} {place.arrow}".rstrip()


def _as_json(explanation: Explanation) -> dict[str, Any]:
    return {
        "words": explanation.words, "timings_ms": dict(explanation.timings), "found": dict(explanation.found),
        "dropped": explanation.dropped, "not_reranked": list(explanation.kept), "narrowed_to": explanation.narrowed_to,
        "passages": [
            {
                **{place.column: place.rank for place in item.places},
                "moved": {place.column: place.moved for place in item.places[1:]},
                "is_read": item.is_read, "passage": item.chunk.pk,
                "document": item.chunk.document.source_name, "text": item.chunk.text,
                "gives_way_to": item.newer.source_name if item.newer else None,
            }
            for item in explanation.passages
        ],
    }  # fmt: skip
