"""Measures retrieval on a BEIR folder (corpus.jsonl, queries.jsonl, qrels.tsv): quality, and speed beside sentence-transformers.

    python benchmarks/retrieval.py FOLDER [--speed-passages 400] [--precision fp32]

Quality goes through the same doors as the product: write_passages, then search. Writes only to a temporary folder."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

BATCH = 2000
DEPTH = 100
PARTITION = "benchmark"


def main() -> None:
    parser = argparse.ArgumentParser(description="Retrieval quality and speed on a BEIR folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--qrels", type=Path, help="default: FOLDER/qrels.tsv")
    parser.add_argument("--speed-passages", type=int, default=400, help="passages in the speed comparison; 0 leaves it out")
    parser.add_argument("--precision", choices=["auto", "int8", "fp32"], default="auto")
    arguments = parser.parse_args()

    import django
    from django.conf import settings

    django.setup()
    with tempfile.TemporaryDirectory() as scratch:
        settings.INDEXES_DIR = Path(scratch) / "indexes"
        if arguments.precision != "auto":
            prepare_apart(arguments.precision, Path(scratch))
        names = write_corpus(arguments.folder)
        measure_quality(arguments.folder, arguments.qrels or arguments.folder / "qrels.tsv", names)
    if arguments.speed_passages:
        compare_speed(arguments.folder, arguments.speed_passages)


def prepare_apart(precision: str, scratch: Path) -> None:
    """Use a model in another precision, prepared in the temporary folder."""
    from django.conf import settings

    from retrieval.embedders.prepare import prepare_model
    from retrieval.embedders.sources import model_slug

    settings.MODELS_DIR = scratch / "models"
    settings.MODELS_DIR.mkdir()
    model = settings.EMBEDDING_MODEL
    prepare_model(model, settings.MODELS_DIR / model_slug(model), precision)  # type: ignore[arg-type]


def write_corpus(folder: Path) -> list[str]:
    """Index all documents; document ids, where passage n is the n-th of them."""
    from retrieval.beir_format import read_corpus
    from retrieval.embedders import get_embedder
    from retrieval.indexing import write_passages
    from retrieval.passages import Passage

    documents = list(read_corpus(folder / "corpus.jsonl"))
    passages = [Passage(number, document.text, document.title) for number, document in enumerate(documents)]
    embedder = get_embedder()
    print(f"{folder.name}: {len(passages)} passages, {embedder.name}")
    started = time.perf_counter()
    for start in range(0, len(passages), BATCH):
        batch = passages[start : start + BATCH]
        write_passages(PARTITION, add=batch, vectors=embedder.embed_passages([item.searchable_text for item in batch]))
    seconds = time.perf_counter() - started
    print(f"indexed in {seconds:.1f} s: {len(passages) / seconds:.1f} passages/s, written to disk")
    return [document.id for document in documents]


def measure_quality(folder: Path, qrels_file: Path, names: Sequence[str]) -> None:
    import numpy as np

    from retrieval.beir_format import read_qrels, read_queries
    from retrieval.metrics import mrr_at_k, ndcg_at_k, recall_at_k
    from retrieval.search import search

    queries, qrels = read_queries(folder / "queries.jsonl"), read_qrels(qrels_file)
    runs: dict[str, dict[str, dict[str, float]]] = {"dense": {}, "BM25": {}, "hybrid": {}}
    times: list[float] = []
    search("warm up", scope=[PARTITION])
    for query in qrels:
        started = time.perf_counter()
        result = search(queries[query], scope=[PARTITION], top_k=DEPTH)
        times.append((time.perf_counter() - started) * 1000)
        for side, hits in (("dense", result.dense), ("BM25", result.lexical), ("hybrid", result.hits)):
            runs[side][query] = {names[hit.id]: hit.score for hit in hits[:DEPTH]}
    print(f"{len(qrels)} judged queries    nDCG@10  Recall@10  Recall@100  MRR@10")
    for side, run in runs.items():
        figures = ndcg_at_k(run, qrels, 10), recall_at_k(run, qrels, 10), recall_at_k(run, qrels, 100), mrr_at_k(run, qrels, 10)
        print("{:20} {:9.4f}  {:9.4f}  {:10.4f}  {:6.4f}".format(side, *figures))
    print(f"search with embedding, top {DEPTH}: p50 {np.percentile(times, 50):.1f} ms, p95 {np.percentile(times, 95):.1f} ms")


def compare_speed(folder: Path, count: int) -> None:
    """The same passages through both, in alternating rounds, so that a busy host slows both alike."""
    from django.conf import settings
    from sentence_transformers import SentenceTransformer

    from retrieval.beir_format import read_corpus
    from retrieval.embedders import get_embedder
    from retrieval.embedders.sources import find_source

    documents = list(read_corpus(folder / "corpus.jsonl"))[:count]
    texts = [f"{document.title}\n{document.text}" for document in documents]
    embedder = get_embedder()
    model = SentenceTransformer(str(find_source(settings.EMBEDDING_MODEL).folder), device="cpu", local_files_only=True)
    encoders: dict[str, Callable[[list[str]], Any]] = {
        "this embedder": embedder.embed_passages,
        "sentence-transformers": lambda batch: model.encode(batch, normalize_embeddings=True, show_progress_bar=False),
    }
    best = dict.fromkeys(encoders, float("inf"))
    vectors = {}
    for _ in range(3):
        for name, encode in encoders.items():
            encode(texts[:8])
            started = time.perf_counter()
            vectors[name] = encode(texts)
            best[name] = min(best[name], time.perf_counter() - started)
    cosines = (vectors["this embedder"] * vectors["sentence-transformers"]).sum(axis=1)
    for name, seconds in best.items():
        print(f"{name:22} {len(texts) / seconds:7.1f} passages/s, best of 3 rounds of {len(texts)}")
    print(f"ratio {best['sentence-transformers'] / best['this embedder']:.2f}, mean cosine {cosines.mean():.4f}")


if __name__ == "__main__":
    main()
