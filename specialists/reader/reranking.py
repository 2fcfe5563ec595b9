"""The reader's relevance head as a reranker: it orders the passages that a search found. One pass reads and reranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from retrieval.passages import Hit, best_first

SEARCH_WEIGHT = 4.0
SEARCH_K = 10  # a passage at rank r of the search gets SEARCH_WEIGHT * SEARCH_K / (SEARCH_K + r) beside its relevance


def rerank(hits: Sequence[Hit], relevance: Mapping[int, float]) -> list[Hit]:
    """The hits, best first by relevance (log-odds) and their place in the search together.

    The place keeps what the reader cannot judge (questions unlike those it learnt from) near the order of the search."""
    scored = [
        Hit(hit.id, relevance.get(hit.id, -SEARCH_WEIGHT) + SEARCH_WEIGHT * SEARCH_K / (SEARCH_K + rank))
        for rank, hit in enumerate(hits)
    ]
    return sorted(scored, key=best_first)
