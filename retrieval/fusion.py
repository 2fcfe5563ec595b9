"""One list out of two: the scores of both sides, each brought to 0..1 over its own candidates, added by fitted weights."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.passages import Hit, best_first

DENSE_WEIGHT = 0.5  # chosen with the exponent on one half of five sets' queries: docs/retrieval.md
LEXICAL_EXPONENT = 0.7  # a BM25 score far above the rest is a rare word more often than a better passage


def fuse(dense: Sequence[Hit], lexical: Sequence[Hit], *, depth: int) -> list[Hit]:
    """Score each id by DENSE_WEIGHT · cosine + (1 - DENSE_WEIGHT) · BM25 ** LEXICAL_EXPONENT, both as shares of the way from the
    side's floor to its best; 0 on a side that did not bring it. Best first, ties by id, scores in 0..1.

    A side that brought `depth` hits has its last one's score as floor, which what it left out cannot have exceeded. A shorter
    lexical list is all that has any of the words, so its floor is 0; a shorter dense list is all there is.
    Source: the convex combination of Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023."""
    scores: dict[int, float] = {}
    lexical_floor = lexical[-1].score if len(lexical) >= depth else 0.0
    dense_floor = dense[-1].score if dense else 0.0
    for side, floor, weight, exponent in (
        (dense, dense_floor, DENSE_WEIGHT, 1.0),
        (lexical, lexical_floor, 1 - DENSE_WEIGHT, LEXICAL_EXPONENT),
    ):
        for hit, share in zip(side, _shares(side, floor), strict=True):
            scores[hit.id] = scores.get(hit.id, 0.0) + weight * share**exponent
    return sorted((Hit(passage, score) for passage, score in scores.items()), key=best_first)


def _shares(side: Sequence[Hit], floor: float) -> list[float]:
    span = side[0].score - floor if side else 0.0
    return [max(0.0, (hit.score - floor) / span) if span > 0 else 1.0 for hit in side]


def reciprocal_rank_fusion(rankings: Sequence[Sequence[Hit]], k: int = 60) -> list[Hit]:
    """The usual baseline, by ranks alone: the sum of 1 / (k + rank) over the rankings that have an id, ranks from 1; ties by id.

    An id that a ranking repeats counts at its best rank.
    Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", SIGIR 2009, whose k is 60."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, passage in enumerate(dict.fromkeys(hit.id for hit in ranking), start=1):
            scores[passage] = scores.get(passage, 0.0) + 1.0 / (k + rank)
    return sorted((Hit(passage, score) for passage, score in scores.items()), key=best_first)
