"""What a reranker adds to the embedder's order of a file's own texts. benchmarks/reranking.py measures it on hybrid search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.embedders import get_embedder
from retrieval.metrics import ndcg_at_k
from retrieval.passages import Hit
from specialists.reader.evaluation import Measure, measure
from specialists.reader.rows import ReaderRow
from specialists.reader.serving import ReaderPassage
from specialists.reranker.ordering import reorder
from specialists.reranker.serving import Reranker

CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class RerankerReport:
    questions: int
    passages: int
    measures: dict[str, Measure]


def evaluate_reranker(reranker: Reranker, rows: Sequence[ReaderRow]) -> RerankerReport:
    """nDCG@10 of the answerable questions over all texts of the rows, with 95 % intervals: by the embedder, and its first
    CANDIDATES reordered."""
    texts = list(dict.fromkeys(row.text for row in rows))
    titles = {row.text: row.context for row in rows}
    right: dict[str, set[int]] = {}
    for row in rows:
        if row.answers:
            right.setdefault(row.question, set()).add(texts.index(row.text))
    embedder = get_embedder()
    passages = embedder.embed_passages(texts)
    scores = embedder.embed_queries(list(right)) @ passages.T
    gained: dict[str, list[float]] = {"nDCG@10 embedder": [], "nDCG@10 reranked": []}
    for question, values in zip(right, scores, strict=True):
        hits = [Hit(int(place), float(values[place])) for place in np.argsort(-values, kind="stable")[:CANDIDATES]]
        found = [hit.id for hit in hits]
        relevance = reranker.relevance(question, [ReaderPassage(place, texts[place], titles[texts[place]]) for place in found])
        for name, order in (("nDCG@10 embedder", found), ("nDCG@10 reranked", reorder(found, relevance, [hits]))):
            gained[name].append(_gain(order, right[question]))
    return RerankerReport(len(right), len(texts), {name: measure(values) for name, values in gained.items()})


def _gain(order: Sequence[int], right: set[int]) -> float:
    run = {"q": {str(place): -float(rank) for rank, place in enumerate(order)}}
    return ndcg_at_k(run, {"q": {str(place): 1 for place in right}}, 10)
