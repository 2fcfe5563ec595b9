"""Searches the demo organization's documents for its own questions: needs nothing but the repository and the prepared models.

    python benchmarks/demo_search.py

nDCG@10 by document (which documents hold an answer is in demo/questions.json) and the share of the questions whose document is
among the first five passages, for each side and for both. Everyone's rights: this measures retrieval, not access."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
DOCUMENTS = ROOT / "demo" / "documents"
PARTITION = "demo"
DEPTH = 50
FIRST = 5


def main() -> None:
    import django
    from django.conf import settings

    django.setup()
    with tempfile.TemporaryDirectory() as scratch:
        settings.INDEXES_DIR = Path(scratch) / "indexes"
        documents = index()
        measure(questions(), documents)


def questions() -> list[tuple[str, str]]:
    """Those that one document answers, with its name; follow-ups only make sense in their conversation."""
    rows: list[dict[str, Any]] = json.loads((ROOT / "demo" / "questions.json").read_text(encoding="utf-8"))
    return [(row["question"], row["document"]) for row in rows if row["expect"] == "answer"]


def index() -> list[str]:
    """Parse, cut and index as ingestion does; the document of every passage."""
    from ingestion.chunking import chunk_document
    from ingestion.parsers.sandbox import parse_file
    from retrieval.embedders import get_embedder
    from retrieval.indexing import write_passages
    from retrieval.passages import Passage

    embedder = get_embedder()
    passages: list[Passage] = []
    names: list[str] = []
    for path in sorted(path for path in DOCUMENTS.rglob("*") if path.is_file()):
        parsed = parse_file(path, path.name)
        title = parsed.title or path.name
        for draft in chunk_document(parsed, title=title, count_tokens=embedder.count_tokens):
            passages.append(Passage(len(names), parsed.text[draft.start : draft.end], draft.context))
            names.append(path.relative_to(DOCUMENTS).as_posix())
    write_passages(PARTITION, add=passages, vectors=embedder.embed_passages([item.searchable_text for item in passages]))
    print(f"{len(set(names))} documents, {len(passages)} passages, {embedder.name}")
    return names


def measure(asked: list[tuple[str, str]], documents: list[str]) -> None:
    from retrieval.metrics import ndcg_at_k
    from retrieval.search import search

    qrels = {str(number): {document: 1} for number, (_, document) in enumerate(asked)}
    runs: dict[str, dict[str, dict[str, float]]] = {"dense": {}, "BM25": {}, "hybrid": {}}
    first: dict[str, int] = dict.fromkeys(runs, 0)
    for number, (question, document) in enumerate(asked):
        result = search(question, scope=[PARTITION], top_k=DEPTH)
        for side, hits in (("dense", result.dense), ("BM25", result.lexical), ("hybrid", result.hits)):
            ordered = dict.fromkeys(documents[hit.id] for hit in hits[:DEPTH])
            runs[side][str(number)] = {name: -float(rank) for rank, name in enumerate(ordered)}
            first[side] += document in [documents[hit.id] for hit in hits[:FIRST]]
    print(f"{len(asked)} questions    nDCG@10  in the first {FIRST}, %")
    for side, run in runs.items():
        print(f"{side:16} {ndcg_at_k(run, qrels, 10):9.4f}  {100 * first[side] / len(asked):9.1f}")


if __name__ == "__main__":
    main()
