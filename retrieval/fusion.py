"""Reciprocal rank fusion: one list out of several, by ranks alone, since cosines and BM25 scores have no common scale."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.passages import Hit, best_first


def reciprocal_rank_fusion(rankings: Sequence[Sequence[Hit]], k: int = 60) -> list[Hit]:
    """Score each id by the sum of 1 / (k + rank) over the rankings that have it, ranks from 1; best first, ties by id.

    An id that a ranking repeats counts at its best rank.
    Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", SIGIR 2009, whose k is 60."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, passage in enumerate(dict.fromkeys(hit.id for hit in ranking), start=1):
            scores[passage] = scores.get(passage, 0.0) + 1.0 / (k + rank)
    return sorted((Hit(passage, score) for passage, score in scores.items()), key=best_first)
