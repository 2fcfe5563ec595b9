"""The order of found passages by the reranker and both sides of the search together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.passages import Hit

SIDE_WEIGHT = 2.5  # of one standard deviation of a side's scores, in the reranker's log-odds; chosen by docs/specialists.md
LEAST = -8.0  # log-odds below the best passage's; further down there is nothing to tell apart


def reorder(found: Sequence[int], relevance: Mapping[int, float], sides: Sequence[Sequence[Hit]]) -> list[int]:
    """The passages of a search, best first. `relevance`: log-odds by the reranker. `sides`: the candidates of the search's
    sides with their own scores, whatever their scale.

    A passage's score is its relevance plus SIDE_WEIGHT standard deviations of each side, taken over these passages. So a search
    that is sure of its order keeps it where the reranker is not. Passages without a relevance come last, as they were."""
    ranked = [passage for passage in found if passage in relevance]
    if not ranked:
        return list(found)
    values = np.array([relevance[passage] for passage in ranked])
    scores = np.maximum(values - values.max(), LEAST)
    for side in sides:
        scores += SIDE_WEIGHT * _standard(ranked, side)
    best_first = [ranked[place] for place in np.argsort(-scores, kind="stable")]
    return [*best_first, *(passage for passage in found if passage not in relevance)]


def _standard(passages: Sequence[int], side: Sequence[Hit]) -> NDArray[np.float64]:
    """The side's scores in standard deviations from their mean. What it did not bring has its last score, which it cannot have
    exceeded."""
    known = {hit.id: hit.score for hit in side}
    least = side[-1].score if side else 0.0
    scores = np.array([known.get(passage, least) for passage in passages])
    deviation = float(scores.std())
    return (scores - scores.mean()) / deviation if deviation > 0 else np.zeros(len(scores))
