"""Embedding and exact search on a GPU: passages a second, and the time of a batch of questions, by the product's own code.

    python benchmarks/retrieval_gpu.py [--device auto|cuda|cpu] [--size full|tiny] [--vectors 10000000] [--shards 10] [--batch 64]

Passages of 200 tokens of invented words through SentenceTransformerEmbedder in fp16; random unit vectors of 384 numbers through
FaissGpuIndex with copies in float16. A hundred million are simulated: each shard is made, searched and dropped in turn as if it
were on a GPU of its own, so that the slowest of them and the joining of their hits are what a search over all would take.
`--device cpu --size tiny` runs the same code on a processor, with FAISS's own float16 in main memory where the device's copy
would be; its figures say nothing and are printed as n/a."""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import numpy as np

from benchmarks.gpu_figures import (
    TINY,
    Figure,
    Target,
    attempt,
    describe_host,
    has_gpu,
    print_table,
    wait_for,
    why_it_does_not_count,
)
from retrieval.embedders.torch import SentenceTransformerEmbedder
from retrieval.indexes.faiss_gpu import FaissGpuIndex
from retrieval.passages import FloatMatrix, Hit, best_first

DIMENSION = 384
TOKENS = 200
QUESTIONS = 32
TOP_K = 10
REPEATS = 20
CHUNK = 100_000

TARGETS: dict[str, tuple[str, str, Target | None]] = {
    "embedded": (f"passages of {TOKENS} tokens embedded in fp16", "passages/s", Target(10_000)),
    "search_ms": (f"exact search in float16 for {QUESTIONS} questions, with exact scores", "ms", Target(5, is_most=True)),
    "device_ms": ("of that, on the device", "ms", None),
    "recall": ("rows of the exact search in float32 that it finds", "of 1", None),
    "shard_ms": ("the slowest of the shards that are simulated", "ms", None),
    "join_ms": ("joining the hits of all shards", "ms", None),
}


@dataclass(frozen=True, slots=True)
class Size:
    vectors: int
    passages: int
    shards: int


SIZES = {"full": Size(10_000_000, 20_000, 10), TINY: Size(3_000, 8, 3)}


class ProcessorCopies(FaissGpuIndex):
    """The device's copies in main memory: everything but the device itself."""

    def _flat_on(self, device: int, is_half: bool) -> Any:
        import faiss

        if not is_half:
            return faiss.IndexFlatIP(self.dimension)
        return faiss.IndexScalarQuantizer(self.dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)

    @staticmethod
    def _choose_devices(wanted: int) -> tuple[int, ...]:
        return tuple(range(wanted or 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["auto", "cuda", "cpu"], default="auto")
    parser.add_argument("--size", choices=sorted(SIZES), default="full")
    parser.add_argument("--vectors", type=int, help="of a shard; default: ten million, or a few thousand")
    parser.add_argument("--shards", type=int, help="that are simulated; 0 leaves them out")
    parser.add_argument("--batch", type=int, default=64, help="passages that are embedded at once")
    options = parser.parse_args()
    device = ("cuda" if has_gpu() else "cpu") if options.device == "auto" else options.device
    if options.size != TINY and not (device == "cuda" and has_gpu()):
        print_table(as_figures({}, {}, otherwise="there is no GPU on this host"))
        return
    size = SIZES[options.size]
    chosen = Size(options.vectors or size.vectors, size.passages, size.shards if options.shards is None else options.shards)
    print_table(*run(chosen, device=device, name=options.size, batch=options.batch))


def run(size: Size, *, device: str, name: str, batch: int) -> tuple[list[Figure], list[str]]:
    import django
    from django.conf import settings

    django.setup()
    before, settings.FAISS_GPU = settings.FAISS_GPU, {"devices": 1, "copy": "float16"}
    kind = FaissGpuIndex if device == "cuda" else ProcessorCopies
    notes = [f"{describe_host(device)}; {size.vectors:,} vectors in a shard, {size.shards} shards, {TOP_K} hits a question"]
    values: dict[str, float] = {}
    reasons: dict[str, str] = {}
    try:
        for names, measure in (
            (("embedded",), lambda: embedded(size, device, batch, notes)),
            (("search_ms", "device_ms", "recall"), lambda: searched(size, kind, notes)),
            (("shard_ms", "join_ms"), lambda: in_shards(size, kind, notes)),
        ):
            found, reason = attempt(measure)
            values |= found
            reasons |= dict.fromkeys(names, reason)
    finally:
        settings.FAISS_GPU = before
    return as_figures(values, reasons, otherwise=why_it_does_not_count(device, name)), notes


def as_figures(values: dict[str, float], reasons: dict[str, str], *, otherwise: str) -> list[Figure]:
    """`otherwise`: why none of the values counts, where nothing failed."""
    return [
        Figure(name, unit, target, values.get(key), reasons.get(key, "") or otherwise)
        for key, (name, unit, target) in TARGETS.items()
    ]


# --- Embedding ------------------------------------------------------------------------------------------------------------


def embedded(size: Size, device: str, batch: int, notes: list[str]) -> dict[str, float]:
    embedder = SentenceTransformerEmbedder(device=device, batch_size=batch, precision="fp16")
    texts = make_passages(embedder, size.passages)
    embedder.embed_passages(texts[: 2 * batch])
    wait_for(device)
    started = time.perf_counter()
    embedder.embed_passages(texts)
    took = time.perf_counter() - started
    counts = embedder.count_tokens(texts[:100])
    notes.append(f"{embedder.name}: {len(texts):,} passages of {np.mean(counts):.0f} tokens in batches of {batch}")
    return {"embedded": len(texts) / took}


def make_passages(embedder: SentenceTransformerEmbedder, count: int) -> list[str]:
    """Of common words, each one token to the tokenizer, so that a passage has TOKENS of them."""
    candidates = ["the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on", "not"]
    words = [word for word, tokens in zip(candidates, embedder.count_tokens(candidates), strict=True) if tokens == 1]
    dice = random.Random(1)
    return [" ".join(dice.choices(words, k=TOKENS)) for _ in range(count)]


# --- Searching ------------------------------------------------------------------------------------------------------------


def make_index(kind: type[FaissGpuIndex], shard: int, count: int) -> tuple[FaissGpuIndex, FloatMatrix]:
    """Random unit rows, the same for the same shard; ids go on from shard to shard."""
    vectors = np.empty((count, DIMENSION), np.float32)
    for start in range(0, count, CHUNK):
        vectors[start : start + CHUNK] = unit_rows([shard, start], min(CHUNK, count - start))
    index = kind.create(DIMENSION)
    index.add(np.arange(shard * count, (shard + 1) * count, dtype=np.int64), vectors)
    return index, vectors


def unit_rows(seed: list[int], count: int) -> FloatMatrix:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def asked() -> FloatMatrix:
    return unit_rows([10**6], QUESTIONS)


def median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times))


def searched(size: Size, kind: type[FaissGpuIndex], notes: list[str]) -> dict[str, float]:
    index, vectors = make_index(kind, 0, size.vectors)
    questions = asked()
    started = time.perf_counter()
    found = index.search(questions, TOP_K)
    notes.append(f"the first search, which makes the device's copy, took {time.perf_counter() - started:.1f} s")
    (copy,) = index._copies.values()
    truth = nearest_exactly(vectors, questions)
    shares = [len({hit.id for hit in hits} & set(ids)) / len(ids) for hits, ids in zip(found, truth, strict=True)]
    return {
        "search_ms": median_ms(lambda: index.search(questions, TOP_K)),
        "device_ms": median_ms(lambda: copy.search(questions, TOP_K)),
        "recall": float(np.mean(shares)),
    }


def nearest_exactly(vectors: FloatMatrix, questions: FloatMatrix) -> list[list[int]]:
    """By numpy, a chunk at a time."""
    best_ids = np.empty((len(questions), 0), np.int64)
    best_scores = np.empty((len(questions), 0), np.float32)
    for start in range(0, len(vectors), CHUNK):
        scores = questions @ vectors[start : start + CHUNK].T
        ids = np.broadcast_to(np.arange(start, start + scores.shape[1]), scores.shape)
        best_ids, best_scores = np.concatenate([best_ids, ids], axis=1), np.concatenate([best_scores, scores], axis=1)
        order = np.argsort(-best_scores, axis=1)[:, :TOP_K]
        best_ids, best_scores = np.take_along_axis(best_ids, order, 1), np.take_along_axis(best_scores, order, 1)
    return best_ids.tolist()


def in_shards(size: Size, kind: type[FaissGpuIndex], notes: list[str]) -> dict[str, float]:
    if not size.shards:
        raise RuntimeError("no shards were asked for")
    questions, slowest = asked(), 0.0
    found: list[list[list[Hit]]] = []
    for shard in range(size.shards):
        index, _ = make_index(kind, shard + 1, size.vectors)
        found.append(index.search(questions, TOP_K))
        slowest = max(slowest, median_ms(partial(index.search, questions, TOP_K)))
        del index
    notes.append(
        f"{size.shards * size.vectors:,} vectors in {size.shards} shards of {2 * DIMENSION * size.vectors / 1e9:.2f} GB each"
    )
    return {"shard_ms": slowest, "join_ms": median_ms(lambda: joined(found))}


def joined(found: list[list[list[Hit]]]) -> list[list[Hit]]:
    """Of each question the best hits of all shards."""
    return [sorted((hit for hits in several for hit in hits), key=best_first)[:TOP_K] for several in zip(*found, strict=True)]


if __name__ == "__main__":
    main()
