"""Measures of a run against relevance judgements, always averaged over all judged queries, answered or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

Run = Mapping[str, Mapping[str, float]]  # query → document → score
Qrels = Mapping[str, Mapping[str, int]]  # query → document → grade; above 0 is relevant


def ndcg_at_k(run: Run, qrels: Qrels, k: int) -> float:
    """Normalised discounted cumulative gain: gain = grade, discount = log2(rank + 1), as trec_eval's ndcg_cut.

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002."""

    def ndcg(ranking: Sequence[str], grades: Mapping[str, int]) -> float:
        ideal = _dcg(sorted(grades.values(), reverse=True)[:k])
        return _dcg([grades.get(document, 0) for document in ranking[:k]]) / ideal if ideal else 0.0

    return _mean(run, qrels, ndcg)


def recall_at_k(run: Run, qrels: Qrels, k: int) -> float:
    """The part of the relevant documents that is among the first k. (Hit rate is another measure.)"""

    def recall(ranking: Sequence[str], grades: Mapping[str, int]) -> float:
        relevant = {document for document, grade in grades.items() if grade > 0}
        return len(relevant.intersection(ranking[:k])) / len(relevant) if relevant else 0.0

    return _mean(run, qrels, recall)


def mrr_at_k(run: Run, qrels: Qrels, k: int) -> float:
    """Mean of 1 / rank of the first relevant document; 0 for a query that has none among its first k."""

    def reciprocal_rank(ranking: Sequence[str], grades: Mapping[str, int]) -> float:
        ranks = (rank for rank, document in enumerate(ranking[:k], start=1) if grades.get(document, 0) > 0)
        return 1.0 / next(ranks, math.inf)

    return _mean(run, qrels, reciprocal_rank)


def _dcg(grades: Sequence[int]) -> float:
    return sum(max(grade, 0) / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))


def _ranking(scores: Mapping[str, float]) -> list[str]:
    """Score descending; equal scores by id descending, as trec_eval does."""
    return sorted(sorted(scores, reverse=True), key=lambda document: -scores[document])


def _mean(run: Run, qrels: Qrels, measure: Callable[[Sequence[str], Mapping[str, int]], float]) -> float:
    if not qrels:
        raise ValueError("there are no judged queries to average over")
    return sum(measure(_ranking(run.get(query, {})), grades) for query, grades in qrels.items()) / len(qrels)
