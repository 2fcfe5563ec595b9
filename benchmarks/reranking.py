"""Measures what the reranker adds to hybrid search: nDCG@10 with and without it on the same candidates, and its time.

    python benchmarks/reranking.py SET [SET ...] [--candidates 20] [--queries 500] [--model FOLDER] [--json]

A SET is one of benchmarks/judged.py. Writes only to a temporary folder."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from benchmarks.judged import JudgedSet, load_set

BATCH = 2000
TIMED_PAIRS, TIMED_TOKENS, TIMED_RUNS = 20, 128, 30


def main() -> None:
    parser = argparse.ArgumentParser(description="What reranking adds to hybrid search.")
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--queries", type=int, default=500, help="every n-th query, so that there are at most so many; 0: all")
    parser.add_argument("--model", type=Path, help="a reranker's or a reader's folder; the installed reranker by default")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    import django
    from django.conf import settings

    django.setup()

    with tempfile.TemporaryDirectory() as scratch:
        settings.INDEXES_DIR = Path(scratch) / "indexes"
        model = load_model(arguments.model or settings.SPECIALISTS_DIR / "reranker", Path(scratch) / "model")
        rows = []
        for number, path in enumerate(arguments.sets):
            judged = load_set(path, arguments.queries)
            index(judged, f"set-{number}")
            rows.append(measure(judged, f"set-{number}", model, arguments.candidates))
            if not arguments.json:
                print_row(rows[-1])
        speed = time_pairs(model)
    if arguments.json:
        print(json.dumps({"sets": rows, "ms": speed}))
    else:
        print(f"{TIMED_PAIRS} pairs of {TIMED_TOKENS} tokens, int8: {speed} ms (median of {TIMED_RUNS})")


def load_model(source: Path, prepared: Path) -> Any:
    """A reranker, or a reader, whose relevance head ranks too."""
    from specialists.encoders.bundle import CARD
    from specialists.encoders.export import prepare_specialist
    from specialists.reader.serving import Reader
    from specialists.reranker.serving import Reranker

    kind = json.loads((source / CARD).read_text(encoding="utf-8"))["kind"]
    prepare_specialist(source, kind, prepared)
    return (Reader if kind == "reader" else Reranker)(source, prepared)


def index(judged: JudgedSet, partition: str) -> None:
    from retrieval.embedders import get_embedder
    from retrieval.indexing import write_passages
    from retrieval.passages import Passage

    passages = [Passage(n, text, context) for n, (text, context) in enumerate(zip(judged.texts, judged.contexts, strict=True))]
    for start in range(0, len(passages), BATCH):
        batch = passages[start : start + BATCH]
        vectors = get_embedder().embed_passages([item.searchable_text for item in batch])
        write_passages(partition, add=batch, vectors=vectors)


def measure(judged: JudgedSet, partition: str, model: Any, candidates: int) -> dict[str, Any]:
    import numpy as np

    from retrieval.metrics import ndcg_at_k
    from retrieval.search import search
    from specialists.reader.serving import ReaderPassage
    from specialists.reranker.ordering import reorder

    runs: dict[str, dict[str, dict[str, float]]] = {"hybrid": {}, "relevance alone": {}, "reranked": {}}
    qrels = judged.named_qrels()
    times = []
    for number, question in enumerate(judged.queries):
        found = search(question, scope=[partition], top_k=100)
        hits = found.hits
        started = time.perf_counter()
        head = hits[:candidates]
        relevance = model.relevance(question, [ReaderPassage(h.id, judged.texts[h.id], judged.contexts[h.id]) for h in head])
        times.append((time.perf_counter() - started) * 1000)
        tail = [hit.id for hit in hits[candidates:]]
        orders = {
            "hybrid": [hit.id for hit in hits],
            "relevance alone": [*sorted((h.id for h in head), key=lambda passage: -relevance[passage]), *tail],
            "reranked": [*reorder([hit.id for hit in head], relevance, (found.dense, found.lexical)), *tail],
        }
        for name, order in orders.items():
            runs[name][str(number)] = {str(passage): -float(rank) for rank, passage in enumerate(order)}
    figures = {name: round(ndcg_at_k(run, qrels, 10) * 100, 2) for name, run in runs.items()}
    return {
        "set": judged.name, "passages": len(judged.texts), "queries": len(qrels), **figures,
        "p50_ms": round(float(np.percentile(times, 50)), 1), "p95_ms": round(float(np.percentile(times, 95)), 1),
    }  # fmt: skip


def print_row(row: dict[str, Any]) -> None:
    gain = row["reranked"] - row["hybrid"]
    print(
        f"{row['set']}: {row['passages']} passages, {row['queries']} queries; nDCG@10 hybrid {row['hybrid']}, relevance alone "
        f"{row['relevance alone']}, reranked {row['reranked']} ({gain:+.2f}); p50 {row['p50_ms']} ms, p95 {row['p95_ms']} ms"
    )


def time_pairs(model: Any) -> float:
    """The median time of TIMED_PAIRS rows of TIMED_TOKENS tokens each."""
    import numpy as np

    from specialists.encoders.pairs import Window

    windows: Sequence[Window] = [Window((101, *range(2000, 1998 + TIMED_TOKENS), 102), 12, 12, ()) for _ in range(TIMED_PAIRS)]
    times = []
    for _ in range(TIMED_RUNS):
        started = time.perf_counter()
        model.session.run(windows)
        times.append((time.perf_counter() - started) * 1000)
    return round(float(np.median(times)), 1)


if __name__ == "__main__":
    main()
