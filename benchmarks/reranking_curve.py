"""The reranker's quality beside its time: how many candidates, how long an input, how many rows at once.

    python benchmarks/reranking_curve.py SET [SET ...] [--queries 100] [--json]

A SET is one of benchmarks/judged.py. Prints, for each input length and number of candidates, nDCG@10 and the CPU time of ordering
one question's candidates (of all threads: the clock shows about half of it on two idle cores; a mean over all candidates); then,
for rows run together, the CPU time and how far the log-odds move. Writes only to a temporary folder."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from benchmarks.judged import JudgedSet, load_set
from benchmarks.reranking import index, load_model

CANDIDATES = (4, 8, 12, 16, 24, 32)
LENGTHS = (96, 128, 192, 256)  # tokens of a row; a longer passage is several rows, of which the best counts
BATCHES = (1, 2, 4, 8, 16)
TIMED = 12  # questions, of the first set, whose rows are run together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--queries", type=int, default=100, help="every n-th query, so that there are at most so many; 0: all")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    import django
    from django.conf import settings

    django.setup()

    with tempfile.TemporaryDirectory() as scratch:
        settings.INDEXES_DIR = Path(scratch) / "indexes"
        model = load_model(settings.SPECIALISTS_DIR / "reranker", Path(scratch) / "model")
        sets = [load_set(path, arguments.queries) for path in arguments.sets]
        for number, judged in enumerate(sets):
            index(judged, f"set-{number}")
        found = [[search_for(question, number) for question in judged.queries] for number, judged in enumerate(sets)]
        table = {
            "sets": {judged.name: len(judged.queries) for judged in sets},
            "hybrid": [round(quality(judged, [result.hits for result in results]), 1)
                       for judged, results in zip(sets, found, strict=True)],
            "curve": [row for length in LENGTHS for row in curve(model, sets, found, length)],
            "batches": batches(model, sets[0], found[0]),
        }  # fmt: skip
    print(json.dumps(table, indent=1) if arguments.json else in_words(table))


def search_for(question: str, number: int) -> Any:
    from retrieval.search import search

    return search(question, scope=[f"set-{number}"], top_k=100)


def passages_of(judged: JudgedSet, hits: Sequence[Any]) -> list[Any]:
    from specialists.reader.serving import ReaderPassage

    return [ReaderPassage(hit.id, judged.texts[hit.id], judged.contexts[hit.id]) for hit in hits]


def quality(judged: JudgedSet, orders: Sequence[Sequence[Any]]) -> float:
    from retrieval.metrics import ndcg_at_k

    run = {
        str(number): {str(getattr(hit, "id", hit)): -float(rank) for rank, hit in enumerate(order)}
        for number, order in enumerate(orders)
    }
    return 100 * ndcg_at_k(run, judged.named_qrels(), 10)


def curve(model: Any, sets: Sequence[JudgedSet], found: Sequence[Sequence[Any]], length: int) -> list[dict[str, Any]]:
    """Relevances are taken once for the most candidates; fewer are a part of them."""
    from specialists.reranker.ordering import reorder

    model.session.pairs.window = length
    started = time.process_time()
    relevances = [
        [
            model.relevance(question, passages_of(judged, result.hits[: CANDIDATES[-1]]))
            for question, result in zip(judged.queries, results, strict=True)
        ]
        for judged, results in zip(sets, found, strict=True)
    ]
    read = sum(len(relevance) for known in relevances for relevance in known)
    each = (time.process_time() - started) * 1000 / read
    rows = []
    for candidates in CANDIDATES:
        figures = []
        for judged, results, known in zip(sets, found, relevances, strict=True):
            orders = []
            for result, relevance in zip(results, known, strict=True):
                head = [hit.id for hit in result.hits[:candidates]]
                tail = [hit.id for hit in result.hits[candidates:]]
                here = {passage: relevance[passage] for passage in head}
                orders.append([*reorder(head, here, (result.dense, result.lexical)), *tail])
            figures.append(quality(judged, orders))
        rows.append({
            "length": length, "candidates": candidates, "ndcg": [round(value, 1) for value in figures],
            "mean": round(sum(figures) / len(figures), 1), "ms": round(each * candidates),
        })  # fmt: skip
    return rows


def batches(model: Any, judged: JudgedSet, results: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of sixteen candidates run together, padded to the longest, in as many threads as the product takes."""
    import numpy as np

    model.session.pairs.window = model.session.card.window
    questions = []
    for question, result in list(zip(judged.queries, results, strict=True))[:TIMED]:
        rows = [
            row
            for passage in passages_of(judged, result.hits[:16])
            for row in model.session.pairs.windows(question, passage.text, passage.context)
        ]
        questions.append(sorted(rows, key=lambda row: -len(row.ids)))
    alone = [np.concatenate([run_together(model, [row]) for row in rows]) for rows in questions]
    table = []
    for size in BATCHES:
        times, moved = [], 0.0
        for rows, expected in zip(questions, alone, strict=True):
            groups = [rows[start : start + size] for start in range(0, len(rows), size)]
            started = time.process_time()
            with ThreadPoolExecutor(model.session.threads) as pool:
                scores = np.concatenate(list(pool.map(lambda group: run_together(model, group), groups)))
            times.append((time.process_time() - started) * 1000)
            moved = max(moved, float(np.abs(scores - expected).max()))
        table.append({"rows": size, "ms": round(float(np.median(times)), 1), "moved": round(moved, 2)})
    return table


def run_together(model: Any, rows: Sequence[Any]) -> Any:
    from specialists.encoders.export import INPUTS
    from specialists.encoders.pairs import stack

    return model.session._session.run(None, dict(zip(INPUTS, stack(rows), strict=True)))[0][:, 0]


def in_words(table: dict[str, Any]) -> str:
    lines = [f"hybrid: {' '.join(map(str, table['hybrid']))} ({', '.join(f'{n} {c}' for n, c in table['sets'].items())})"]
    lines += [
        f"{row['length']:>4} tokens {row['candidates']:>3} candidates: {' '.join(map(str, row['ndcg']))} mean {row['mean']}, "
        f"{row['ms']} CPU-ms"
        for row in table["curve"]
    ]
    lines += [
        f"{row['rows']:>4} rows at once: {row['ms']} CPU-ms, log-odds moved by up to {row['moved']}" for row in table["batches"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
