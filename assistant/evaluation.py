"""One evaluation of ingestion and retrieval on an empty data folder; run by manage.py evaluate_retrieval in its own process."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def evaluate(folder: Path, qrels_file: Path, top_k: int) -> dict[str, Any]:
    """Import the corpus as the product does, search as a person does, and measure over all judged queries."""
    import numpy as np
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from ingestion.models import Chunk
    from ingestion.permissions import readable_chunks, readable_partitions
    from retrieval.beir_format import read_qrels, read_queries
    from retrieval.embedders import get_embedder
    from retrieval.metrics import mrr_at_k, ndcg_at_k, recall_at_k
    from retrieval.search import search

    call_command("migrate", verbosity=0)
    person = User.objects.create_superuser("evaluator")
    get_embedder()
    started = time.perf_counter()
    call_command("import_beir", str(folder), corpus="evaluation", stdout=sys.stderr)
    ingestion_s = time.perf_counter() - started

    qrels, queries = read_qrels(qrels_file), read_queries(folder / "queries.jsonl")
    scope = [partition.key for partition in readable_partitions(person)]
    run: dict[str, dict[str, float]] = {}
    times = []
    for query_id in qrels:
        started = time.perf_counter()
        hits = search(queries[query_id], scope=scope, top_k=2 * top_k).hits  # passages; documents are fewer
        chunks = {chunk.pk: chunk for chunk in readable_chunks(person, [hit.id for hit in hits])}
        times.append((time.perf_counter() - started) * 1000)
        run[query_id] = _by_document(hits, chunks, top_k)
    passages = Chunk.objects.count()
    return {
        "queries": len(qrels),
        "passages": passages,
        "ndcg@10": round(ndcg_at_k(run, qrels, 10), 4),
        "recall@10": round(recall_at_k(run, qrels, 10), 4),
        "recall@100": round(recall_at_k(run, qrels, 100), 4),
        "mrr@10": round(mrr_at_k(run, qrels, 10), 4),
        "ingestion_passages_per_s": round(passages / ingestion_s, 1),
        "query_p50_ms": round(float(np.percentile(times, 50)), 2),
        "query_p95_ms": round(float(np.percentile(times, 95)), 2),
    }


def _by_document(hits: Any, chunks: Any, top_k: int) -> dict[str, float]:
    """Documents in the order of their best passage."""
    names = dict.fromkeys(chunks[hit.id].document.source_name for hit in hits if hit.id in chunks)
    return {name: float(top_k - rank) for rank, name in enumerate(list(names)[:top_k])}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    with contextlib.redirect_stdout(sys.stderr):
        figures = evaluate(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(json.dumps(figures) + "\n")
