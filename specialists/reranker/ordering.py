"""The order of found passages by the reranker and the search together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SEARCH_WEIGHT = 4.0
SEARCH_K = 10


def reorder(found: Sequence[int], relevance: Mapping[int, float]) -> list[int]:
    """The passages of a search, best first by relevance (log-odds) plus a bonus for their place: the one at rank r gets
    SEARCH_WEIGHT * SEARCH_K / (SEARCH_K + r). So questions unlike those that the reranker learnt from, which it scores much
    alike, keep nearly the order of the search. Passages without a relevance come last, as they were."""
    bonus = {passage: SEARCH_WEIGHT * SEARCH_K / (SEARCH_K + rank) for rank, passage in enumerate(found)}
    ranked = sorted((item for item in found if item in relevance), key=lambda item: -(relevance[item] + bonus[item]))
    return [*ranked, *(item for item in found if item not in relevance)]
